#include "emulator/runtime/driver.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>

#include "emulator/memory.h"
#include "emulator/runtime/runtime.h"

using namespace ibert::emulator;

namespace {

// Memory of cuMemCreate, which goes when nobody holds it and nothing is mapped to it.
struct Created {
  size_t bytes;
  bool held = true, mapped = false;
};

struct Mapping {
  size_t bytes;
  CUmemGenericAllocationHandle handle;
  bool open = false;  // its access was set
};

// Never destroyed: a process may exit while its threads are at work.
struct State {
  std::mutex mutex;
  std::map<CUmemGenericAllocationHandle, Created> created;
  std::map<CUdeviceptr, Mapping> mappings;  // by address
  CUmemGenericAllocationHandle next = 1;
};
State& state() {
  static auto* instance = new State;
  return *instance;
}

template <class Body>
CUresult answered(Body&& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (const std::invalid_argument&) {
    return CUDA_ERROR_INVALID_VALUE;
  }
}

void* pointer(CUdeviceptr address) {
  return reinterpret_cast<void*>(address);
}

bool isDevice(int device) {
  return cudaSetDevice(device) == cudaSuccess;
}

bool isOfDevice(const CUmemLocation& location) {
  return location.type == CU_MEM_LOCATION_TYPE_DEVICE && isDevice(location.id);
}

bool isWhole(size_t bytes) {
  return bytes > 0 && bytes % kPieceBytes == 0;
}

void dropUnused(State& all, std::map<CUmemGenericAllocationHandle, Created>::iterator created) {
  if (created->second.held || created->second.mapped) return;
  giveMemoryBack(created->second.bytes);
  all.created.erase(created);
}

struct EntryPoint {
  const char* name;
  void* function;
};

template <class Function>
EntryPoint entry(const char* name, Function* function) {
  return {name, reinterpret_cast<void*>(function)};
}

}  // namespace

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned,
                                             unsigned long long, cudaDriverEntryPointQueryResult* result) {
  static const EntryPoint entries[] = {
      entry("cuDeviceGet", cuDeviceGet),
      entry("cuDeviceGetAttribute", cuDeviceGetAttribute),
      entry("cuMemGetAllocationGranularity", cuMemGetAllocationGranularity),
      entry("cuMemAddressReserve", cuMemAddressReserve),
      entry("cuMemAddressFree", cuMemAddressFree),
      entry("cuMemCreate", cuMemCreate),
      entry("cuMemRelease", cuMemRelease),
      entry("cuMemMap", cuMemMap),
      entry("cuMemSetAccess", cuMemSetAccess),
      entry("cuMemUnmap", cuMemUnmap),
  };
  *function = nullptr;
  *result = cudaDriverEntryPointSymbolNotFound;
  for (const EntryPoint& entry : entries) {
    if (std::strcmp(symbol, entry.name) != 0) continue;
    *function = entry.function;
    *result = cudaDriverEntryPointSuccess;
  }
  return cudaSuccess;
}

CUresult cuDeviceGet(CUdevice* device, int index) {
  if (!isDevice(index)) return CUDA_ERROR_INVALID_DEVICE;
  *device = index;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  if (!isDevice(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (attribute != CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED) return CUDA_ERROR_INVALID_VALUE;
  const char* chosen = std::getenv("IBERT_EMULATOR_VIRTUAL_MEMORY");
  *value = chosen == nullptr || std::strcmp(chosen, "0") != 0;
  return CUDA_SUCCESS;
}

CUresult cuMemGetAllocationGranularity(size_t* bytes, const CUmemAllocationProp* properties,
                                       CUmemAllocationGranularity_flags) {
  if (!isOfDevice(properties->location)) return CUDA_ERROR_INVALID_VALUE;
  *bytes = kPieceBytes;
  return CUDA_SUCCESS;
}

CUresult cuMemAddressReserve(CUdeviceptr* range, size_t bytes, size_t, CUdeviceptr wanted,
                             unsigned long long flags) {
  if (!isWhole(bytes) || wanted != 0 || flags != 0) return CUDA_ERROR_INVALID_VALUE;
  return answered([&] {
    *range = reinterpret_cast<CUdeviceptr>(reserveRange(bytes));
    return CUDA_SUCCESS;
  });
}

CUresult cuMemAddressFree(CUdeviceptr range, size_t bytes) {
  State& all = state();
  const std::lock_guard lock(all.mutex);
  const auto inside = all.mappings.lower_bound(range);
  if (inside != all.mappings.end() && inside->first < range + bytes) return CUDA_ERROR_INVALID_VALUE;
  return answered([&] {
    freeRange(pointer(range), bytes);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemCreate(CUmemGenericAllocationHandle* handle, size_t bytes,
                     const CUmemAllocationProp* properties, unsigned long long flags) {
  if (!isWhole(bytes) || properties->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
      !isOfDevice(properties->location) || flags != 0)
    return CUDA_ERROR_INVALID_VALUE;
  State& all = state();
  const std::lock_guard lock(all.mutex);
  return answered([&] {
    takeMemory(bytes);
    *handle = all.next++;
    all.created[*handle] = {bytes};
    return CUDA_SUCCESS;
  });
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  State& all = state();
  const std::lock_guard lock(all.mutex);
  const auto found = all.created.find(handle);
  if (found == all.created.end() || !found->second.held) return CUDA_ERROR_INVALID_VALUE;
  found->second.held = false;
  dropUnused(all, found);
  return CUDA_SUCCESS;
}

CUresult cuMemMap(CUdeviceptr at, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long flags) {
  State& all = state();
  const std::lock_guard lock(all.mutex);
  const auto found = all.created.find(handle);
  if (found == all.created.end() || !found->second.held || found->second.mapped ||
      found->second.bytes != bytes || offset != 0 || flags != 0 || at % kPieceBytes != 0)
    return CUDA_ERROR_INVALID_VALUE;
  const auto after = all.mappings.upper_bound(at);
  if (after != all.mappings.end() && after->first < at + bytes) return CUDA_ERROR_INVALID_VALUE;
  if (after != all.mappings.begin() && std::prev(after)->first + std::prev(after)->second.bytes > at)
    return CUDA_ERROR_INVALID_VALUE;
  if (!isInRange(pointer(at), bytes)) return CUDA_ERROR_INVALID_VALUE;
  found->second.mapped = true;
  all.mappings[at] = {bytes, handle};
  return CUDA_SUCCESS;
}

CUresult cuMemSetAccess(CUdeviceptr at, size_t bytes, const CUmemAccessDesc* access, size_t count) {
  if (count != 1 || access->flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE || !isOfDevice(access->location))
    return CUDA_ERROR_INVALID_VALUE;
  State& all = state();
  const std::lock_guard lock(all.mutex);
  const auto found = all.mappings.find(at);
  if (found == all.mappings.end() || found->second.bytes != bytes || found->second.open)
    return CUDA_ERROR_INVALID_VALUE;
  return answered([&] {
    openRange(pointer(at), bytes);
    found->second.open = true;
    return CUDA_SUCCESS;
  });
}

// Whole pieces that lie one behind the other; those that are open are all of an allocation.
CUresult cuMemUnmap(CUdeviceptr at, size_t bytes) {
  State& all = state();
  const std::lock_guard lock(all.mutex);
  const auto first = all.mappings.find(at);
  auto last = first;
  size_t open = 0;
  CUdeviceptr end = at;
  for (; last != all.mappings.end() && last->first == end && end < at + bytes; ++last) {
    if (last->second.open && open != end - at) return CUDA_ERROR_INVALID_VALUE;
    end += last->second.bytes;
    if (last->second.open) open += last->second.bytes;
  }
  if (first == all.mappings.end() || end != at + bytes) return CUDA_ERROR_INVALID_VALUE;
  return answered([&] {
    if (open > 0) closeRange(pointer(at), open);
    for (auto mapping = first; mapping != last; mapping = all.mappings.erase(mapping)) {
      const auto created = all.created.find(mapping->second.handle);
      created->second.mapped = false;
      dropUnused(all, created);
    }
    return CUDA_SUCCESS;
  });
}

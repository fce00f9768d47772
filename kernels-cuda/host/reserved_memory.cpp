#include "reserved_memory.h"

#ifdef __CUDACC__
#include <cuda.h>
#else
#include "emulator/runtime/driver.h"
#endif

#include "memory.h"
#include "runtime.h"

namespace ibert::cuda {

// The driver's functions. CUDA's runtime finds them in the driver that it opened, so that the library needs
// none to load.
struct DriverMemory {
  decltype(&::cuDeviceGet) deviceGet = nullptr;
  decltype(&::cuDeviceGetAttribute) deviceGetAttribute = nullptr;
  decltype(&::cuMemGetAllocationGranularity) granularity = nullptr;
  decltype(&::cuMemAddressReserve) reserve = nullptr;
  decltype(&::cuMemAddressFree) freeAddresses = nullptr;
  decltype(&::cuMemCreate) create = nullptr;
  decltype(&::cuMemRelease) release = nullptr;
  decltype(&::cuMemMap) map = nullptr;
  decltype(&::cuMemSetAccess) setAccess = nullptr;
  decltype(&::cuMemUnmap) unmap = nullptr;
};

namespace {

// The version of CUDA whose forms of the functions are meant; they all came with it or before.
constexpr unsigned kFunctionsVersion = 10020;

template <class Function>
bool find(const char* name, Function& function) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result{};
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion(name, &found, kFunctionsVersion, cudaEnableDefault, &result);
  if (error != cudaSuccess) (void)cudaGetLastError();
  if (error != cudaSuccess || result != cudaDriverEntryPointSuccess) return false;
  function = reinterpret_cast<Function>(found);
  return found != nullptr;
}

// Null where the driver lacks one of them.
const DriverMemory* driverMemory() {
  static const struct Found {
    DriverMemory functions;
    const bool all = find("cuDeviceGet", functions.deviceGet) &&
                     find("cuDeviceGetAttribute", functions.deviceGetAttribute) &&
                     find("cuMemGetAllocationGranularity", functions.granularity) &&
                     find("cuMemAddressReserve", functions.reserve) &&
                     find("cuMemAddressFree", functions.freeAddresses) &&
                     find("cuMemCreate", functions.create) && find("cuMemRelease", functions.release) &&
                     find("cuMemMap", functions.map) && find("cuMemSetAccess", functions.setAccess) &&
                     find("cuMemUnmap", functions.unmap);
  } found;
  return found.all ? &found.functions : nullptr;
}

// Errors of the driver have the numbers of the runtime's.
void require(CUresult result, const char* what) {
  cuda::require(static_cast<cudaError_t>(result), what);
}

CUmemLocation locationOf(const Gpu& gpu) {
  CUmemLocation location{};
  location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  location.id = gpu.index;
  return location;
}

CUmemAllocationProp propertiesOf(const Gpu& gpu) {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = locationOf(gpu);
  return properties;
}

bool supports(const DriverMemory& driver, const Gpu& gpu) {
  CUdevice device{};
  int can = 0;
  return driver.deviceGet(&device, gpu.index) == CUDA_SUCCESS &&
         driver.deviceGetAttribute(&can, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, device) ==
             CUDA_SUCCESS &&
         can != 0;
}

int64_t roundedUp(int64_t bytes, int64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

std::unique_ptr<ReservedMemory> ReservedMemory::reserve(const Gpu& gpu) {
  gpu.use();
  const DriverMemory* driver = driverMemory();
  if (driver == nullptr || !supports(*driver, gpu)) return nullptr;
  std::unique_ptr<ReservedMemory> result(new ReservedMemory(*driver, gpu));
  const CUmemAllocationProp properties = propertiesOf(gpu);
  size_t unit = 0;
  if (driver->granularity(&unit, &properties, CU_MEM_ALLOC_GRANULARITY_MINIMUM) != CUDA_SUCCESS || unit == 0)
    return nullptr;
  result->unit_ = static_cast<int64_t>(unit);
  const int64_t bytes = roundedUp(gpu.info.memoryBytes, result->unit_);
  CUdeviceptr begin = 0;
  if (driver->reserve(&begin, static_cast<size_t>(bytes), 0, 0, 0) != CUDA_SUCCESS) return nullptr;
  result->begin_ = begin;
  result->reserved_ = bytes;
  return result;
}

ReservedMemory::~ReservedMemory() {
  if (reserved_ == 0 || cudaSetDevice(gpu_.index) != cudaSuccess) return;
  if (bytes_ > 0) (void)driver_.unmap(begin_, static_cast<size_t>(bytes_));
  (void)driver_.freeAddresses(begin_, static_cast<size_t>(reserved_));
}

void ReservedMemory::grow(int64_t bytes) {
  if (bytes <= bytes_) return;
  gpu_.use();
  if (bytes > reserved_) throwOutOfMemory(gpu_, bytes);
  const CUdeviceptr at = begin_ + static_cast<CUdeviceptr>(bytes_);
  const auto more = static_cast<size_t>(roundedUp(bytes, unit_) - bytes_);
  const CUmemAllocationProp properties = propertiesOf(gpu_);
  CUmemGenericAllocationHandle handle{};
  const CUresult created = driver_.create(&handle, more, &properties, 0);
  if (created == CUDA_ERROR_OUT_OF_MEMORY) throwOutOfMemory(gpu_, bytes);
  require(created, "cuMemCreate");
  // The mapping keeps the memory.
  const CUresult mapped = driver_.map(at, more, 0, handle, 0);
  (void)driver_.release(handle);
  require(mapped, "cuMemMap");
  CUmemAccessDesc access{};
  access.location = locationOf(gpu_);
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  const CUresult set = driver_.setAccess(at, more, &access, 1);
  if (set != CUDA_SUCCESS) (void)driver_.unmap(at, more);
  if (set == CUDA_ERROR_OUT_OF_MEMORY) throwOutOfMemory(gpu_, bytes);
  require(set, "cuMemSetAccess");
  bytes_ += static_cast<int64_t>(more);
}

}  // namespace ibert::cuda

#include "gpu.h"

#include <algorithm>
#include <cstdio>
#include <new>
#include <stdexcept>

namespace ibert::metal {

void AddressMap::add(GpuBuffer& buffer) {
  const std::lock_guard lock(mutex_);
  buffers_[buffer.address] = &buffer;
}

void AddressMap::remove(const GpuBuffer& buffer) {
  const std::lock_guard lock(mutex_);
  buffers_.erase(buffer.address);
}

Binding AddressMap::find(const void* address) const {
  if (address == nullptr) return {nullptr, 0};
  const auto* at = static_cast<const std::byte*>(address);
  const std::lock_guard lock(mutex_);
  const auto after = buffers_.upper_bound(at);
  if (after != buffers_.begin()) {
    GpuBuffer* buffer = std::prev(after)->second;
    // An empty operand may begin where its buffer ends.
    if (at - buffer->address <= buffer->bytes) return {buffer, at - buffer->address};
  }
  throw std::out_of_range("an operand lies in no buffer of the device");
}

DeviceInfo Gpu::present() const {
  if (hardware == nullptr) return info;
  DeviceInfo result = info;
  result.availableBytes = hardware->info().availableBytes;
  return result;
}

Hardware& Gpu::use() const {
  if (hardware == nullptr) {
    throw std::runtime_error(std::string(info.architecture) +
                             " is a planned device: it answers for sizes and support, and runs nothing");
  }
  return *hardware;
}

std::unique_ptr<GpuBuffer> Gpu::allocate(int64_t bytes) const {
  Hardware& own = use();
  std::unique_ptr<GpuBuffer> buffer;
  try {
    if (bytes > info.maxBufferBytes) throw std::bad_alloc();
    buffer = own.allocate(std::max<int64_t>(bytes, 1));
  } catch (const std::bad_alloc&) {
    const DeviceInfo now = present();
    throw std::runtime_error("out of memory: " + std::to_string(bytes) + " bytes asked for, " +
                             std::to_string(now.availableBytes) + " of " + std::to_string(now.memoryBytes) +
                             " free on device " + std::to_string(index) + ", " + now.name +
                             ", of which one buffer may have " + std::to_string(now.maxBufferBytes));
  }
  addresses->add(*buffer);
  return buffer;
}

void Gpu::release(std::unique_ptr<GpuBuffer> buffer) const {
  if (buffer != nullptr) addresses->remove(*buffer);
}

namespace {

// By the name of a family; of the newest known, if it is none.
Machine machineOf(const char* architecture) {
  constexpr int kNewest = 9;
  Machine machine;
  if (std::sscanf(architecture, "apple%d", &machine.family) != 1) machine.family = kNewest;
  return machine;
}

}  // namespace

Gpu openGpu(int index) {
  Gpu gpu;
  gpu.index = index;
  gpu.hardware = openHardware(index);
  gpu.info = gpu.hardware->info();
  gpu.machine = machineOf(gpu.info.architecture);
  gpu.machine.hasBfloat = gpu.hardware->hasBfloat();
  return gpu;
}

namespace {

// The smallest memory that machines with these chips were sold with.
struct Chip {
  const char *family, *name;
  int64_t bytes;
};
constexpr int64_t kGiB = int64_t{1} << 30;
constexpr Chip kChips[] = {
    {"apple7", "Apple M1", 8 * kGiB}, {"apple8", "Apple M2", 8 * kGiB}, {"apple9", "Apple M3", 8 * kGiB}};

}  // namespace

Gpu plannedGpu(const std::string& architecture) {
  std::string known;
  for (const Chip& chip : kChips) {
    known += (known.empty() ? "" : ", ") + std::string(chip.family);
    if (architecture != chip.family) continue;
    Gpu gpu;
    std::snprintf(gpu.info.name, sizeof gpu.info.name, "%s (planned)", chip.name);
    std::snprintf(gpu.info.architecture, sizeof gpu.info.architecture, "%s", chip.family);
    gpu.info.memoryBytes = chip.bytes;
    gpu.info.availableBytes = gpu.info.maxBufferBytes = chip.bytes / 3 * 2;
    gpu.info.sharesHostMemory = 1;
    gpu.machine = machineOf(architecture.c_str());
    return gpu;
  }
  throw std::runtime_error("no device " + architecture + " can be planned for; known: " + known);
}

}  // namespace ibert::metal

#include "memory.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <string>

#include "runtime.h"

namespace ibert::cuda {

namespace {

// Never destroyed: a process may exit while its threads still copy.
std::mutex& pinnedMutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}
std::map<const std::byte*, int64_t>& pinned() {
  static auto* ranges = new std::map<const std::byte*, int64_t>;
  return *ranges;
}

}  // namespace

std::byte* allocateDevice(const Gpu& gpu, int64_t bytes) {
  gpu.use();
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, static_cast<size_t>(std::max<int64_t>(bytes, 1)));
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    throwOutOfMemory(gpu, bytes);
  }
  require(error, "cudaMalloc");
  return static_cast<std::byte*>(memory);
}

void throwOutOfMemory(const Gpu& gpu, int64_t bytes) {
  const DeviceInfo info = gpu.present();
  throw std::runtime_error("out of memory: " + std::to_string(bytes) + " bytes asked for, " +
                           std::to_string(info.availableBytes) + " of " + std::to_string(info.memoryBytes) +
                           " free on device " + std::to_string(gpu.index) + ", " + info.name);
}

void releaseDevice(const Gpu& gpu, std::byte* memory) {
  if (cudaSetDevice(gpu.index) == cudaSuccess) (void)cudaFree(memory);
}

std::byte* allocatePinned(const Gpu& gpu, int64_t bytes) {
  gpu.use();
  void* memory = nullptr;
  const cudaError_t error = cudaMallocHost(&memory, static_cast<size_t>(std::max<int64_t>(bytes, 1)));
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    throw std::runtime_error("out of memory: " + std::to_string(bytes) + " bytes of pinned host memory");
  }
  require(error, "cudaMallocHost");
  const std::lock_guard lock(pinnedMutex());
  auto* first = static_cast<std::byte*>(memory);
  pinned()[first] = std::max<int64_t>(bytes, 1);
  return first;
}

void releasePinned(std::byte* memory) {
  {
    const std::lock_guard lock(pinnedMutex());
    pinned().erase(memory);
  }
  (void)cudaFreeHost(memory);
}

bool isPinned(const void* memory, int64_t bytes) {
  const std::lock_guard lock(pinnedMutex());
  const auto* at = static_cast<const std::byte*>(memory);
  const auto after = pinned().upper_bound(at);
  if (after == pinned().begin()) return false;
  const auto& [begin, size] = *std::prev(after);
  return at + bytes <= begin + size;
}

Workspace::~Workspace() {
  if (memory_ != nullptr) releaseDevice(gpu_, memory_);
}

void Workspace::move(int64_t bytes) {
  constexpr int64_t kUnit = int64_t{1} << 20;
  if (memory_ != nullptr) releaseDevice(gpu_, std::exchange(memory_, nullptr));
  bytes_ = 0;
  const int64_t rounded = (bytes + kUnit - 1) / kUnit * kUnit;
  memory_ = allocateDevice(gpu_, rounded);
  bytes_ = rounded;
}

}  // namespace ibert::cuda

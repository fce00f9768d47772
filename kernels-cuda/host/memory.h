// Memory of a device, pinned memory of the host, and scratch memory of a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "backend.h"
#include "gpu.h"
#include "reserved_memory.h"

namespace ibert::cuda {

// What a Buffer of this backend is.
struct DeviceBuffer {
  std::byte* memory;
  int64_t bytes;
  int device;
};

// Throws std::runtime_error that says how much was asked for and how much is free. Nothing is lost by it.
std::byte* allocateDevice(const Gpu& gpu, int64_t bytes);
void releaseDevice(const Gpu& gpu, std::byte* memory);
[[noreturn]] void throwOutOfMemory(const Gpu& gpu, int64_t bytes);

std::byte* allocatePinned(const Gpu& gpu, int64_t bytes);
void releasePinned(std::byte* memory);
// Whether the range was allocated by allocatePinned.
bool isPinned(const void* memory, int64_t bytes);

// Device memory of one stream that grows and never shrinks: in place, or, where the device cannot do that, by
// moving, and then whoever keeps its address asks for it again.
class Workspace {
 public:
  explicit Workspace(const Gpu& gpu) : gpu_(gpu), reserved_(ReservedMemory::reserve(gpu)) {}
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // Throws the error of allocateDevice. `settle` waits for the work that uses memory that is given up.
  template <class Settle>
  std::byte* ensure(int64_t bytes, Settle&& settle) {
    if (reserved_ != nullptr) {
      reserved_->grow(bytes);
      return reserved_->begin();
    }
    if (bytes <= bytes_) return memory_;
    settle();
    move(bytes);
    return memory_;
  }
  bool growsInPlace() const { return reserved_ != nullptr; }

 private:
  void move(int64_t bytes);

  const Gpu& gpu_;
  const std::unique_ptr<ReservedMemory> reserved_;
  // Without it.
  std::byte* memory_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace ibert::cuda

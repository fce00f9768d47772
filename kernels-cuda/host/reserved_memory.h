// Device memory that grows in place: addresses for all that the device has are reserved, and memory is put
// behind them as it is needed. What holds an address, such as a captured graph, stays right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "gpu.h"

namespace ibert::cuda {

struct DriverMemory;

class ReservedMemory {
 public:
  // Null where driver or device cannot do it, or no addresses are left.
  static std::unique_ptr<ReservedMemory> reserve(const Gpu& gpu);
  // No work uses the memory any more.
  ~ReservedMemory();
  ReservedMemory(const ReservedMemory&) = delete;
  ReservedMemory& operator=(const ReservedMemory&) = delete;

  std::byte* begin() const { return reinterpret_cast<std::byte*>(begin_); }
  // How many bytes from begin() on have memory.
  int64_t bytes() const { return bytes_; }
  // Makes them at least so many; those that were there keep what is in them, and work goes on meanwhile.
  // Throws the error of allocateDevice where memory runs out, and then all is as before.
  void grow(int64_t bytes);

 private:
  ReservedMemory(const DriverMemory& driver, const Gpu& gpu) : driver_(driver), gpu_(gpu) {}

  const DriverMemory& driver_;
  const Gpu& gpu_;
  unsigned long long begin_ = 0;
  int64_t bytes_ = 0, reserved_ = 0, unit_ = 0;
};

}  // namespace ibert::cuda

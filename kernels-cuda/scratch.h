// Scratch memory of an op, shared out, and matrices in it that tiles can read.
#pragma once

#include "tile.h"

namespace ibert::cuda {

// Columns of a matrix in scratch memory, so that its rows start at multiples of sixteen bytes.
__host__ __device__ constexpr int64_t paddedColumns(int64_t columns) {
  return ceilDivide(columns, kChunk) * kChunk;
}

// Hands out scratch memory, or counts it where there is none yet.
class Scratch {
 public:
  explicit Scratch(std::byte* memory) : memory_(memory) {}
  template <class T>
  T* take(int64_t count) {
    const int64_t at = bytes_;
    bytes_ += ceilDivide(count * static_cast<int64_t>(sizeof(T)), 256) * 256;
    return memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + at);
  }
  int64_t bytes() const { return bytes_; }

 private:
  std::byte* memory_;
  int64_t bytes_ = 0;
};

// A matrix of any dtype as bf16: in `scratch`, (rows, paddedColumns(columns)), unless it is bf16 already.
Matrix asBf16(const Tensor& tensor, Bf16* scratch, int64_t rows, int64_t columns, const Context& context);

}  // namespace ibert::cuda

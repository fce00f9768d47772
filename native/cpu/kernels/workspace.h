// Scratch memory of an op, laid out once: the same code sums the bytes for `workspace` and finds the parts in
// `run`.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ibert::cpu::IBERT_ISA {

class Layouter {
 public:
  // Offset of a part; parts keep to their own cache lines.
  int64_t take(int64_t bytes) {
    const int64_t offset = bytes_;
    bytes_ += (bytes + 127) / 128 * 128;
    return offset;
  }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t bytes_ = 0;
};

template <class T>
static inline T* part(std::byte* workspace, int64_t offset) {
  return reinterpret_cast<T*>(workspace + offset);
}

}  // namespace ibert::cpu::IBERT_ISA

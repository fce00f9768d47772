// The row segments of a stacked weight and their LoRA slots, by value into a kernel.
#pragma once

#include "kernel.h"

namespace ibert::cuda {

struct Segments {
  int count;
  int64_t ends[kMaxInts];
  int slots[kMaxInts];

  // The slot of row n of W: columns [slot r, (slot + 1) r) of x A^T; -1 for none.
  __device__ __forceinline__ int slotOf(int64_t n) const {
    int slot = -1;
    // Unrolled, so that the lists stay in constant memory.
#pragma unroll
    for (int i = kMaxInts - 1; i >= 0; --i) {
      if (i < count && n < ends[i]) slot = slots[i];
    }
    return slot;
  }

  // Calls body(begin, end) for each segment that has the slot and is not empty.
  template <class Body>
  __device__ __forceinline__ void forSegments(int slot, const Body& body) const {
    int64_t begin = 0;
#pragma unroll
    for (int i = 0; i < kMaxInts; ++i) {
      if (i >= count) continue;
      if (slots[i] == slot && begin < ends[i]) body(begin, ends[i]);
      begin = ends[i];
    }
  }

  // The slots of rows [first, last), a bit each.
  __device__ __forceinline__ unsigned slotsOf(int64_t first, int64_t last) const {
    unsigned slotBits = 0;
    int64_t begin = 0;
#pragma unroll
    for (int i = 0; i < kMaxInts; ++i) {
      if (i >= count) continue;
      if (slots[i] >= 0 && begin < last && ends[i] > first) slotBits |= 1u << slots[i];
      begin = ends[i];
    }
    return slotBits;
  }
};

// The place of the n-th bit that is set.
__device__ __forceinline__ int nthBit(unsigned bits, int n) {
  for (; n > 0; --n) bits &= bits - 1;
  return __ffs(static_cast<int>(bits)) - 1;
}

// Without LoRA no row has a slot; with LoRA and no segments all have the first.
inline Segments segmentsOf(const Ints& segments, const Ints& slots, int64_t N, bool lora) {
  Segments result{};
  if (!lora) return result;
  if (segments.count == 0) return {1, {N}, {0}};
  result.count = static_cast<int>(segments.count);
  for (int i = 0; i < result.count; ++i) {
    result.ends[i] = segments.values[i];
    result.slots[i] = static_cast<int>(slots.values[i]);
  }
  return result;
}

}  // namespace ibert::cuda

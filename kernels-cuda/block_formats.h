// Elements of weights in ggml's block formats, one at a time: what native/reference/blocks.cpp lays out, in
// float32, whose products of scale and code are exact.
#pragma once

#include "kernel.h"

namespace ibert::cuda {

__device__ __forceinline__ float halfAt(const uint8_t* bytes) {
  return __half2float(*reinterpret_cast<const __half*>(bytes));
}

// Element i < 32 of sixteen bytes: the first half lies in the low four bits, the second in the high ones.
__device__ __forceinline__ int nibble(const uint8_t* bytes, int i) {
  return i < 16 ? bytes[i] & 15 : bytes[i - 16] >> 4;
}
// With a fifth bit from the four bytes before.
__device__ __forceinline__ int fiveBits(const uint8_t* high, int i) {
  return nibble(high + 4, i) | (high[i / 8] >> (i % 8) & 1) << 4;
}

// Six-bit scale (or, at 4, minimum) of sub-block j of a K format, from its twelve bytes.
__device__ __forceinline__ int sixBits(const uint8_t* packed, int j, int first) {
  if (j < 4) return packed[j + first] & 63;
  const int low = first == 0 ? packed[j + 4] & 15 : packed[j + 4] >> 4;
  return low | packed[j - 4 + first] >> 6 << 4;
}

__device__ __forceinline__ int kCode(const uint8_t* block, int i, bool fifthBits) {
  const int j = i / 32, k = i % 32;
  const uint8_t* bytes = block + (fifthBits ? 48 : 16) + j / 2 * 32;
  const int q = j % 2 ? bytes[k] >> 4 : bytes[k] & 15;
  return fifthBits ? q | (block[16 + k] >> j & 1) << 4 : q;
}
__device__ __forceinline__ float kElement(const uint8_t* block, int i, bool fifthBits) {
  const int scale = sixBits(block + 4, i / 32, 0), minimum = sixBits(block + 4, i / 32, 4);
  return halfAt(block) * static_cast<float>(scale * kCode(block, i, fifthBits)) -
         halfAt(block + 2) * static_cast<float>(minimum);
}

__device__ __forceinline__ int q6Code(const uint8_t* block, int i) {
  const int part = i / 128, group = i % 128 / 32, k = i % 32;
  const int low = block[64 * part + 32 * (group % 2) + k];
  const int high = block[128 + 32 * part + k] >> (2 * group) & 3;
  return (group < 2 ? low & 15 : low >> 4) | high << 4;
}
__device__ __forceinline__ float q6Element(const uint8_t* block, int i) {
  const int scale = static_cast<int8_t>(block[192 + i / 16]);
  return halfAt(block + 208) * static_cast<float>(scale * (q6Code(block, i) - 32));
}

// Element i of a row-major tensor in a block format.
__device__ inline float blockElement(DType dtype, const void* data, int64_t i) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  const int k = static_cast<int>(i % 32);
  switch (dtype) {
    case DType::Q8_0: {
      const uint8_t* block = bytes + i / 32 * 34;
      return halfAt(block) * static_cast<float>(static_cast<int8_t>(block[2 + k]));
    }
    case DType::Q4_0: {
      const uint8_t* block = bytes + i / 32 * 18;
      return halfAt(block) * static_cast<float>(nibble(block + 2, k) - 8);
    }
    case DType::Q4_1: {
      const uint8_t* block = bytes + i / 32 * 20;
      return halfAt(block) * static_cast<float>(nibble(block + 4, k)) + halfAt(block + 2);
    }
    case DType::Q5_0: {
      const uint8_t* block = bytes + i / 32 * 22;
      return halfAt(block) * static_cast<float>(fiveBits(block + 2, k) - 16);
    }
    case DType::Q5_1: {
      const uint8_t* block = bytes + i / 32 * 24;
      return halfAt(block) * static_cast<float>(fiveBits(block + 4, k)) + halfAt(block + 2);
    }
    case DType::Q4_K:
      return kElement(bytes + i / 256 * 144, static_cast<int>(i % 256), false);
    case DType::Q5_K:
      return kElement(bytes + i / 256 * 176, static_cast<int>(i % 256), true);
    case DType::Q6_K:
      return q6Element(bytes + i / 256 * 210, static_cast<int>(i % 256));
    default:
      return 0;
  }
}

// The code of element i of a block, as it lies there: unsigned but for Q8_0.
template <DType kDType>
__device__ __forceinline__ int blockCode(const uint8_t* block, int i) {
  switch (kDType) {
    case DType::Q8_0:
      return static_cast<int8_t>(block[2 + i]);
    case DType::Q4_0:
      return nibble(block + 2, i);
    case DType::Q4_1:
      return nibble(block + 4, i);
    case DType::Q5_0:
      return fiveBits(block + 2, i);
    case DType::Q5_1:
      return fiveBits(block + 4, i);
    case DType::Q4_K:
      return kCode(block, i, false);
    case DType::Q5_K:
      return kCode(block, i, true);
    default:
      return q6Code(block, i);
  }
}

}  // namespace ibert::cuda

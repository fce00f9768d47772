// Elements of weights in ggml's block formats, one at a time: what native/reference/blocks.cpp lays out, in
// float32, whose products of scale and code are exact. The packed order of this backend is the row-major one.
#pragma once

#include "dtypes.h"

// A block starts at a multiple of two bytes.
inline float halfAt(const device uint8_t* bytes) {
  return float(*(const device half*)bytes);
}

// Element i < 32 of sixteen bytes: the first half lies in the low four bits, the second in the high ones.
inline int nibble(const device uint8_t* bytes, int i) {
  return i < 16 ? bytes[i] & 15 : bytes[i - 16] >> 4;
}
// With a fifth bit from the four bytes before.
inline int fiveBits(const device uint8_t* high, int i) {
  return nibble(high + 4, i) | (high[i / 8] >> (i % 8) & 1) << 4;
}

// Six-bit scale (or, at 4, minimum) of sub-block j of a K format, from its twelve bytes.
inline int sixBits(const device uint8_t* packed, int j, int first) {
  if (j < 4) return packed[j + first] & 63;
  const int low = first == 0 ? packed[j + 4] & 15 : packed[j + 4] >> 4;
  return low | packed[j - 4 + first] >> 6 << 4;
}

// Of Q4_K, or of Q5_K, whose fifth bits lie before the others.
inline float kElement(const device uint8_t* block, int i, bool fifthBits) {
  const int j = i / 32, k = i % 32;
  const device uint8_t* bytes = block + (fifthBits ? 48 : 16) + j / 2 * 32;
  int code = j % 2 ? bytes[k] >> 4 : bytes[k] & 15;
  if (fifthBits) code |= (block[16 + k] >> j & 1) << 4;
  return halfAt(block) * float(sixBits(block + 4, j, 0) * code) -
         halfAt(block + 2) * float(sixBits(block + 4, j, 4));
}

inline float q6Element(const device uint8_t* block, int i) {
  const int part = i / 128, set = i % 128 / 32, k = i % 32;
  const int low = block[64 * part + 32 * (set % 2) + k];
  const int high = block[128 + 32 * part + k] >> (2 * set) & 3;
  const int code = (set < 2 ? low & 15 : low >> 4) | high << 4;
  return halfAt(block + 208) * float(int(int8_t(block[192 + i / 16])) * (code - 32));
}

// Element i of a tensor in a block format.
inline float blockElement(const device uint8_t* data, int32_t dtype, int64_t i) {
  const int k = int(i % 32);
  switch (dtype) {
    case kQ8_0: {
      const device uint8_t* block = data + i / 32 * 34;
      return halfAt(block) * float(int8_t(block[2 + k]));
    }
    case kQ4_0: {
      const device uint8_t* block = data + i / 32 * 18;
      return halfAt(block) * float(nibble(block + 2, k) - 8);
    }
    case kQ4_1: {
      const device uint8_t* block = data + i / 32 * 20;
      return halfAt(block) * float(nibble(block + 4, k)) + halfAt(block + 2);
    }
    case kQ5_0: {
      const device uint8_t* block = data + i / 32 * 22;
      return halfAt(block) * float(fiveBits(block + 2, k) - 16);
    }
    case kQ5_1: {
      const device uint8_t* block = data + i / 32 * 24;
      return halfAt(block) * float(fiveBits(block + 4, k)) + halfAt(block + 2);
    }
    case kQ4_K:
      return kElement(data + i / 256 * 144, int(i % 256), false);
    case kQ5_K:
      return kElement(data + i / 256 * 176, int(i % 256), true);
    default:
      return q6Element(data + i / 256 * 210, int(i % 256));
  }
}

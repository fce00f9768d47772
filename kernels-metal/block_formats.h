// Elements of weights in ggml's block formats: what native/reference/blocks.cpp lays out, in
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

// An element is scale * code + offset. Four neighbours, the first at a multiple of 4, share both.
struct BlockPart {
  float scale, offset;
};

// Of Q4_K and Q5_K.
inline BlockPart kPart(const device uint8_t* block, int i) {
  const int j = i / 32;
  return {halfAt(block) * float(sixBits(block + 4, j, 0)),
          -(halfAt(block + 2) * float(sixBits(block + 4, j, 4)))};
}
inline int kCode(const device uint8_t* block, int i, bool fifthBits) {
  const int j = i / 32, k = i % 32;
  const device uint8_t* bytes = block + (fifthBits ? 48 : 16) + j / 2 * 32;
  const int code = j % 2 ? bytes[k] >> 4 : bytes[k] & 15;
  return fifthBits ? code | (block[16 + k] >> j & 1) << 4 : code;
}
inline int q6Code(const device uint8_t* block, int i) {
  const int part = i / 128, set = i % 128 / 32, k = i % 32;
  const int low = block[64 * part + 32 * (set % 2) + k];
  const int high = block[128 + 32 * part + k] >> (2 * set) & 3;
  return ((set < 2 ? low & 15 : low >> 4) | high << 4) - 32;
}

inline bool isBlocks(int32_t dtype) {
  return dtype >= kQ8_0;
}
// The block of element i of a tensor in a block format.
inline const device uint8_t* blockOf(const device uint8_t* data, int32_t dtype, int64_t i) {
  switch (dtype) {
    case kQ8_0:
      return data + i / 32 * 34;
    case kQ4_0:
      return data + i / 32 * 18;
    case kQ4_1:
      return data + i / 32 * 20;
    case kQ5_0:
      return data + i / 32 * 22;
    case kQ5_1:
      return data + i / 32 * 24;
    case kQ4_K:
      return data + i / 256 * 144;
    case kQ5_K:
      return data + i / 256 * 176;
    default:
      return data + i / 256 * 210;
  }
}
inline BlockPart blockPart(const device uint8_t* block, int32_t dtype, int64_t i) {
  switch (dtype) {
    case kQ4_1:
    case kQ5_1:
      return {halfAt(block), halfAt(block + 2)};
    case kQ4_K:
    case kQ5_K:
      return kPart(block, int(i % 256));
    case kQ6_K:
      return {halfAt(block + 208) * float(int8_t(block[192 + i % 256 / 16])), 0};
    default:
      return {halfAt(block), 0};
  }
}
inline int blockCode(const device uint8_t* block, int32_t dtype, int64_t i) {
  const int k = int(i % 32);
  switch (dtype) {
    case kQ8_0:
      return int8_t(block[2 + k]);
    case kQ4_0:
      return nibble(block + 2, k) - 8;
    case kQ4_1:
      return nibble(block + 4, k);
    case kQ5_0:
      return fiveBits(block + 2, k) - 16;
    case kQ5_1:
      return fiveBits(block + 4, k);
    case kQ4_K:
      return kCode(block, int(i % 256), false);
    case kQ5_K:
      return kCode(block, int(i % 256), true);
    default:
      return q6Code(block, int(i % 256));
  }
}

inline float blockElement(const device uint8_t* data, int32_t dtype, int64_t i) {
  const device uint8_t* block = blockOf(data, dtype, i);
  const BlockPart part = blockPart(block, dtype, i);
  return part.scale * float(blockCode(block, dtype, i)) + part.offset;
}
// Elements i to i + 3, i a multiple of 4.
inline void blockFour(const device uint8_t* data, int32_t dtype, int64_t i, thread float* four) {
  const device uint8_t* block = blockOf(data, dtype, i);
  const BlockPart part = blockPart(block, dtype, i);
  for (int j = 0; j < 4; ++j) four[j] = part.scale * float(blockCode(block, dtype, i + j)) + part.offset;
}

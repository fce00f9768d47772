#include "blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "values.h"

namespace ibert::reference {

namespace {

double half(const uint8_t* bytes) {
  return fromF16(static_cast<uint16_t>(bytes[0] | bytes[1] << 8));
}

// f16 d | 32 x i8: x = d q
void q8_0(const uint8_t* block, double* x) {
  const double d = half(block);
  for (int i = 0; i < 32; ++i) x[i] = d * static_cast<int8_t>(block[2 + i]);
}

// f16 d | 16 bytes, element i in the low half of byte i, element i + 16 in the high half: x = d (q - 8)
void q4_0(const uint8_t* block, double* x) {
  const double d = half(block);
  for (int i = 0; i < 16; ++i) {
    x[i] = d * ((block[2 + i] & 15) - 8);
    x[i + 16] = d * ((block[2 + i] >> 4) - 8);
  }
}

// f16 d | f16 m | 16 bytes as in Q4_0: x = d q + m
void q4_1(const uint8_t* block, double* x) {
  const double d = half(block), m = half(block + 2);
  for (int i = 0; i < 16; ++i) {
    x[i] = d * (block[4 + i] & 15) + m;
    x[i + 16] = d * (block[4 + i] >> 4) + m;
  }
}

// 16 bytes of low four bits as in Q4_0, and bit i of a 32-bit word as the fifth bit of element i.
void fiveBits(const uint8_t* high, const uint8_t* low, int* q) {
  uint32_t fifth;
  std::memcpy(&fifth, high, sizeof fifth);
  for (int i = 0; i < 16; ++i) {
    q[i] = (low[i] & 15) | static_cast<int>(fifth >> i & 1) << 4;
    q[i + 16] = (low[i] >> 4) | static_cast<int>(fifth >> (i + 16) & 1) << 4;
  }
}

// f16 d | u32 fifth bits | 16 bytes: x = d (q - 16)
void q5_0(const uint8_t* block, double* x) {
  int q[32];
  fiveBits(block + 2, block + 6, q);
  const double d = half(block);
  for (int i = 0; i < 32; ++i) x[i] = d * (q[i] - 16);
}

// f16 d | f16 m | u32 fifth bits | 16 bytes: x = d q + m
void q5_1(const uint8_t* block, double* x) {
  int q[32];
  fiveBits(block + 4, block + 8, q);
  const double d = half(block), m = half(block + 2);
  for (int i = 0; i < 32; ++i) x[i] = d * q[i] + m;
}

// The K formats with a minimum keep eight 6-bit scales and eight 6-bit minima in 12 bytes. Those of the
// sub-blocks 0..3 are the low six bits of bytes 0..3 and 4..7; those of 4..7 have their low four bits in
// bytes 8..11 and their high two in the top bits of bytes 0..7.
struct ScaleMin {
  int scale, min;
};
ScaleMin scaleMin(const uint8_t* packed, int j) {
  if (j < 4) return {packed[j] & 63, packed[j + 4] & 63};
  return {(packed[j + 4] & 15) | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4};
}

// f16 d | f16 dmin | 12 bytes of scales | 128 bytes: sub-blocks 2c and 2c + 1 (32 elements each) are the low
// and the high halves of bytes [32 c, 32 c + 32): x = d scale q - dmin min
void q4_k(const uint8_t* block, double* x) {
  const double d = half(block), dmin = half(block + 2);
  for (int j = 0; j < 8; ++j) {
    const auto [scale, min] = scaleMin(block + 4, j);
    const uint8_t* bytes = block + 16 + j / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const int q = j % 2 ? bytes[i] >> 4 : bytes[i] & 15;
      x[32 * j + i] = d * scale * q - dmin * min;
    }
  }
}

// As Q4_K, with 32 bytes before the 128: bit j of byte i is the fifth bit of element i of sub-block j.
void q5_k(const uint8_t* block, double* x) {
  const double d = half(block), dmin = half(block + 2);
  const uint8_t* fifth = block + 16;
  for (int j = 0; j < 8; ++j) {
    const auto [scale, min] = scaleMin(block + 4, j);
    const uint8_t* bytes = block + 48 + j / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const int q = (j % 2 ? bytes[i] >> 4 : bytes[i] & 15) | (fifth[i] >> j & 1) << 4;
      x[32 * j + i] = d * scale * q - dmin * min;
    }
  }
}

// 128 bytes of low four bits | 64 bytes of high two bits | 16 x i8 scales | f16 d. Each half of the block
// (128 elements) has four groups of 32: groups 0 and 1 are the low halves of its 64 low bytes, groups 2 and 3
// the high halves; the two high bits of group g are bits 2g, 2g + 1 of its 32 high bytes. A scale serves 16
// elements: x = d scale (q - 32)
void q6_k(const uint8_t* block, double* x) {
  const double d = half(block + 208);
  for (int part = 0; part < 2; ++part) {
    const uint8_t* low = block + 64 * part;
    const uint8_t* high = block + 128 + 32 * part;
    for (int group = 0; group < 4; ++group) {
      for (int i = 0; i < 32; ++i) {
        const uint8_t byte = low[32 * (group % 2) + i];
        const int q = (group < 2 ? byte & 15 : byte >> 4) | (high[i] >> (2 * group) & 3) << 4;
        const int index = 128 * part + 32 * group + i;
        x[index] = d * static_cast<int8_t>(block[192 + index / 16]) * (q - 32);
      }
    }
  }
}

}  // namespace

// The op's arithmetic is float32, so that every backend can have its very bits.
void quantizeQ8_0(const double* values, uint8_t* block) {
  float largest = 0;
  for (int i = 0; i < 32 && !std::isnan(largest); ++i) {
    const float size = std::fabs(static_cast<float>(values[i]));
    if (!(size <= largest)) largest = size;
  }
  const uint16_t bits = toF16(largest / 127.0f);
  const auto scale = static_cast<float>(fromF16(bits));
  block[0] = static_cast<uint8_t>(bits);
  block[1] = static_cast<uint8_t>(bits >> 8);
  for (int i = 0; i < 32; ++i) {
    const bool usable = scale > 0 && std::isfinite(scale);
    const float code = usable ? std::nearbyint(static_cast<float>(values[i]) / scale) : 0.0f;
    block[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::clamp(code, -127.0f, 127.0f)));
  }
}

void dequantizeBlock(DType dtype, const uint8_t* block, double* values) {
  switch (dtype) {
    case DType::Q8_0:
      return q8_0(block, values);
    case DType::Q4_0:
      return q4_0(block, values);
    case DType::Q4_1:
      return q4_1(block, values);
    case DType::Q5_0:
      return q5_0(block, values);
    case DType::Q5_1:
      return q5_1(block, values);
    case DType::Q4_K:
      return q4_k(block, values);
    case DType::Q5_K:
      return q5_k(block, values);
    case DType::Q6_K:
      return q6_k(block, values);
    default:
      throw std::runtime_error("no block format");
  }
}

}  // namespace ibert::reference

// Reads the row-major block formats of ggml, as the GGUF specification lays them out, 32 columns at a time:
// the codes as unsigned integers and the numbers D and M with weight = D * code + M.
#pragma once

#include "../packed.h"
#include "vector.h"

namespace ibert::cpu::IBERT_ISA {

// What the packed order keeps of one row's 32 columns.
struct RowBlock {
  uint8_t codes[kBlock];
  uint16_t d, m;           // f16 bits of d and of m or dmin
  uint8_t scale, minimum;  // SuperM
  int8_t scales16[2];      // Super16
};

IBERT_INLINE uint16_t load16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, 2);
  return v;
}
IBERT_INLINE uint32_t load32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}

// 6-bit scale and minimum of sub-block s of a Q4_K or Q5_K super-block.
IBERT_INLINE void superScale(const uint8_t* scales, int s, RowBlock& out) {
  if (s < 4) {
    out.scale = scales[s] & 63;
    out.minimum = scales[s + 4] & 63;
  } else {
    out.scale = static_cast<uint8_t>((scales[s + 4] & 15) | ((scales[s - 4] >> 6) << 4));
    out.minimum = static_cast<uint8_t>((scales[s + 4] >> 4) | ((scales[s] >> 6) << 4));
  }
}

// Block `b` (of 32 columns) of the row that starts at `row`.
IBERT_INLINE void readRowBlock(DType dtype, const uint8_t* row, int64_t b, RowBlock& out) {
  switch (dtype) {
    case DType::Q8_0: {
      const uint8_t* p = row + b * 34;
      out.d = load16(p);
      for (int k = 0; k < 32; ++k) out.codes[k] = p[2 + k] ^ 0x80;
      return;
    }
    case DType::Q4_0:
    case DType::Q4_1: {
      const bool hasMinimum = dtype == DType::Q4_1;
      const uint8_t* p = row + b * (hasMinimum ? 20 : 18);
      out.d = load16(p);
      if (hasMinimum) out.m = load16(p + 2);
      const uint8_t* q = p + (hasMinimum ? 4 : 2);
      for (int k = 0; k < 16; ++k) {
        out.codes[k] = q[k] & 15;
        out.codes[k + 16] = q[k] >> 4;
      }
      return;
    }
    case DType::Q5_0:
    case DType::Q5_1: {
      const bool hasMinimum = dtype == DType::Q5_1;
      const uint8_t* p = row + b * (hasMinimum ? 24 : 22);
      out.d = load16(p);
      if (hasMinimum) out.m = load16(p + 2);
      const uint32_t high = load32(p + (hasMinimum ? 4 : 2));
      const uint8_t* q = p + (hasMinimum ? 8 : 6);
      for (int k = 0; k < 16; ++k) {
        out.codes[k] = static_cast<uint8_t>((q[k] & 15) | (((high >> k) & 1) << 4));
        out.codes[k + 16] = static_cast<uint8_t>((q[k] >> 4) | (((high >> (k + 16)) & 1) << 4));
      }
      return;
    }
    case DType::Q4_K:
    case DType::Q5_K: {
      const bool five = dtype == DType::Q5_K;
      const uint8_t* p = row + b / 8 * (five ? 176 : 144);
      const int s = static_cast<int>(b % 8);
      out.d = load16(p);
      out.m = load16(p + 2);
      superScale(p + 4, s, out);
      const uint8_t* high = p + 16;
      const uint8_t* q = p + (five ? 48 : 16) + s / 2 * 32;
      for (int k = 0; k < 32; ++k) {
        const int low = s % 2 == 0 ? q[k] & 15 : q[k] >> 4;
        out.codes[k] = static_cast<uint8_t>(low | (five ? ((high[k] >> s) & 1) << 4 : 0));
      }
      return;
    }
    case DType::Q6_K: {
      const uint8_t* p = row + b / 8 * 210;
      const int s = static_cast<int>(b % 8), quarter = s % 4;
      const uint8_t* low = p + s / 4 * 64 + quarter % 2 * 32;
      const uint8_t* high = p + 128 + s / 4 * 32;
      std::memcpy(out.scales16, p + 192 + s * 2, 2);
      out.d = load16(p + 208);
      for (int k = 0; k < 32; ++k) {
        const int nibble = quarter < 2 ? low[k] & 15 : low[k] >> 4;
        out.codes[k] = static_cast<uint8_t>(nibble | (((high[k] >> (2 * quarter)) & 3) << 4));
      }
      return;
    }
    default:
      return;
  }
}

// D and M of columns 16h..16h+15 of the block.
IBERT_INLINE void blockScale(const PackedFormat& format, const RowBlock& block, int h, float& d, float& m) {
  d = scalarFromF16(block.d);
  switch (format.scales) {
    case ScaleKind::DM:
      m = scalarFromF16(block.m);
      return;
    case ScaleKind::SuperM:
      d *= block.scale;
      m = -scalarFromF16(block.m) * block.minimum;
      return;
    case ScaleKind::Super16:
      d *= block.scales16[h];
      m = -format.offset * d;
      return;
    default:
      m = -format.offset * d;
      return;
  }
}

// Bytes of a row-major row of K columns.
IBERT_INLINE int64_t rowBytes(DType dtype, int64_t columns) {
  return rowMajorBytes(dtype, columns, columns);
}

// Columns [k0, k0 + count) of a row-major row as f32, count <= 32; k0 is a multiple of 32.
IBERT_INLINE void readRow(DType dtype, const uint8_t* row, int64_t k0, int64_t count, float* out) {
  const PackedFormat format = packedFormat(dtype);
  if (format.bits != 0) {
    RowBlock block;
    readRowBlock(dtype, row, k0 / kBlock, block);
    for (int h = 0; h < 2; ++h) {
      float d, m;
      blockScale(format, block, h, d, m);
      for (int k = 16 * h; k < 16 * h + 16; ++k) out[k] = d * block.codes[k] + m;
    }
    return;
  }
  for (int64_t k = 0; k < count; ++k) {
    if (dtype == DType::F32) {
      out[k] = reinterpret_cast<const float*>(row)[k0 + k];
    } else {
      const uint16_t half = reinterpret_cast<const uint16_t*>(row)[k0 + k];
      out[k] = dtype == DType::BF16 ? scalarFromBf16(half) : scalarFromF16(half);
    }
  }
}

}  // namespace ibert::cpu::IBERT_ISA

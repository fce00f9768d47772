// The packed order of a weight W (N rows, K columns): one order for all instruction sets.
//
// W is cut into panels of 32 rows, and the rows of a panel are interleaved, so that a vector register holds
// the same column (or pair of columns) of many rows and a product x W^T needs no horizontal sums. Rows past N
// are zero weights.
//
//   f32         [panel][K][32]
//   bf16, f16   [panel][ceil(K/2)][32][2]          the pair order of the bf16 dot-product instructions
//   quantised   [panel][K/superBlock]{ head, [superBlock/32]{ scales, codes } }
//
// Quantised weights keep their bits (a code of 4 to 8 bits, unsigned) and scales; only the order changes.
// With D and M from head and scales, a weight is D * code + M. Codes of one 32 (rows) x 32 (columns) block:
//
//   low plane    [half of 16 rows][chunk c][16 rows] uint32: column k = 8c + 2i + j is the nibble at bit 16j
//   + 4i
//                (8-bit codes: k = 4c + 2i + j, the byte at bit 16j + 8i)
//   high plane   of 5-bit codes: [half][16 rows] uint32: bit 16j + 4c + i
//                of 6-bit codes: [half][c / 2][16 rows] uint32: two bits at 16j + 8(c mod 2) + 2i
//
// so that one shift and one mask over 16-bit lanes yield a pair (k, k + 1) for 16 rows: again the pair order.
#pragma once

#include <cstdint>

#include "../tensor.h"

namespace ibert::cpu {

constexpr int kPanelRows = 32;
constexpr int kBlock = 32;  // columns in a block of codes

enum class ScaleKind {
  None,
  D,        // scales: d f16[32];                        D = d, M = -offset d
  DM,       // scales: d f16[32], m f16[32];             D = d, M = m
  SuperM,   // head: d, dmin f16[32]; scales: s, m u8[32];  D = d s, M = -dmin m
  Super16,  // head: d f16[32]; scales: s i8[2][32] for columns 0..15 and 16..31;  D = d s, M = -offset D
};

struct PackedFormat {
  int bits;  // of a code; 0: not quantised
  int offset;
  int superBlock;  // columns that share a head
  ScaleKind scales;

  constexpr int headBytes() const {
    return scales == ScaleKind::SuperM ? 128 : scales == ScaleKind::Super16 ? 64 : 0;
  }
  constexpr int scaleBytes() const { return scales == ScaleKind::DM ? 128 : 64; }
  constexpr int codeBytes() const { return bits * kBlock * kPanelRows / 8; }
  constexpr int blockBytes() const { return scaleBytes() + codeBytes(); }
  constexpr int superBytes() const { return headBytes() + (superBlock / kBlock) * blockBytes(); }
};

constexpr PackedFormat packedFormat(DType dtype) {
  switch (dtype) {
    case DType::Q8_0:
      return {8, 128, 32, ScaleKind::D};
    case DType::Q4_0:
      return {4, 8, 32, ScaleKind::D};
    case DType::Q4_1:
      return {4, 0, 32, ScaleKind::DM};
    case DType::Q5_0:
      return {5, 16, 32, ScaleKind::D};
    case DType::Q5_1:
      return {5, 0, 32, ScaleKind::DM};
    case DType::Q4_K:
      return {4, 0, 256, ScaleKind::SuperM};
    case DType::Q5_K:
      return {5, 0, 256, ScaleKind::SuperM};
    case DType::Q6_K:
      return {6, 32, 256, ScaleKind::Super16};
    default:
      return {0, 0, 1, ScaleKind::None};
  }
}

// Bytes of one panel of K columns; -1 for a dtype that has no packed order.
constexpr int64_t packedPanelBytes(DType dtype, int64_t columns) {
  const PackedFormat format = packedFormat(dtype);
  if (format.bits != 0) {
    return columns % format.superBlock != 0 ? -1 : columns / format.superBlock * format.superBytes();
  }
  if (dtype == DType::F32) return columns * kPanelRows * 4;
  if (dtype == DType::BF16 || dtype == DType::F16) return (columns + 1) / 2 * kPanelRows * 4;
  return -1;
}

// Bytes of the whole weight; -1 as above.
int64_t packedBytes(DType dtype, int64_t rows, int64_t columns);

}  // namespace ibert::cpu

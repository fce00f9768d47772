// The AMX unit: c[rows][32] (+)= x[rows][k] * panel[k/2][32][2] in tile registers, bf16 by bf16, f32 sums.
//
// One TDPBF16PS is 16 x 16 x 32 multiply-adds. Four tiles of sums (32 x 32) with two of x and two of the
// panel make four products for four loads, which is what a core sustains while one of the operands comes from
// L1: so a panel's depth is kept to what fits there and x streams from L2. x is read where it lies,
// row-major, and panels have the pair order that the instruction wants: nothing is repacked.
#pragma once

#include "matrix.h"

#if defined(IBERT_LEVEL_amx_bf16) || defined(IBERT_LEVEL_amx_emulated)
#define IBERT_HAS_TILES 1

namespace ibert::cpu::IBERT_ISA {

struct TileUnit {
  using Element = uint16_t;
  static constexpr bool kTakesBf16 = true;
  static constexpr int kRows = 32;
  static constexpr int64_t kDepth = 640, kDeepDepth = 640;  // of a panel: 40 KiB
  static constexpr int64_t kBlockRows = 1024, kDeepRows = 512;
  static constexpr int64_t kSumRows = 64;

  static constexpr int64_t panelElements(int64_t k) { return (k + 1) / 2 * (2 * kPanelRows); }

  // Tiles are configured for the length of a task.
  static void begin();
  static void end();

  // c (+)= x * panel for any number of rows.
  static void multiply(int64_t rows, const Matrix& x, int64_t depth, const uint16_t* panel, float* c,
                       bool accumulate);
};

}  // namespace ibert::cpu::IBERT_ISA

#endif

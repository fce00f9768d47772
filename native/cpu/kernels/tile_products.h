// The products of attention in AMX tile registers: pairs of bf16 in the very orders of attention_micro.h.
//
// The panels of B hold pairs of k side by side along the columns, which is the order that TDPBF16PS wants of
// its second operand, and a row-major A is the order of the first: both are loaded where they lie. An A that
// is the transpose of what lies there, and what is no multiple of a tile, goes through a copy.
#pragma once

#include <cstdint>

#include "unit_amx.h"

namespace ibert::cpu::IBERT_ISA {

#if defined(IBERT_HAS_TILES)

// C (rows, columns) (+)= A B. Element (m, k) of A is the pair a[m * aRow + k * aStep], k < steps. B lies in
// panels of at most 64 columns (the last may be narrower), each of panelSteps rows of pairs; columns are a
// multiple of 16.
void multiplyTiles(int64_t rows, int64_t columns, const uint32_t* a, int64_t aRow, int64_t aStep,
                   const uint32_t* b, int64_t panel, int64_t panelSteps, int64_t steps, float* c,
                   int64_t cRow, bool add);

// Tiles are configured while one of these lives: for the length of a task.
struct TileScope {
  TileScope();
  ~TileScope();
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

#else

struct TileScope {
  TileScope() {}
};

#endif

}  // namespace ibert::cpu::IBERT_ISA

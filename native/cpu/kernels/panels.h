// The second operand of a product, brought into a unit's panel order: [k][32] floats or [k/2][32][2] bf16.
//
// A panel is made once for a block of rows of x and then read from L2 by every register tile of that block,
// so the cost of dequantising is divided by the rows of the block (a few hundred).
#pragma once

#include "units.h"

namespace ibert::cpu::IBERT_ISA {

// Columns [k0, k0 + depth) of panel p of W: for x W^T. k0 is a multiple of 32. bf16 weights are in bf16 panel
// order already and are multiplied where they lie.
template <class Unit>
const typename Unit::Element* weightPanel(const PackedWeight& w, int64_t p, int64_t k0, int64_t depth,
                                          typename Unit::Element* scratch);

// Columns [32 block, 32 block + 32) of rows [n0, n0 + depth) of W: for dy W, from the same packed copy. n0 is
// a multiple of 32. 32 x 32 blocks are dequantised in L1 and transposed on their way to the panel.
template <class Unit>
const typename Unit::Element* transposedPanel(const PackedWeight& w, int64_t block, int64_t n0, int64_t depth,
                                              typename Unit::Element* scratch);

// Rows [k0, k0 + depth) of `m`, whose columns [0, width) become the panel's columns: `m` is summed over its
// rows.
template <class Unit>
const typename Unit::Element* columnPanel(const Matrix& m, int64_t width, int64_t k0, int64_t depth,
                                          float scale, typename Unit::Element* scratch);

// Rows of `m` become the panel's columns: column first + i is row i, i < count, the other columns are 0.
template <class Unit>
const typename Unit::Element* rowPanel(const Matrix& m, int first, int64_t count, int64_t k0, int64_t depth,
                                       float scale, typename Unit::Element* scratch);

}  // namespace ibert::cpu::IBERT_ISA

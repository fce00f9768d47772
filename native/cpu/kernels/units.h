// Which unit multiplies what at this level.
#pragma once

#include "unit_amx.h"
#include "unit_bf16.h"
#include "unit_f32.h"

namespace ibert::cpu::IBERT_ISA {

// For f32 activations: exact products of f32.
using UnitForF32 = FloatUnit;
// For bf16 activations: bf16 products, or f32 products of bf16 values where there is no bf16 unit; f32 sums.
#if defined(IBERT_HAS_TILES)
using UnitForBf16 = TileUnit;
#elif defined(__AVX512BF16__)
using UnitForBf16 = DotUnit;
#else
using UnitForBf16 = FloatUnit;
#endif
// For bf16 activations of a few rows, where a tile would stand mostly empty.
#if defined(__AVX512BF16__)
using DirectUnitForBf16 = DotUnit;
#else
using DirectUnitForBf16 = FloatUnit;
#endif

// Calls body.template operator()<Unit>().
template <class Body>
IBERT_INLINE void withUnit(bool bf16, Body&& body) {
  if (bf16) {
    body.template operator()<UnitForBf16>();
  } else {
    body.template operator()<UnitForF32>();
  }
}

}  // namespace ibert::cpu::IBERT_ISA

// What the softmax of every attention kernel shares.
#pragma once

#include "simd.h"

namespace ibert::cpu::IBERT_ISA {

// Score of a key that a lane must not see: finite, so that a lane without any key makes no NaN.
constexpr float kMasked = -3.0e38f;

// e^x for x <= 0. Rounding x * log2(e) matters only where the result vanishes, so that no split of ln(2) is
// needed.
inline Vec expOf(Vec x) {
  return exp2(x * broadcast(0x1.715476p+0f));
}

}  // namespace ibert::cpu::IBERT_ISA

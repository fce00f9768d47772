// Rotary position embedding (Su et al. 2021), half-split pairs (i, i + headDim / 2). A pair a thread.
#include <metal_stdlib>
using namespace metal;

#include "grid.h"
#include "operand.h"
#include "rope.h"
#include "two_floats.h"

// Angles are reduced to one turn with 48 bits: at position 100 000 a float32 angle is already wrong in the
// third digit of its sine. positions: (T), frequencies: (2, half), cosSin: (T, 2 half)
KERNEL ropeTable(const device int32_t* positions [[buffer(0)]], const device float* frequencies [[buffer(1)]],
                 device float* cosSin [[buffer(2)]], constant RopeTableParameters& p [[buffer(3)]], PLACE) {
  const int64_t i = elementOf(group, index);
  if (i >= p.count) return;
  const int64_t t = i / p.half, k = i % p.half;
  const int32_t position = positions[t], fine = position % 4096;
  const Two exact = {float(position - fine), float(fine)};
  const Two frequency = sumOf(frequencies[k], frequencies[p.half + k]);
  const Two perPi = {0.318309873f, 1.28412766e-8f};  // 1 / pi
  const Two halfTurns = times(times(sumOf(exact.high, exact.low), frequency), perPi);
  const float whole = 2 * metal::rint(halfTurns.high / 2);
  const float rest = (halfTurns.high - whole) + halfTurns.low;  // in [-1, 1], but for the last bit
  cosSin[2 * t * p.half + k] = p.magnitude * metal::cospi(rest);
  cosSin[(2 * t + 1) * p.half + k] = p.magnitude * metal::sinpi(rest);
}

// In place. x: (T, C), cosSin: (T, D), qScale: (T) or absent, and then qHeads is 0
KERNEL rope(device uint8_t* x [[buffer(0)]], const device float* cosSin [[buffer(1)]],
            const device float* qScale [[buffer(2)]], constant RopeParameters& p [[buffer(3)]], PLACE) {
  const int64_t i = elementOf(group, index), half = p.D / 2;
  if (i >= p.count) return;
  const int64_t t = i / (p.heads * half), head = i / half % p.heads, k = i % half;
  const int64_t low = t * p.C + head * p.D + k, high = low + half;
  const float scale = head < p.qHeads ? qScale[t] : 1.0f;
  const float c = cosSin[t * p.D + k] * scale, d = cosSin[t * p.D + half + k] * p.sign * scale;
  const float a = valueAt(x, p.x, low), b = valueAt(x, p.x, high);
  setAt(x, p.x, low, a * c - b * d);
  setAt(x, p.x, high, b * c + a * d);
}

// gradNorm and adamW (Loshchilov & Hutter 2019) over one flat buffer of P parameters.
#include <metal_stdlib>
using namespace metal;

#include "grid.h"
#include "operand.h"
#include "optimizer.h"
#include "two_floats.h"

// A sum of squares that neither overflows nor vanishes: what is large or small is scaled by a power of two.
// (Blue 1978)
struct Squares {
  Two sums[3];  // of |g| below 2^-50, scaled by 2^70; of those between; of those above 2^40, scaled by 2^-70
};
constant constexpr float kLarge = 0x1p40f, kSmall = 0x1p-50f, kUp = 0x1p70f, kDown = 0x1p-70f;

inline void add(thread Squares& to, float g) {
  const float size = metal::fabs(g);
  const int range = size > kLarge ? 2 : size < kSmall ? 0 : 1;
  const float scaled = range == 2 ? g * kDown : range == 0 ? g * kUp : g;
  to.sums[range] = plus(to.sums[range], productOf(scaled, scaled));
}
inline void addPart(thread Squares& to, int range, float high, float low) {
  to.sums[range] = plus(to.sums[range], Two{high, low});
}
// The sum over the threads, in their order, in the first.
inline void gather(thread Squares& own, threadgroup float* parts, uint index) {
  for (int range = 0; range < 3; ++range) {
    parts[index * kNormFloats + 2 * range] = own.sums[range].high;
    parts[index * kNormFloats + 2 * range + 1] = own.sums[range].low;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint i = kNormFloats; i < kFewThreads * kNormFloats && index == 0; i += 2)
    addPart(own, i % kNormFloats / 2, parts[i], parts[i + 1]);
}

inline Two scaledBy(Two a, float factor) {
  return {a.high * factor, a.low * factor};
}
inline float rootOf(Two square) {
  if (!(square.high > 0)) return square.high;
  const float root = precise::sqrt(square.high);
  if (metal::isinf(root)) return root;
  return root + (metal::fma(-root, root, square.high) + square.low) / (2 * root);
}

// partial: (chunks, kNormFloats)
KERNEL sumSquares(const device float* grad [[buffer(0)]], device float* partial [[buffer(1)]],
                  constant NormParameters& p [[buffer(2)]], threadgroup float* parts THREADGROUP(0), PLACE) {
  const int64_t begin = group.x * kNormChunk, end = begin + kNormChunk < p.P ? begin + kNormChunk : p.P;
  Squares own = {};
  for (int64_t i = begin + index; i < end; i += kFewThreads) add(own, grad[i]);
  gather(own, parts, index);
  if (index != 0) return;
  for (int range = 0; range < 3; ++range) {
    partial[group.x * kNormFloats + 2 * range] = own.sums[range].high;
    partial[group.x * kNormFloats + 2 * range + 1] = own.sums[range].low;
  }
}

KERNEL rootOfSquares(const device float* partial [[buffer(0)]], device float* norm [[buffer(1)]],
                     constant NormParameters& p [[buffer(2)]], threadgroup float* parts THREADGROUP(0),
                     PLACE) {
  Squares own = {};
  for (int64_t i = index; i < p.chunks; i += kFewThreads)
    for (int range = 0; range < 3; ++range)
      addPart(own, range, partial[i * kNormFloats + 2 * range], partial[i * kNormFloats + 2 * range + 1]);
  gather(own, parts, index);
  if (index != 0) return;
  const Two small = own.sums[0], middle = own.sums[1], large = own.sums[2];
  if (large.high != 0)
    norm[0] = rootOf(plus(large, scaledBy(scaledBy(middle, kDown), kDown))) * kUp;
  else if (middle.high != 0)
    norm[0] = rootOf(plus(middle, scaledBy(scaledBy(small, kDown), kDown)));
  else
    norm[0] = rootOf(small) * kDown;
}

// A parameter a thread. Nothing may change where the norm is not finite, or an op before went wrong.
KERNEL adamW(device float* param [[buffer(0)]], const device float* grad [[buffer(1)]],
             device float* m [[buffer(2)]], device float* v [[buffer(3)]],
             const device float* norm [[buffer(4)]], const device FaultRecord* fault [[buffer(5)]],
             constant AdamWParameters& p [[buffer(6)]], PLACE) {
  const int64_t i = elementOf(group, index);
  const float size = norm[0] * p.gradScale;
  if (i >= p.P || metal::isinf(norm[0]) || metal::isnan(norm[0]) || fault->op >= 0) return;
  float factor = p.gradScale;
  if (p.maxNorm > 0 && p.maxNorm < size + 1e-6f) factor *= p.maxNorm / (size + 1e-6f);
  const float g = grad[i] * factor, first = p.beta1 * m[i] + p.rest1 * g,
              second = p.beta2 * v[i] + p.rest2 * g * g;
  m[i] = first;
  v[i] = second;
  param[i] = first / (precise::sqrt(second) * p.rootCorrection2 + p.eps) * p.stepSize + param[i] * p.decay;
}

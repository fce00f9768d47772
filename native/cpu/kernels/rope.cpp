// Rotary position embedding (Su et al. 2021), half-split pairs (i, i + headDim/2).
#include <cmath>

#include "act.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

// Angles are computed in float64: at position 100 000 a float32 angle is already wrong in the third digit of
// its sine.
void ropeTable(const RopeTable& args, host::Context& context) {
  const int64_t half = args.frequencies.shape[1], T = args.positions.shape[0];
  const int32_t* positions = args.positions.as<const int32_t>();
  const float *rounded = args.frequencies.as<const float>(), *lost = rounded + half;
  constexpr int64_t kGroup = 64;
  context.pool.parallelFor((T + kGroup - 1) / kGroup, [&](int64_t task, int) {
    const int64_t end = (task + 1) * kGroup < T ? (task + 1) * kGroup : T;
    for (int64_t i = 0; i < half; ++i) {
      const double frequency = static_cast<double>(rounded[i]) + static_cast<double>(lost[i]);
      for (int64_t t = task * kGroup; t < end; ++t) {
        float* row = args.cosSin.as<float>() + 2 * t * half;
        row[i] = static_cast<float>(args.magnitude * std::cos(positions[t] * frequency));
        row[half + i] = static_cast<float>(args.magnitude * std::sin(positions[t] * frequency));
      }
    }
  });
}

// `scale` multiplies cosines and sines where kScaled.
template <bool kScaled, class Type>
void rotate(Type* low, const float* cosines, int64_t half, Vec sign, Vec scale) {
  const float* sines = cosines + half;
  Type* high = low + half;
  forVectors(half, [&](int64_t i, int64_t lanes) {
    Vec c = loadPart(cosines + i, lanes), s = loadPart(sines + i, lanes) * sign;
    if constexpr (kScaled) c = c * scale, s = s * scale;
    const Vec a = loadPart(low + i, lanes), b = loadPart(high + i, lanes);
    storePart(low + i, a * c - b * s, lanes);
    storePart(high + i, fma(a, s, b * c), lanes);
  });
}

void rope(const Rope& args, host::Context& context) {
  const int64_t C = args.x.shape[1], D = args.headDim, half = D / 2;
  const Vec sign = broadcast(args.inverse ? -1.0f : 1.0f);
  withType(args.x.dtype, [&](auto* type) {
    using Type = std::remove_pointer_t<decltype(type)>;
    forRows(context.pool, args.x.shape[0], args.heads * D, [&](int64_t t) {
      const float* cosines = args.cosSin.as<const float>() + t * D;
      Type* row = args.x.as<Type>() + t * C;
      const Vec scale = broadcast(args.qHeads > 0 ? args.qScale.as<const float>()[t] : 1.0f);
      int64_t head = 0;
      for (; head < args.qHeads; ++head) rotate<true>(row + head * D, cosines, half, sign, scale);
      for (; head < args.heads; ++head) rotate<false>(row + head * D, cosines, half, sign, scale);
    });
  });
}

}  // namespace

void registerRope(host::KernelTable& table) {
  table.set<RopeTable, ropeTable>(kPath);
  table.set<Rope, rope>(kPath);
}

}  // namespace ibert::cpu::IBERT_ISA

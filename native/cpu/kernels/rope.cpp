// Rotary position embedding (Su et al. 2021), half-split pairs (i, i + headDim/2).
#include <cmath>

#include "../content.h"
#include "act.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

// Angles are computed in float64: at position 100 000 a float32 angle is already wrong in the third digit of its sine.
void ropeTable(const RopeTable& args, host::Context& context) {
  const int64_t half = args.headDim / 2;
  const int32_t* positions = args.positions.as<const int32_t>();
  context.pool.parallelFor(half, [&](int64_t i, int) {
    const double frequency = std::pow(args.theta, -2.0 * static_cast<double>(i) / static_cast<double>(args.headDim));
    float* column = args.cosSin.as<float>() + i;
    for (int64_t t = 0; t < args.positions.shape[0]; ++t) {
      const double angle = positions[t] * frequency;
      column[t * args.headDim] = static_cast<float>(std::cos(angle));
      column[t * args.headDim + half] = static_cast<float>(std::sin(angle));
    }
  });
}

void rope(const Rope& args, host::Context& context) {
  const int64_t C = args.x.shape[1], D = args.headDim, half = D / 2;
  const Vec sign = broadcast(args.inverse ? -1.0f : 1.0f);
  withType(args.x.dtype, [&](auto* type) {
    using Type = std::remove_pointer_t<decltype(type)>;
    forRows(context.pool, args.x.shape[0], args.heads * D, [&](int64_t t) {
      const float* cosines = args.cosSin.as<const float>() + t * D;
      const float* sines = cosines + half;
      for (int64_t head = 0; head < args.heads; ++head) {
        Type* low = args.x.as<Type>() + t * C + head * D;
        Type* high = low + half;
        forVectors(half, [&](int64_t i, int64_t lanes) {
          const Vec c = loadPart(cosines + i, lanes), s = loadPart(sines + i, lanes) * sign;
          const Vec a = loadPart(low + i, lanes), b = loadPart(high + i, lanes);
          storePart(low + i, a * c - b * s, lanes);
          storePart(high + i, fma(a, s, b * c), lanes);
        });
      }
    });
  });
}

}  // namespace

void registerRope(host::KernelTable& table) {
  table.set<RopeTable, ropeTable>(kPath);
  table.setUnsupported<RopeTable, plainDTypesOf<RopeTable>>();
  table.set<Rope, rope>(kPath);
  table.setUnsupported<Rope, plainDTypesOf<Rope>>();
}

}  // namespace ibert::cpu::IBERT_ISA

// Rotary position embedding (Su et al. 2021), half-split pairs.
#include <cmath>

#include "reference.h"

namespace ibert::reference {

namespace {

void ropeTable(const RopeTable& args, Context& context) {
  const int64_t half = args.headDim / 2;
  context.pool.parallelFor(args.positions.shape[0], [&](int64_t t, int) {
    const double position = args.positions.as<const int32_t>()[t];
    for (int64_t i = 0; i < half; ++i) {
      const double angle = position * std::pow(args.theta, -2.0 * i / args.headDim);
      writeAt(args.cosSin, t * args.headDim + i, std::cos(angle));
      writeAt(args.cosSin, t * args.headDim + half + i, std::sin(angle));
    }
  });
}

// (a, b) turns by the angle of its pair; the inverse turns by the opposite angle.
void rope(const Rope& args, Context& context) {
  const int64_t C = args.x.shape[1], half = args.headDim / 2;
  context.pool.parallelFor(args.x.shape[0], [&](int64_t t, int) {
    for (int64_t head = 0; head < args.heads; ++head) {
      for (int64_t i = 0; i < half; ++i) {
        const double cos = readAt(args.cosSin, t * args.headDim + i);
        const double sin = readAt(args.cosSin, t * args.headDim + half + i) * (args.inverse ? -1 : 1);
        const int64_t first = t * C + head * args.headDim + i;
        const double a = readAt(args.x, first), b = readAt(args.x, first + half);
        writeAt(args.x, first, a * cos - b * sin);
        writeAt(args.x, first + half, b * cos + a * sin);
      }
    }
  });
}

}  // namespace

void registerRope(KernelTable& table) {
  table.set<RopeTable, ropeTable>(kPath);
  table.set<Rope, rope>(kPath);
}

}  // namespace ibert::reference

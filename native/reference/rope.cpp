// Rotary position embedding (Su et al. 2021), half-split pairs.
#include <cmath>

#include "reference.h"

namespace ibert::reference {

namespace {

void ropeTable(const RopeTable& args, Context& context) {
  const int64_t half = args.frequencies.shape[1];
  context.pool.parallelFor(args.positions.shape[0], [&](int64_t t, int) {
    const double position = args.positions.as<const int32_t>()[t];
    for (int64_t i = 0; i < half; ++i) {
      const double angle = position * (readAt(args.frequencies, i) + readAt(args.frequencies, half + i));
      writeAt(args.cosSin, 2 * t * half + i, args.magnitude * std::cos(angle));
      writeAt(args.cosSin, (2 * t + 1) * half + i, args.magnitude * std::sin(angle));
    }
  });
}

// (a, b) turns by the angle of its pair; the inverse turns by the opposite angle. A scale multiplies both
// ways.
void rope(const Rope& args, Context& context) {
  const int64_t C = args.x.shape[1], half = args.headDim / 2;
  context.pool.parallelFor(args.x.shape[0], [&](int64_t t, int) {
    for (int64_t head = 0; head < args.heads; ++head) {
      const double scale = head < args.qHeads ? readAt(args.qScale, t) : 1;
      for (int64_t i = 0; i < half; ++i) {
        const double cos = readAt(args.cosSin, t * args.headDim + i);
        const double sin = readAt(args.cosSin, t * args.headDim + half + i) * (args.inverse ? -1 : 1);
        const int64_t first = t * C + head * args.headDim + i;
        const double a = readAt(args.x, first), b = readAt(args.x, first + half);
        writeAt(args.x, first, scale * (a * cos - b * sin));
        writeAt(args.x, first + half, scale * (b * cos + a * sin));
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

#include "rope.h"

#include "register.h"

namespace ibert::metal {

namespace {

void fillTable(const RopeTable& args, Context& context) {
  const int64_t half = args.frequencies.shape[1];
  const RopeTableParameters parameters{args.positions.shape[0] * half, half,
                                       static_cast<float>(args.magnitude)};
  context.elements("ropeTable", parameters.count, {&args.positions, &args.frequencies, &args.cosSin},
                   parameters);
}

void rotate(const Rope& args, Context& context) {
  const RopeParameters parameters{args.x.shape[0] * args.heads * (args.headDim / 2),
                                  args.x.shape[1],
                                  args.heads,
                                  args.qScale ? args.qHeads : 0,
                                  args.headDim,
                                  args.inverse ? -1.0f : 1.0f,
                                  numberOf(args.x)};
  context.elements("rope", parameters.count, {&args.x, &args.cosSin, &args.qScale}, parameters);
}

}  // namespace

void registerRope(KernelTable& table) {
  table.set<RopeTable, fillTable>(kTwin);
  table.set<Rope, rotate>(kTwin);
}

}  // namespace ibert::metal

#include "swiglu.h"

#include "register.h"

namespace ibert::metal {

namespace {

void forward(const SwigluForward& args, Context& context) {
  const SwigluParameters parameters{
      args.y.elements(), args.y.shape[1], numberOf(args.gateUp), numberOf(args.y), 0, 0};
  context.elements("swigluForward", parameters.count, {&args.gateUp, &args.y}, parameters);
}

void backward(const SwigluBackward& args, Context& context) {
  const SwigluParameters parameters{args.dy.elements(), args.dy.shape[1],      numberOf(args.gateUp), 0,
                                    numberOf(args.dy),  numberOf(args.dGateUp)};
  context.elements("swigluBackward", parameters.count, {&args.dy, &args.gateUp, &args.dGateUp}, parameters);
}

}  // namespace

void registerSwiglu(KernelTable& table) {
  table.set<SwigluForward, forward>(kTwin);
  table.set<SwigluBackward, backward>(kTwin);
}

}  // namespace ibert::metal

#include "rms_norm.h"

#include "register.h"

namespace ibert::metal {

namespace {

void forward(const RmsNormForward& args, Context& context) {
  RmsNormParameters parameters{};
  parameters.D = args.x.shape[1];
  parameters.eps = static_cast<float>(args.eps);
  parameters.hasRstd = static_cast<bool>(args.rstd);
  parameters.x = numberOf(args.x);
  parameters.y = numberOf(args.y);
  context.rows("rmsNormForward", args.x.shape[0], {&args.x, &args.weight, &args.y, &args.rstd}, parameters,
               kFewThreads * sizeof(float));
}

void backward(const RmsNormBackward& args, Context& context) {
  RmsNormParameters parameters{};
  parameters.D = args.x.shape[1];
  parameters.hasResidual = static_cast<bool>(args.dResidual);
  parameters.x = numberOf(args.x);
  parameters.dy = numberOf(args.dy);
  parameters.dResidual = numberOf(args.dResidual);
  parameters.dx = numberOf(args.dx);
  context.rows("rmsNormBackward", args.x.shape[0],
               {&args.dy, &args.x, &args.weight, &args.rstd, &args.dResidual, &args.dx}, parameters,
               kFewThreads * sizeof(float));
}

}  // namespace

void registerRmsNorm(KernelTable& table) {
  table.set<RmsNormForward, forward>(kTwin);
  table.set<RmsNormBackward, backward>(kTwin);
}

}  // namespace ibert::metal

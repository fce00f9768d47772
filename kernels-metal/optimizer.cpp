#include "optimizer.h"

#include <cmath>

#include "register.h"

namespace ibert::metal {

namespace {

int64_t chunksOf(const GradNorm& args) {
  return ceilDivide(args.grad.elements(), kNormChunk);
}

int64_t gradNormWorkspace(const GradNorm& args, Machine) {
  return chunksOf(args) * kNormFloats * static_cast<int64_t>(sizeof(float));
}

void gradNorm(const GradNorm& args, Context& context) {
  const NormParameters parameters{args.grad.elements(), chunksOf(args)};
  constexpr int64_t kMemory = kFewThreads * kNormFloats * sizeof(float);
  const Operand partial = context.scratch(0);
  context.rows("sumSquares", parameters.chunks, {&args.grad, partial}, parameters, kMemory);
  context.rows("rootOfSquares", 1, {partial, &args.norm}, parameters, kMemory);
}

void adamW(const AdamW& args, Context& context) {
  const double step = static_cast<double>(args.step);
  const double correction1 = 1 - std::pow(args.beta1, step), correction2 = 1 - std::pow(args.beta2, step);
  const auto single = [](double value) { return static_cast<float>(value); };
  const AdamWParameters parameters{args.param.elements(),
                                   single(args.gradScale),
                                   single(args.maxNorm),
                                   single(args.beta1),
                                   single(1 - args.beta1),
                                   single(args.beta2),
                                   single(1 - args.beta2),
                                   single(-args.lr / correction1),
                                   single(1 / std::sqrt(correction2)),
                                   single(args.eps),
                                   single(1 - args.lr * args.weightDecay)};
  context.elements("adamW", parameters.P,
                   {&args.param, &args.grad, &args.m, &args.v, &args.norm, context.fault}, parameters);
}

std::string adamWUnsupported(const AdamW& args) {
  return args.step < 1 ? "step counts from 1, but is " + std::to_string(args.step) : "";
}

}  // namespace

void registerOptimizer(KernelTable& table) {
  table.set<GradNorm, gradNorm>(kTwin);
  table.setWorkspace<GradNorm, gradNormWorkspace>();
  table.set<AdamW, adamW>(kTwin);
  table.setUnsupported<AdamW, adamWUnsupported>();
}

}  // namespace ibert::metal

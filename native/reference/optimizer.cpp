// Gradient norm and AdamW (Loshchilov & Hutter 2019).
#include <cmath>

#include "reference.h"

namespace ibert::reference {

namespace {

void gradNorm(const GradNorm& args, Context&) {
  double sum = 0;
  for (int64_t i = 0; i < args.grad.elements(); ++i) {
    const double g = readAt(args.grad, i);
    sum += g * g;
  }
  writeAt(args.norm, 0, std::sqrt(sum));
}

void adamW(const AdamW& args, Context& context) {
  const double norm = readAt(args.norm, 0) * args.gradScale;
  if (!std::isfinite(norm)) return;
  const double clip = args.maxNorm > 0 ? std::min(1.0, args.maxNorm / (norm + 1e-6)) : 1.0;
  const double correction1 = 1 - std::pow(args.beta1, args.step);
  const double correction2 = 1 - std::pow(args.beta2, args.step);
  const int64_t P = args.param.elements(), chunk = 4096;
  context.pool.parallelFor((P + chunk - 1) / chunk, [&](int64_t task, int) {
    for (int64_t i = task * chunk; i < std::min(P, (task + 1) * chunk); ++i) {
      const double g = readAt(args.grad, i) * args.gradScale * clip;
      const double m = args.beta1 * readAt(args.m, i) + (1 - args.beta1) * g;
      const double v = args.beta2 * readAt(args.v, i) + (1 - args.beta2) * g * g;
      const double p = readAt(args.param, i);
      const double update = m / correction1 / (std::sqrt(v / correction2) + args.eps);
      writeAt(args.param, i, p - args.lr * (update + args.weightDecay * p));
      writeAt(args.m, i, m);
      writeAt(args.v, i, v);
    }
  });
}

std::string adamWUnsupported(const AdamW& args) {
  return args.step < 1 ? "step counts from 1, but is " + std::to_string(args.step) : "";
}

}  // namespace

void registerOptimizer(KernelTable& table) {
  table.set<GradNorm, gradNorm>(kPath);
  table.set<AdamW, adamW>(kPath);
  table.setUnsupported<AdamW, adamWUnsupported>();
}

}  // namespace ibert::reference

// Gradient norm and AdamW (Loshchilov & Hutter 2019) over one flat buffer: a single pass each, so that memory
// bandwidth is the only bound (28 bytes a parameter for AdamW).
#include <cmath>

#include "act.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

// The chunks are fixed, and so is the order in which their sums are added: no thread count shows in the norm.
constexpr int64_t kChunk = 32768;

int64_t chunks(int64_t elements) {
  return (elements + kChunk - 1) / kChunk;
}

int64_t gradNormWorkspace(const GradNorm& args, int) {
  return chunks(args.grad.elements()) * static_cast<int64_t>(sizeof(double));
}

void gradNorm(const GradNorm& args, host::Context& context) {
  const int64_t P = args.grad.elements();
  const float* grad = args.grad.as<const float>();
  double* partial = reinterpret_cast<double*>(context.workspace);
  context.pool.parallelFor(chunks(P), [&](int64_t task, int) {
    const int64_t begin = task * kChunk, end = begin + kChunk < P ? begin + kChunk : P;
    SquareSum even, odd;
    int64_t i = begin;
    for (; i + 2 * kWidth <= end; i += 2 * kWidth) {
      even.add(load(grad + i));
      odd.add(load(grad + i + kWidth));
    }
    for (; i < end; i += kWidth) even.add(loadPart(grad + i, end - i));
    partial[task] = even.total() + odd.total();
  });
  double total = 0;
  for (int64_t task = 0; task < chunks(P); ++task) total += partial[task];
  args.norm.as<float>()[0] = static_cast<float>(std::sqrt(total));
}

void adamW(const AdamW& args, host::Context& context) {
  const double norm = static_cast<double>(args.norm.as<const float>()[0]) * args.gradScale;
  if (!std::isfinite(norm)) return;
  double scale = args.gradScale;
  if (args.maxNorm > 0 && args.maxNorm < norm + 1e-6) scale *= args.maxNorm / (norm + 1e-6);
  const double step = static_cast<double>(args.step);
  const double correction1 = 1 - std::pow(args.beta1, step), correction2 = 1 - std::pow(args.beta2, step);
  const auto constant = [](double value) { return broadcast(static_cast<float>(value)); };
  const Vec gradScale = constant(scale);
  const Vec beta1 = constant(args.beta1), rest1 = constant(1 - args.beta1);
  const Vec beta2 = constant(args.beta2), rest2 = constant(1 - args.beta2);
  const Vec stepSize = constant(-args.lr / correction1),
            rootCorrection2 = constant(1 / std::sqrt(correction2));
  const Vec eps = constant(args.eps), decay = constant(1 - args.lr * args.weightDecay);

  const int64_t P = args.param.elements();
  const float* grad = args.grad.as<const float>();
  float *param = args.param.as<float>(), *first = args.m.as<float>(), *second = args.v.as<float>();
  context.pool.parallelFor(chunks(P), [&](int64_t task, int) {
    const int64_t begin = task * kChunk, end = begin + kChunk < P ? begin + kChunk : P;
    forVectors(end - begin, [&](int64_t offset, int64_t lanes) {
      const int64_t i = begin + offset;
      const Vec g = loadPart(grad + i, lanes) * gradScale;
      const Vec m = fma(beta1, loadPart(first + i, lanes), rest1 * g);
      const Vec v = fma(beta2, loadPart(second + i, lanes), rest2 * g * g);
      const Vec update = m / fma(squareRoot(v), rootCorrection2, eps);
      storePart(param + i, fma(update, stepSize, loadPart(param + i, lanes) * decay), lanes);
      storePart(first + i, m, lanes);
      storePart(second + i, v, lanes);
    });
  });
}

}  // namespace

void registerOptimizer(host::KernelTable& table) {
  table.set<GradNorm, gradNorm>(kPath);
  table.setWorkspace<GradNorm, gradNormWorkspace>();
  table.set<AdamW, adamW>(kPath);
}

}  // namespace ibert::cpu::IBERT_ISA

// RMSNorm (Zhang & Sennrich 2019) and its gradient. A row is read twice, the second time from L1, so both are
// bound by memory: nothing is gained by fusing more than the residual.
#include <cmath>

#include "act.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

// Two accumulators hide the FMA's latency; their order is fixed.
template <class Term>
float sumOver(int64_t columns, Term&& term) {
  Vec even = broadcast(0.0f), odd = broadcast(0.0f);
  int64_t i = 0;
  for (; i + 2 * kWidth <= columns; i += 2 * kWidth) {
    even = term(i, kWidth, even);
    odd = term(i + kWidth, kWidth, odd);
  }
  for (; i < columns; i += kWidth) even = term(i, columns - i, even);
  return sum(even + odd);
}

void forward(const RmsNormForward& args, host::Context& context) {
  const int64_t D = args.x.shape[1];
  const float* weight = args.weight.as<const float>();
  withTypes(args.x.dtype, args.y.dtype, [&](auto* xType, auto* yType) {
    forRows(context.pool, args.x.shape[0], D, [&](int64_t t) {
      const auto* x = args.x.as<const std::remove_pointer_t<decltype(xType)>>() + t * D;
      auto* y = args.y.as<std::remove_pointer_t<decltype(yType)>>() + t * D;
      const float squares = sumOver(D, [&](int64_t i, int64_t lanes, Vec total) {
        const Vec v = loadPart(x + i, lanes);
        return fma(v, v, total);
      });
      const float rstd = 1.0f / std::sqrt(squares / static_cast<float>(D) + static_cast<float>(args.eps));
      if (args.rstd) args.rstd.as<float>()[t] = rstd;
      forVectors(D, [&](int64_t i, int64_t lanes) {
        storePart(y + i, loadPart(x + i, lanes) * broadcast(rstd) * loadPart(weight + i, lanes), lanes);
      });
    });
  });
}

// With g = dy * weight: dx = rstd * (g - x * rstd^2 * mean(g * x)), plus what came by the residual stream.
template <class Dy, class X, class R, class Dx>
void backwardRows(const RmsNormBackward& args, host::Context& context) {
  const int64_t D = args.x.shape[1];
  const float* weight = args.weight.as<const float>();
  forRows(context.pool, args.x.shape[0], D, [&](int64_t t) {
    const Dy* dy = args.dy.as<const Dy>() + t * D;
    const X* x = args.x.as<const X>() + t * D;
    const R* residual = args.dResidual ? args.dResidual.as<const R>() + t * D : nullptr;
    Dx* dx = args.dx.as<Dx>() + t * D;
    const float rstd = args.rstd.as<const float>()[t];
    const float product = sumOver(D, [&](int64_t i, int64_t lanes, Vec total) {
      const Vec g = loadPart(dy + i, lanes) * loadPart(weight + i, lanes);
      return fma(g, loadPart(x + i, lanes), total);
    });
    const Vec slope = broadcast(-rstd * rstd * rstd * (product / static_cast<float>(D)));
    forVectors(D, [&](int64_t i, int64_t lanes) {
      const Vec g = loadPart(dy + i, lanes) * loadPart(weight + i, lanes);
      Vec d = fma(loadPart(x + i, lanes), slope, g * broadcast(rstd));
      if (residual) d += loadPart(residual + i, lanes);
      storePart(dx + i, d, lanes);
    });
  });
}

void backward(const RmsNormBackward& args, host::Context& context) {
  const DType residual = args.dResidual ? args.dResidual.dtype : args.dx.dtype;
  withTypes(args.dy.dtype, args.x.dtype, [&](auto* dy, auto* x) {
    withTypes(residual, args.dx.dtype, [&](auto* r, auto* dx) {
      backwardRows<std::remove_pointer_t<decltype(dy)>, std::remove_pointer_t<decltype(x)>,
                   std::remove_pointer_t<decltype(r)>, std::remove_pointer_t<decltype(dx)>>(args, context);
    });
  });
}

}  // namespace

void registerRmsNorm(host::KernelTable& table) {
  table.set<RmsNormForward, forward>(kPath);
  table.set<RmsNormBackward, backward>(kPath);
}

}  // namespace ibert::cpu::IBERT_ISA

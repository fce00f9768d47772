// RMSNorm (Zhang & Sennrich 2019).
#include <cmath>

#include "reference.h"

namespace ibert::reference {

namespace {

void rmsNormForward(const RmsNormForward& args, Context& context) {
  const int64_t D = args.x.shape[1];
  const Matrix weight = read(args.weight, context.pool);
  context.pool.parallelFor(args.x.shape[0], [&](int64_t t, int) {
    std::vector<double> x(D), y(D);
    readRange(args.x, t * D, D, x.data());
    const double rstd = 1 / std::sqrt(dot(x.data(), x.data(), D) / D + args.eps);
    for (int64_t i = 0; i < D; ++i) y[i] = x[i] * rstd * weight.values[i];
    writeRange(args.y, t * D, D, y.data());
    if (args.rstd) writeAt(args.rstd, t, rstd);
  });
}

// With n = x rstd and g = dy * weight: dx = rstd (g - n mean(g n)), since d(rstd)/dx = -rstd^3 x / D.
void rmsNormBackward(const RmsNormBackward& args, Context& context) {
  const int64_t D = args.x.shape[1];
  const Matrix weight = read(args.weight, context.pool);
  context.pool.parallelFor(args.x.shape[0], [&](int64_t t, int) {
    std::vector<double> n(D), g(D), dx(D);
    readRange(args.x, t * D, D, n.data());
    readRange(args.dy, t * D, D, g.data());
    if (args.dResidual) readRange(args.dResidual, t * D, D, dx.data());
    const double rstd = readAt(args.rstd, t);
    for (int64_t i = 0; i < D; ++i) {
      n[i] *= rstd;
      g[i] *= weight.values[i];
    }
    const double mean = dot(g.data(), n.data(), D) / D;
    for (int64_t i = 0; i < D; ++i) dx[i] += rstd * (g[i] - n[i] * mean);
    writeRange(args.dx, t * D, D, dx.data());
  });
}

}  // namespace

void registerNorm(KernelTable& table) {
  table.set<RmsNormForward, rmsNormForward>(kPath);
  table.set<RmsNormBackward, rmsNormBackward>(kPath);
}

}  // namespace ibert::reference

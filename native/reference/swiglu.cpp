// SwiGLU (Shazeer 2020): y = silu(gate) * up, silu(z) = z sigmoid(z).
#include <cmath>

#include "reference.h"

namespace ibert::reference {

namespace {

double sigmoid(double z) {
  return 1 / (1 + std::exp(-z));
}

void swigluForward(const SwigluForward& args, Context& context) {
  const int64_t F = args.y.shape[1];
  context.pool.parallelFor(args.y.shape[0], [&](int64_t t, int) {
    std::vector<double> gateUp(2 * F), y(F);
    readRange(args.gateUp, t * 2 * F, 2 * F, gateUp.data());
    for (int64_t i = 0; i < F; ++i) y[i] = gateUp[i] * sigmoid(gateUp[i]) * gateUp[F + i];
    writeRange(args.y, t * F, F, y.data());
  });
}

// silu'(z) = s + z s (1 - s), s = sigmoid(z)
void swigluBackward(const SwigluBackward& args, Context& context) {
  const int64_t F = args.dy.shape[1];
  context.pool.parallelFor(args.dy.shape[0], [&](int64_t t, int) {
    std::vector<double> gateUp(2 * F), dy(F), dGateUp(2 * F);
    readRange(args.gateUp, t * 2 * F, 2 * F, gateUp.data());
    readRange(args.dy, t * F, F, dy.data());
    for (int64_t i = 0; i < F; ++i) {
      const double gate = gateUp[i], up = gateUp[F + i], s = sigmoid(gate);
      dGateUp[i] = dy[i] * up * (s + gate * s * (1 - s));
      dGateUp[F + i] = dy[i] * gate * s;
    }
    writeRange(args.dGateUp, t * 2 * F, 2 * F, dGateUp.data());
  });
}

}  // namespace

void registerSwiglu(KernelTable& table) {
  table.set<SwigluForward, swigluForward>(kPath);
  table.set<SwigluBackward, swigluBackward>(kPath);
}

}  // namespace ibert::reference

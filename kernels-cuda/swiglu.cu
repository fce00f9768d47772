// SwiGLU (Shazeer 2020): y = silu(gate) * up; a row of gateUp is [gate | up], (T, 2 F).
#include "operand.h"
#include "register.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ float sigmoid(float x) {
  return 1.0f / (1.0f + expf(-x));
}

// The twin: an element a thread. y: (T, F)
template <class X, class Y>
__global__ void __launch_bounds__(kThreads) forwardTwin(const X* gateUp, Y* y, int64_t T, int64_t F) {
  for (int64_t i = firstElement(); i < T * F; i += elementStride()) {
    const X* row = gateUp + i / F * 2 * F;
    const float gate = load(row + i % F), up = load(row + F + i % F);
    store(y + i, gate * sigmoid(gate) * up);
  }
}

// dy: (T, F), dGateUp: (T, 2 F), which may be gateUp itself: a thread reads both its values before it writes.
template <class Dy, class X, class Dx>
__global__ void __launch_bounds__(kThreads)
    backwardTwin(const Dy* dy, const X* gateUp, Dx* dGateUp, int64_t T, int64_t F) {
  for (int64_t i = firstElement(); i < T * F; i += elementStride()) {
    const int64_t at = i / F * 2 * F + i % F;
    const float gate = load(gateUp + at), up = load(gateUp + at + F), d = load(dy + i), s = sigmoid(gate);
    store(dGateUp + at, d * up * s * (1 + gate * (1 - s)));
    store(dGateUp + at + F, d * gate * s);
  }
}

void forward(const SwigluForward& args, Context& context) {
  const int64_t T = args.y.shape[0], F = args.y.shape[1];
  withTypes(args.gateUp.dtype, args.y.dtype, [&](auto* x, auto* y) {
    context.require(launch(forwardTwin<Pointed<decltype(x)>, Pointed<decltype(y)>>,
                           blocksFor(T * F, kThreads, context.machine), dim3(kThreads), 0, context.stream,
                           args.gateUp.as<Pointed<decltype(x)>>(), args.y.as<Pointed<decltype(y)>>(), T, F));
  });
}

void backward(const SwigluBackward& args, Context& context) {
  const int64_t T = args.dy.shape[0], F = args.dy.shape[1];
  withTypes(args.gateUp.dtype, args.dGateUp.dtype, [&](auto* x, auto* dx) {
    withType(args.dy.dtype, [&](auto* dy) {
      using Dy = Pointed<decltype(dy)>;
      using X = Pointed<decltype(x)>;
      using Dx = Pointed<decltype(dx)>;
      context.require(launch(backwardTwin<Dy, X, Dx>, blocksFor(T * F, kThreads, context.machine),
                             dim3(kThreads), 0, context.stream, args.dy.as<Dy>(), args.gateUp.as<X>(),
                             args.dGateUp.as<Dx>(), T, F));
    });
  });
}

}  // namespace

void registerSwiglu(KernelTable& table) {
  table.set<SwigluForward, forward>(kTwin);
  table.set<SwigluBackward, backward>(kTwin);
}

}  // namespace ibert::cuda

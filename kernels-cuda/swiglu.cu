// SwiGLU (Shazeer 2020): y = silu(gate) * up; a row of gateUp is [gate | up], (T, 2 F).
#include "register.h"
#include "vector.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ float sigmoid(float x) {
  return 1.0f / (1.0f + expf(-x));
}

// The twin: an element a thread. y: (T, F)
__global__ void __launch_bounds__(kThreads) forwardTwin(View gateUp, View y, int64_t T, int64_t F) {
  for (int64_t i = firstElement(); i < T * F; i += elementStride()) {
    const int64_t at = i / F * 2 * F + i % F;
    const float gate = gateUp.at(at), up = gateUp.at(at + F);
    y.set(i, gate * sigmoid(gate) * up);
  }
}

// dy: (T, F), dGateUp: (T, 2 F), which may be gateUp itself: a thread reads both its values before it writes.
__global__ void __launch_bounds__(kThreads)
    backwardTwin(View dy, View gateUp, View dGateUp, int64_t T, int64_t F) {
  for (int64_t i = firstElement(); i < T * F; i += elementStride()) {
    const int64_t at = i / F * 2 * F + i % F;
    const float gate = gateUp.at(at), up = gateUp.at(at + F), d = dy.at(i), s = sigmoid(gate);
    dGateUp.set(at, d * up * s * (1 + gate * (1 - s)));
    dGateUp.set(at + F, d * gate * s);
  }
}

// The fast kernels: eight elements a thread, sixteen bytes at a time. Nothing is read twice, so that the bus
// is the bound. F is a multiple of eight; i counts vectors.
template <class X, class Y>
__global__ void __launch_bounds__(kThreads) forwardVector(const X* gateUp, Y* y, int64_t T, int64_t F) {
  const int64_t vectors = F / kVector;
  for (int64_t i = firstElement(); i < T * vectors; i += elementStride()) {
    const int64_t at = i / vectors * 2 * F + i % vectors * kVector;
    Vector gate = loadVector(gateUp + at);
    const Vector up = loadVector(gateUp + at + F);
    for (int k = 0; k < kVector; ++k) gate.at[k] = gate.at[k] * sigmoid(gate.at[k]) * up.at[k];
    storeVector(y + i * kVector, gate);
  }
}

template <class Dy, class X, class Dx>
__global__ void __launch_bounds__(kThreads)
    backwardVector(const Dy* dy, const X* gateUp, Dx* dGateUp, int64_t T, int64_t F) {
  const int64_t vectors = F / kVector;
  for (int64_t i = firstElement(); i < T * vectors; i += elementStride()) {
    const int64_t at = i / vectors * 2 * F + i % vectors * kVector;
    Vector gate = loadVector(gateUp + at), up = loadVector(gateUp + at + F);
    const Vector d = loadVector(dy + i * kVector);
    for (int k = 0; k < kVector; ++k) {
      const float g = gate.at[k], u = up.at[k], s = sigmoid(g);
      gate.at[k] = d.at[k] * u * s * (1 + g * (1 - s));
      up.at[k] = d.at[k] * g * s;
    }
    storeVector(dGateUp + at, gate);
    storeVector(dGateUp + at + F, up);
  }
}

// Whatever the path, an element has the same bits: it is computed by itself.
bool isFast(const SwigluForward& args) {
  return args.y.shape[1] % kVector == 0 && areAligned({&args.gateUp, &args.y});
}
bool isFast(const SwigluBackward& args) {
  return args.dy.shape[1] % kVector == 0 && areAligned({&args.dy, &args.gateUp, &args.dGateUp});
}

void forward(const SwigluForward& args, Context& context) {
  const int64_t T = args.y.shape[0], F = args.y.shape[1];
  if (isFast(args)) {
    return withTypes(args.gateUp.dtype, args.y.dtype, [&](auto* x, auto* y) {
      using X = Pointed<decltype(x)>;
      using Y = Pointed<decltype(y)>;
      context.require(launch(forwardVector<X, Y>, blocksFor(T * F / kVector, kThreads, context.machine),
                             dim3(kThreads), 0, context.stream, args.gateUp.as<const X>(), args.y.as<Y>(), T,
                             F));
    });
  }
  context.require(launch(forwardTwin, blocksFor(T * F, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, view(args.gateUp), view(args.y), T, F));
}

void backward(const SwigluBackward& args, Context& context) {
  const int64_t T = args.dy.shape[0], F = args.dy.shape[1];
  if (isFast(args)) {
    return withType(args.dy.dtype, [&](auto* dy) {
      withTypes(args.gateUp.dtype, args.dGateUp.dtype, [&](auto* x, auto* dx) {
        using Dy = Pointed<decltype(dy)>;
        using X = Pointed<decltype(x)>;
        using Dx = Pointed<decltype(dx)>;
        context.require(launch(backwardVector<Dy, X, Dx>,
                               blocksFor(T * F / kVector, kThreads, context.machine), dim3(kThreads), 0,
                               context.stream, args.dy.as<const Dy>(), args.gateUp.as<const X>(),
                               args.dGateUp.as<Dx>(), T, F));
      });
    });
  }
  context.require(launch(backwardTwin, blocksFor(T * F, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, view(args.dy), view(args.gateUp), view(args.dGateUp), T, F));
}

}  // namespace

void registerSwiglu(KernelTable& table) {
  table.set<SwigluForward, forward>(kVectorPath);
  table.setPathOf<SwigluForward, vectorPath<SwigluForward, isFast>>();
  table.set<SwigluBackward, backward>(kVectorPath);
  table.setPathOf<SwigluBackward, vectorPath<SwigluBackward, isFast>>();
}

}  // namespace ibert::cuda

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

void forward(const SwigluForward& args, Context& context) {
  const int64_t T = args.y.shape[0], F = args.y.shape[1];
  context.require(launch(forwardTwin, blocksFor(T * F, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, view(args.gateUp), view(args.y), T, F));
}

void backward(const SwigluBackward& args, Context& context) {
  const int64_t T = args.dy.shape[0], F = args.dy.shape[1];
  context.require(launch(backwardTwin, blocksFor(T * F, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, view(args.dy), view(args.gateUp), view(args.dGateUp), T, F));
}

}  // namespace

void registerSwiglu(KernelTable& table) {
  table.set<SwigluForward, forward>(kTwin);
  table.set<SwigluBackward, backward>(kTwin);
}

}  // namespace ibert::cuda

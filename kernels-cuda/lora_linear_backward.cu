// loraLinearBackward: dx = dy W + scale * (dy B) A; dLoraA += scale * (dy B)^T x; dLoraB += scale * dy^T (x
// A^T). Each gradient is summed over its tokens in their order: no atomics.
#include "operand.h"
#include "register.h"
#include "segments.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;

// Sizes: T rows of dy, N rows of W and K columns; R rows of A, rank r = columns of B.
struct Sizes {
  int64_t T, N, K, R, r;
};

Sizes sizesOf(const LoraLinearBackward& args) {
  return {args.dy.shape[0], args.weight.shape[0], args.weight.shape[1], args.loraA ? args.loraA.shape[1] : 0,
          args.loraB ? args.loraB.shape[2] : 0};
}

// The twin of dy B: an element a thread, over the rows of W that have its slot. dy: (T, N), B: (N, r), dxa:
// (T, R)
__global__ void __launch_bounds__(kThreads) lowTwin(View dy, View B, float* dxa, Segments segments, Sizes s) {
  for (int64_t i = firstElement(); i < s.T * s.R; i += elementStride()) {
    const int64_t t = i / s.R, slot = i % s.R / s.r, j = i % s.r;
    float sum = 0;
    for (int64_t n = 0; n < s.N; ++n) {
      if (segments.slotOf(n) == slot) sum += dy.at(t * s.N + n) * B.at(n * s.r + j);
    }
    dxa[i] = sum;
  }
}

// The twin: an element a thread. W: (N, K), A: (R, K), dx: (T, K)
__global__ void __launch_bounds__(kThreads)
    inputTwin(View dy, View W, const float* dxa, View A, View dx, float scale, Sizes s) {
  for (int64_t i = firstElement(); i < s.T * s.K; i += elementStride()) {
    const int64_t t = i / s.K, k = i % s.K;
    float sum = 0, low = 0;
    for (int64_t n = 0; n < s.N; ++n) sum += dy.at(t * s.N + n) * W.at(n * s.K + k);
    for (int64_t j = 0; j < s.R; ++j) low += dxa[t * s.R + j] * A.at(j * s.K + k);
    dx.set(i, sum + scale * low);
  }
}

// The twin: an element a thread. dA: (R, K)
__global__ void __launch_bounds__(kThreads) aTwin(const float* dxa, View x, View dA, float scale, Sizes s) {
  for (int64_t i = firstElement(); i < s.R * s.K; i += elementStride()) {
    const int64_t j = i / s.K, k = i % s.K;
    float sum = 0;
    for (int64_t t = 0; t < s.T; ++t) sum += dxa[t * s.R + j] * x.at(t * s.K + k);
    dA.set(i, dA.at(i) + scale * sum);
  }
}

// The twin: an element a thread; rows without a slot stay as they are. xa: (T, R), dB: (N, r)
__global__ void __launch_bounds__(kThreads)
    bTwin(View dy, View xa, View dB, Segments segments, float scale, Sizes s) {
  for (int64_t i = firstElement(); i < s.N * s.r; i += elementStride()) {
    const int64_t n = i / s.r, j = i % s.r;
    const int slot = segments.slotOf(n);
    if (slot < 0) continue;
    float sum = 0;
    for (int64_t t = 0; t < s.T; ++t) sum += dy.at(t * s.N + n) * xa.at(t * s.R + slot * s.r + j);
    dB.set(i, dB.at(i) + scale * sum);
  }
}

int64_t workspace(const LoraLinearBackward& args, Machine) {
  const Sizes s = sizesOf(args);
  return s.T * s.R * static_cast<int64_t>(sizeof(float));
}

void run(const LoraLinearBackward& args, Context& context) {
  const Sizes s = sizesOf(args);
  const Segments segments = segmentsOf(args.segments, args.slots, s.N, static_cast<bool>(args.loraA));
  const auto scale = static_cast<float>(args.scale);
  auto* dxa = reinterpret_cast<float*>(context.workspace);
  const float* low = dxa;
  const auto over = [&](int64_t elements, auto kernel, auto... operands) {
    context.require(launch(kernel, blocksFor(elements, kThreads, context.machine), dim3(kThreads), 0,
                           context.stream, operands...));
  };
  if (args.loraA) over(s.T * s.R, lowTwin, view(args.dy), view(args.loraB), dxa, segments, s);
  if (args.dx)
    over(s.T * s.K, inputTwin, view(args.dy), view(args.weight), low, view(args.loraA), view(args.dx), scale,
         s);
  if (args.dLoraA) over(s.R * s.K, aTwin, low, view(args.x), view(args.dLoraA), scale, s);
  if (args.dLoraB)
    over(s.N * s.r, bTwin, view(args.dy), view(args.xa), view(args.dLoraB), segments, scale, s);
}

std::string unsupported(const LoraLinearBackward& args) {
  return (args.dLoraA || args.dLoraB) && !args.loraA ? "dLoraA and dLoraB need loraA and loraB" : "";
}

}  // namespace

void registerLoraLinearBackward(KernelTable& table) {
  table.set<LoraLinearBackward, run>(kTwin);
  table.setWorkspace<LoraLinearBackward, workspace>();
  table.setUnsupported<LoraLinearBackward, unsupported>();
}

}  // namespace ibert::cuda

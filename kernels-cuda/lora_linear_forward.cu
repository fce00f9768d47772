// loraLinearForward (Hu et al. 2021): y = x W^T + bias + scale * (x A^T) B^T + residual.
#include "lora_linear.h"
#include "register.h"
#include "segments.h"

namespace ibert::cuda {

namespace {

using namespace lora_linear;

constexpr int kThreads = 256;

// The twin of x A^T: an element a thread. x: (T, K), A: (P, R, K), xa: (T, R); kept: the op's own output or
// absent
__global__ void __launch_bounds__(kThreads)
    lowTwin(View x, View A, const int32_t* adapterOfRow, float* xa, View kept, Sizes s) {
  for (int64_t i = firstElement(); i < s.T * s.R; i += elementStride()) {
    const int64_t t = i / s.R, j = i % s.R, p = adapterOf(adapterOfRow, t, s.P);
    float sum = 0;
    for (int64_t k = 0; p >= 0 && k < s.K; ++k) sum += x.at(t * s.K + k) * A.at((p * s.R + j) * s.K + k);
    xa[i] = sum;
    if (kept) kept.set(i, sum);
  }
}

// The twin: an element of y a thread, whose bits no other row shows in. W: (N, K), B: (P, N, r), y: (T, N).
// residual may be y itself.
__global__ void __launch_bounds__(kThreads)
    forwardTwin(View x, View W, const float* xa, View B, const int32_t* adapterOfRow, View bias,
                View residual, View y, Segments segments, float scale, Sizes s) {
  for (int64_t i = firstElement(); i < s.T * s.N; i += elementStride()) {
    const int64_t t = i / s.N, n = i % s.N, p = adapterOf(adapterOfRow, t, s.P);
    const int slot = segments.slotOf(n);
    float sum = 0;
    for (int64_t k = 0; k < s.K; ++k) sum += x.at(t * s.K + k) * W.at(n * s.K + k);
    if (slot >= 0 && p >= 0) {
      float low = 0;
      for (int64_t j = 0; j < s.r; ++j) low += xa[t * s.R + slot * s.r + j] * B.at((p * s.N + n) * s.r + j);
      sum += scale * low;
    }
    if (bias) sum += bias.at(n);
    if (residual) sum += residual.at(i);
    y.set(i, sum);
  }
}

int64_t workspace(const LoraLinearForward& args, Machine) {
  if (isDecode(args)) return decodeWorkspace(args);
  const Sizes s = sizesOf(args);
  return s.T * s.R * static_cast<int64_t>(sizeof(float));
}

void run(const LoraLinearForward& args, Context& context) {
  if (isDecode(args)) return decodeForward(args, context);
  const Sizes s = sizesOf(args);
  auto* xa = reinterpret_cast<float*>(context.workspace);
  const auto* adapterOfRow = args.adapterOfRow ? args.adapterOfRow.as<const int32_t>() : nullptr;
  if (args.loraA) {
    context.require(launch(lowTwin, blocksFor(s.T * s.R, kThreads, context.machine), dim3(kThreads), 0,
                           context.stream, view(args.x), view(args.loraA), adapterOfRow, xa, view(args.xa),
                           s));
  }
  context.require(launch(forwardTwin, blocksFor(s.T * s.N, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, view(args.x), view(args.weight), static_cast<const float*>(xa),
                         view(args.loraB), adapterOfRow, view(args.bias), view(args.residual), view(args.y),
                         segmentsOf(args.segments, args.slots, s.N, static_cast<bool>(args.loraA)),
                         static_cast<float>(args.scale), s));
}

const char* pathOf(const LoraLinearForward& args) {
  return isDecode(args) ? kMmaPath : kTwin;
}

std::string unsupported(const LoraLinearForward& args) {
  return args.xa && !args.loraA ? "xa needs loraA" : "";
}

}  // namespace

void registerLoraLinearForward(KernelTable& table) {
  table.set<LoraLinearForward, run>(kMmaPath);
  table.setPathOf<LoraLinearForward, pathOf>();
  table.setWorkspace<LoraLinearForward, workspace>();
  table.setUnsupported<LoraLinearForward, unsupported>();
}

}  // namespace ibert::cuda

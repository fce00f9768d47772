// RMSNorm (Zhang & Sennrich 2019): y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps).
#include "operand.h"
#include "register.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;
constexpr size_t kPartial = kThreads / 32 * sizeof(float);

// The twin: a row a block. x, y: (T, D), weight: (D), rstd: (T) or absent
__global__ void __launch_bounds__(kThreads)
    forwardTwin(View x, View weight, View y, View rstd, int64_t D, float eps) {
  DYNAMIC_SHARED(memory);
  const int64_t row = blockIdx.x * D;
  float squares = 0;
  for (int64_t i = threadIdx.x; i < D; i += kThreads) {
    const float value = x.at(row + i);
    squares += value * value;
  }
  const float scale =
      rsqrtf(blockSum(squares, reinterpret_cast<float*>(memory)) / static_cast<float>(D) + eps);
  if (rstd && threadIdx.x == 0) rstd.set(blockIdx.x, scale);
  for (int64_t i = threadIdx.x; i < D; i += kThreads) y.set(row + i, x.at(row + i) * scale * weight.at(i));
}

// With n = x rstd and g = dy * weight: dx = dResidual + rstd (g - n mean(g n)). dx may be dResidual itself: a
// thread reads the element that it writes.
__global__ void __launch_bounds__(kThreads)
    backwardTwin(View dy, View x, View weight, View rstd, View dResidual, View dx, int64_t D) {
  DYNAMIC_SHARED(memory);
  const int64_t row = blockIdx.x * D;
  const float scale = rstd.at(blockIdx.x);
  float products = 0;
  for (int64_t i = threadIdx.x; i < D; i += kThreads)
    products += dy.at(row + i) * weight.at(i) * x.at(row + i) * scale;
  const float mean = blockSum(products, reinterpret_cast<float*>(memory)) / static_cast<float>(D);
  for (int64_t i = threadIdx.x; i < D; i += kThreads) {
    const float n = x.at(row + i) * scale, g = dy.at(row + i) * weight.at(i);
    const float residual = dResidual ? dResidual.at(row + i) : 0.0f;
    dx.set(row + i, residual + scale * (g - n * mean));
  }
}

void forward(const RmsNormForward& args, Context& context) {
  const int64_t T = args.x.shape[0], D = args.x.shape[1];
  if (T == 0) return;
  context.require(launch(forwardTwin, dim3(static_cast<unsigned>(T)), dim3(kThreads), kPartial,
                         context.stream, view(args.x), view(args.weight), view(args.y), view(args.rstd), D,
                         static_cast<float>(args.eps)));
}

void backward(const RmsNormBackward& args, Context& context) {
  const int64_t T = args.x.shape[0], D = args.x.shape[1];
  if (T == 0) return;
  context.require(launch(backwardTwin, dim3(static_cast<unsigned>(T)), dim3(kThreads), kPartial,
                         context.stream, view(args.dy), view(args.x), view(args.weight), view(args.rstd),
                         view(args.dResidual), view(args.dx), D));
}

}  // namespace

void registerRmsNorm(KernelTable& table) {
  table.set<RmsNormForward, forward>(kTwin);
  table.set<RmsNormBackward, backward>(kTwin);
}

}  // namespace ibert::cuda

// RMSNorm (Zhang & Sennrich 2019): y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps).
#include "register.h"
#include "vector.h"

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

// The fast kernels: a row a block, which reads it once, sixteen bytes at a time, and keeps it in registers
// between the sum and the result: each byte crosses the bus once. How a row is shared out depends on D alone,
// so that its bits do not depend on T.
template <class X, class Y, int kEach>
__global__ void __launch_bounds__(kThreads)
    forwardVector(const X* x, const float* weight, Y* y, View rstd, int64_t D, float eps, bool aligned) {
  DYNAMIC_SHARED(memory);
  const int64_t row = blockIdx.x * D;
  Vector kept[kEach];
  float squares = 0;
#pragma unroll
  for (int each = 0; each < kEach; ++each) {
    const int64_t i = (each * static_cast<int64_t>(blockDim.x) + threadIdx.x) * kVector;
    if (i >= D) continue;
    kept[each] = loadVector(x + row + i, aligned);
    for (const float value : kept[each].at) squares += value * value;
  }
  const float scale =
      rsqrtf(blockSum(squares, reinterpret_cast<float*>(memory)) / static_cast<float>(D) + eps);
  if (rstd && threadIdx.x == 0) rstd.set(blockIdx.x, scale);
#pragma unroll
  for (int each = 0; each < kEach; ++each) {
    const int64_t i = (each * static_cast<int64_t>(blockDim.x) + threadIdx.x) * kVector;
    if (i >= D) continue;
    const Vector w = loadVector(weight + i, aligned);
    for (int k = 0; k < kVector; ++k) kept[each].at[k] *= scale * w.at[k];
    storeVector(y + row + i, kept[each], aligned);
  }
}

template <class Dy, class X, class R, class Dx, int kEach>
__global__ void __launch_bounds__(kThreads)
    backwardVector(const Dy* dy, const X* x, const float* weight, View rstd, const R* dResidual, Dx* dx,
                   int64_t D, bool aligned) {
  DYNAMIC_SHARED(memory);
  const int64_t row = blockIdx.x * D;
  const float scale = rstd.at(blockIdx.x);
  Vector g[kEach], n[kEach];
  float products = 0;
#pragma unroll
  for (int each = 0; each < kEach; ++each) {
    const int64_t i = (each * static_cast<int64_t>(blockDim.x) + threadIdx.x) * kVector;
    if (i >= D) continue;
    g[each] = loadVector(dy + row + i, aligned);
    n[each] = loadVector(x + row + i, aligned);
    const Vector w = loadVector(weight + i, aligned);
    for (int k = 0; k < kVector; ++k) {
      g[each].at[k] *= w.at[k];
      n[each].at[k] *= scale;
      products += g[each].at[k] * n[each].at[k];
    }
  }
  const float mean = blockSum(products, reinterpret_cast<float*>(memory)) / static_cast<float>(D);
#pragma unroll
  for (int each = 0; each < kEach; ++each) {
    const int64_t i = (each * static_cast<int64_t>(blockDim.x) + threadIdx.x) * kVector;
    if (i >= D) continue;
    Vector result = dResidual == nullptr ? Vector{} : loadVector(dResidual + row + i, aligned);
    for (int k = 0; k < kVector; ++k) result.at[k] += scale * (g[each].at[k] - n[each].at[k] * mean);
    storeVector(dx + row + i, result, aligned);
  }
}

constexpr int kMostEach = 4;

// Threads of a block for a row of whole vectors.
int threadsFor(int64_t D) {
  const int64_t warps = ceilDivide(D / kVector, 32);
  return static_cast<int>(warps < kThreads / 32 ? warps * 32 : kThreads);
}
// Of D alone, so that the bits of a row do not depend on where it lies.
template <class Struct>
bool isFast(const Struct& args) {
  const int64_t D = args.x.shape[1];
  return D % kVector == 0 && D <= kMostEach * kThreads * kVector;
}
// Calls body(std::integral_constant<int, vectors of a thread>).
template <class Body>
void withEach(int64_t D, Body&& body) {
  const int64_t each = ceilDivide(D / kVector, threadsFor(D));
  if (each <= 1) return body(std::integral_constant<int, 1>{});
  if (each <= 2) return body(std::integral_constant<int, 2>{});
  body(std::integral_constant<int, kMostEach>{});
}

void forwardFast(const RmsNormForward& args, const Context& context) {
  const int64_t T = args.x.shape[0], D = args.x.shape[1];
  withTypes(args.x.dtype, args.y.dtype, [&](auto* x, auto* y) {
    using X = Pointed<decltype(x)>;
    using Y = Pointed<decltype(y)>;
    withEach(D, [&](auto each) {
      context.require(launch(forwardVector<X, Y, decltype(each)::value>, dim3(static_cast<unsigned>(T)),
                             dim3(static_cast<unsigned>(threadsFor(D))), kPartial, context.stream,
                             args.x.as<const X>(), args.weight.as<const float>(), args.y.as<Y>(),
                             view(args.rstd), D, static_cast<float>(args.eps),
                             areAligned({&args.x, &args.weight, &args.y})));
    });
  });
}

void backwardFast(const RmsNormBackward& args, const Context& context) {
  const int64_t T = args.x.shape[0], D = args.x.shape[1];
  withTypes(args.dy.dtype, args.x.dtype, [&](auto* dy, auto* x) {
    withTypes(args.dResidual ? args.dResidual.dtype : args.dx.dtype, args.dx.dtype, [&](auto* r, auto* dx) {
      using Dy = Pointed<decltype(dy)>;
      using X = Pointed<decltype(x)>;
      using R = Pointed<decltype(r)>;
      using Dx = Pointed<decltype(dx)>;
      withEach(D, [&](auto each) {
        context.require(launch(backwardVector<Dy, X, R, Dx, decltype(each)::value>,
                               dim3(static_cast<unsigned>(T)), dim3(static_cast<unsigned>(threadsFor(D))),
                               kPartial, context.stream, args.dy.as<const Dy>(), args.x.as<const X>(),
                               args.weight.as<const float>(), view(args.rstd),
                               args.dResidual ? args.dResidual.as<const R>() : nullptr, args.dx.as<Dx>(), D,
                               areAligned({&args.dy, &args.x, &args.weight, &args.dResidual, &args.dx})));
      });
    });
  });
}

void forward(const RmsNormForward& args, Context& context) {
  const int64_t T = args.x.shape[0], D = args.x.shape[1];
  if (T == 0) return;
  if (isFast(args)) return forwardFast(args, context);
  context.require(launch(forwardTwin, dim3(static_cast<unsigned>(T)), dim3(kThreads), kPartial,
                         context.stream, view(args.x), view(args.weight), view(args.y), view(args.rstd), D,
                         static_cast<float>(args.eps)));
}

void backward(const RmsNormBackward& args, Context& context) {
  const int64_t T = args.x.shape[0], D = args.x.shape[1];
  if (T == 0) return;
  if (isFast(args)) return backwardFast(args, context);
  context.require(launch(backwardTwin, dim3(static_cast<unsigned>(T)), dim3(kThreads), kPartial,
                         context.stream, view(args.dy), view(args.x), view(args.weight), view(args.rstd),
                         view(args.dResidual), view(args.dx), D));
}

}  // namespace

void registerRmsNorm(KernelTable& table) {
  table.set<RmsNormForward, forward>(kVectorPath);
  table.setPathOf<RmsNormForward, vectorPath<RmsNormForward, isFast<RmsNormForward>>>();
  table.set<RmsNormBackward, backward>(kVectorPath);
  table.setPathOf<RmsNormBackward, vectorPath<RmsNormBackward, isFast<RmsNormBackward>>>();
}

}  // namespace ibert::cuda

// gradNorm and adamW (Loshchilov & Hutter 2019) over one flat buffer of P parameters.
#include <cmath>

#include "register.h"
#include "vector.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;
// Elements whose squares one block sums. It is fixed, and so is the order of all sums: no size of a grid
// shows.
constexpr int64_t kChunk = 32768;

int64_t chunks(int64_t elements) {
  return ceilDivide(elements, kChunk);
}

// The sum of a block's values in a fixed order, in thread 0.
__device__ __forceinline__ double blockSum64(double value, double* partial) {
  partial[threadIdx.x] = value;
  __syncthreads();
  double sum = 0;
  if (threadIdx.x == 0) {
    for (int i = 0; i < kThreads; ++i) sum += partial[i];
  }
  return sum;
}

// The twin: partial[c] = the sum of squares of chunk c, in float64.
__global__ void __launch_bounds__(kThreads) squaresTwin(View grad, double* partial, int64_t P) {
  DYNAMIC_SHARED(memory);
  const int64_t begin = blockIdx.x * kChunk, end = begin + kChunk < P ? begin + kChunk : P;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const double g = grad.at(i);
    sum += g * g;
  }
  sum = blockSum64(sum, reinterpret_cast<double*>(memory));
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// The same of float32, four neighbouring elements a thread at a time, read at once where they lie so. Which
// thread adds what in which order does not depend on that.
__global__ void __launch_bounds__(kThreads)
    squaresVector(const float* grad, bool aligned, double* partial, int64_t P) {
  DYNAMIC_SHARED(memory);
  const int64_t begin = blockIdx.x * kChunk, end = begin + kChunk < P ? begin + kChunk : P;
  double sum = 0;
  const auto add = [&](float value) { sum += static_cast<double>(value) * value; };
  for (int64_t i = begin + 4 * threadIdx.x; i < end; i += 4 * kThreads) {
    if (aligned && i + 4 <= end) {
      const float4 g = *reinterpret_cast<const float4*>(grad + i);
      add(g.x), add(g.y), add(g.z), add(g.w);
    } else {
      for (int64_t j = i; j < i + 4 && j < end; ++j) add(grad[j]);
    }
  }
  sum = blockSum64(sum, reinterpret_cast<double*>(memory));
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads) rootTwin(const double* partial, View norm, int64_t count) {
  DYNAMIC_SHARED(memory);
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += partial[i];
  sum = blockSum64(sum, reinterpret_cast<double*>(memory));
  if (threadIdx.x == 0) norm.set(0, static_cast<float>(sqrt(sum)));
}

struct Coefficients {
  double gradScale, maxNorm;
  float beta1, rest1, beta2, rest2, stepSize, rootCorrection2, eps, decay;
};

// The factor of the gradient; false where nothing may change: the norm is not finite, or an op before went
// wrong.
__device__ __forceinline__ bool scaleOf(const Coefficients& c, float norm, const frame::Fault* fault,
                                        float* scale) {
  const double size = static_cast<double>(norm) * c.gradScale;
  if (size - size != 0 || fault->op >= 0) return false;
  double factor = c.gradScale;
  if (c.maxNorm > 0 && c.maxNorm < size + 1e-6) factor *= c.maxNorm / (size + 1e-6);
  *scale = static_cast<float>(factor);
  return true;
}

__device__ __forceinline__ void update(const Coefficients& c, float scale, float grad, float* param, float* m,
                                       float* v) {
  const float g = grad * scale;
  *m = c.beta1 * *m + c.rest1 * g;
  *v = c.beta2 * *v + c.rest2 * g * g;
  *param = *m / (sqrtf(*v) * c.rootCorrection2 + c.eps) * c.stepSize + *param * c.decay;
}

// The twin: a parameter a thread.
__global__ void __launch_bounds__(kThreads)
    adamWTwin(float* param, const float* grad, float* m, float* v, const float* norm, Coefficients c,
              const frame::Fault* fault, int64_t P) {
  float scale;
  if (!scaleOf(c, *norm, fault, &scale)) return;
  for (int64_t i = firstElement(); i < P; i += elementStride())
    update(c, scale, grad[i], param + i, m + i, v + i);
}

// The fast kernel: four parameters a thread, whose sixteen bytes lie next to those of the next thread; 28
// bytes a parameter cross the bus, each once. What is left at the end is the twin's way.
__global__ void __launch_bounds__(kThreads)
    adamWVector(float* param, const float* grad, float* m, float* v, const float* norm, Coefficients c,
                const frame::Fault* fault, int64_t P) {
  float scale;
  if (!scaleOf(c, *norm, fault, &scale)) return;
  const int64_t vectors = P / 4;
  for (int64_t i = firstElement(); i < vectors; i += elementStride()) {
    const float4 g = reinterpret_cast<const float4*>(grad)[i];
    float4 p = reinterpret_cast<float4*>(param)[i], first = reinterpret_cast<float4*>(m)[i],
           second = reinterpret_cast<float4*>(v)[i];
    update(c, scale, g.x, &p.x, &first.x, &second.x);
    update(c, scale, g.y, &p.y, &first.y, &second.y);
    update(c, scale, g.z, &p.z, &first.z, &second.z);
    update(c, scale, g.w, &p.w, &first.w, &second.w);
    reinterpret_cast<float4*>(param)[i] = p;
    reinterpret_cast<float4*>(m)[i] = first;
    reinterpret_cast<float4*>(v)[i] = second;
  }
  const int64_t rest = vectors * 4 + firstElement();
  if (rest < P) update(c, scale, grad[rest], param + rest, m + rest, v + rest);
}

int64_t gradNormWorkspace(const GradNorm& args, Machine) {
  return chunks(args.grad.elements()) * static_cast<int64_t>(sizeof(double));
}

bool isFast(const GradNorm& args) {
  return args.grad.dtype == DType::F32;
}

void gradNorm(const GradNorm& args, Context& context) {
  const int64_t P = args.grad.elements(), count = chunks(P);
  auto* partial = reinterpret_cast<double*>(context.workspace);
  if (count > 0) {
    const auto start = [&](auto kernel, auto... operands) {
      context.require(launch(kernel, dim3(static_cast<unsigned>(count)), dim3(kThreads),
                             kThreads * sizeof(double), context.stream, operands..., partial, P));
    };
    if (isFast(args))
      start(squaresVector, args.grad.as<const float>(), areAligned({&args.grad}));
    else
      start(squaresTwin, view(args.grad));
  }
  context.require(launch(rootTwin, dim3(1), dim3(kThreads), kThreads * sizeof(double), context.stream,
                         static_cast<const double*>(partial), view(args.norm), count));
}

bool isFast(const AdamW& args) {
  return areAligned({&args.param, &args.grad, &args.m, &args.v});
}

void adamW(const AdamW& args, Context& context) {
  const double step = static_cast<double>(args.step);
  const double correction1 = 1 - std::pow(args.beta1, step), correction2 = 1 - std::pow(args.beta2, step);
  const auto single = [](double value) { return static_cast<float>(value); };
  const Coefficients coefficients{args.gradScale,
                                  args.maxNorm,
                                  single(args.beta1),
                                  single(1 - args.beta1),
                                  single(args.beta2),
                                  single(1 - args.beta2),
                                  single(-args.lr / correction1),
                                  single(1 / std::sqrt(correction2)),
                                  single(args.eps),
                                  single(1 - args.lr * args.weightDecay)};
  const int64_t P = args.param.elements();
  const bool fast = isFast(args);
  context.require(launch(fast ? adamWVector : adamWTwin,
                         blocksFor(fast ? P / 4 : P, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, args.param.as<float>(), args.grad.as<const float>(),
                         args.m.as<float>(), args.v.as<float>(), args.norm.as<const float>(), coefficients,
                         static_cast<const frame::Fault*>(context.fault), P));
}

std::string adamWUnsupported(const AdamW& args) {
  return args.step < 1 ? "step counts from 1, but is " + std::to_string(args.step) : "";
}

}  // namespace

void registerOptimizer(KernelTable& table) {
  table.set<GradNorm, gradNorm>(kVectorPath);
  table.setPathOf<GradNorm, vectorPath<GradNorm, isFast>>();
  table.setWorkspace<GradNorm, gradNormWorkspace>();
  table.set<AdamW, adamW>(kVectorPath);
  table.setPathOf<AdamW, vectorPath<AdamW, isFast>>();
  table.setUnsupported<AdamW, adamWUnsupported>();
}

}  // namespace ibert::cuda

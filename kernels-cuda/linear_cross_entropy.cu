// linearCrossEntropy: logprob[t] = (x W^T)[t][target] - logsumexp((x W^T)[t]), loss = -tokenWeight * logprob,
// and the gradient of gradScale * loss with respect to x. Rows go in chunks, so that the logits are never
// whole in memory.
#include "operand.h"
#include "register.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int64_t kLogitBytes = int64_t{64} << 20;

struct Operands {
  View x, weight;
  const int32_t* targets;
  View tokenWeight, loss, logprob, dx;
  float* logits;  // (rows of a chunk, V)
  int64_t D, V;
  float gradScale;

  __device__ float weightOf(int64_t t) const { return tokenWeight ? tokenWeight.at(t) : 1.0f; }
  // -1 where the logits of row t are not asked for.
  __device__ int64_t targetOf(int64_t t) const {
    const int64_t target = inside(targets[t], 0, V, -1);
    return weightOf(t) != 0 || logprob ? target : -1;
  }
};

// The twin of x W^T: a logit a thread, of `rows` rows from `first` on.
__global__ void __launch_bounds__(kThreads) logitsTwin(Operands o, int64_t first, int64_t rows) {
  for (int64_t i = firstElement(); i < rows * o.V; i += elementStride()) {
    const int64_t t = first + i / o.V, v = i % o.V;
    if (o.targetOf(t) < 0) continue;
    float sum = 0;
    for (int64_t k = 0; k < o.D; ++k) sum += o.x.at(t * o.D + k) * o.weight.at(v * o.D + k);
    o.logits[i] = sum;
  }
}

// The highest over the threads of a block, for all of them; ends with a barrier.
__device__ __forceinline__ float blockHighest(float value, float* partial) {
  partial[threadIdx.x] = value;
  __syncthreads();
  float highest = -INFINITY;
  for (int i = 0; i < kThreads; ++i) highest = fmaxf(highest, partial[i]);
  __syncthreads();
  return highest;
}

// The twin of the loss: a row a block. Leaves gradScale * tokenWeight * (softmax - onehot) in the row of
// logits.
__global__ void __launch_bounds__(kThreads) lossTwin(Operands o, int64_t first) {
  DYNAMIC_SHARED(memory);
  auto* partial = reinterpret_cast<float*>(memory);
  const int64_t t = first + blockIdx.x, target = o.targetOf(t);
  float* logits = o.logits + blockIdx.x * o.V;
  if (target < 0) {
    if (threadIdx.x == 0) {
      o.loss.set(t, 0);
      if (o.logprob) o.logprob.set(t, 0);
    }
    return;
  }
  float own = -INFINITY;
  for (int64_t v = threadIdx.x; v < o.V; v += kThreads) own = fmaxf(own, logits[v]);
  const float highest = blockHighest(own, partial);
  float sum = 0;
  for (int64_t v = threadIdx.x; v < o.V; v += kThreads) sum += expf(logits[v] - highest);
  const float total = blockSum(sum, partial), below = logits[target] - highest, logprob = below - logf(total);
  const float tokenWeight = o.weightOf(t), scale = o.gradScale * tokenWeight;
  if (threadIdx.x == 0) {
    o.loss.set(t, tokenWeight == 0 ? 0.0f : -tokenWeight * logprob);
    if (o.logprob) o.logprob.set(t, logprob);
  }
  __syncthreads();  // all have read the target's logit
  for (int64_t v = threadIdx.x; v < o.V; v += kThreads) {
    const float p = expf(logits[v] - highest) / total;
    logits[v] = scale == 0 ? 0.0f : scale * (v == target ? p - 1 : p);
  }
}

// The twin of dx: an element a thread.
__global__ void __launch_bounds__(kThreads) gradientTwin(Operands o, int64_t first, int64_t rows) {
  for (int64_t i = firstElement(); i < rows * o.D; i += elementStride()) {
    const int64_t t = first + i / o.D, k = i % o.D;
    const float* gradient = o.logits + i / o.D * o.V;
    float sum = 0;
    if (o.targetOf(t) >= 0 && o.weightOf(t) != 0) {
      for (int64_t v = 0; v < o.V; ++v) sum += gradient[v] * o.weight.at(v * o.D + k);
    }
    o.dx.set(t * o.D + k, sum);
  }
}

int64_t rowsOfChunk(const LinearCrossEntropy& args) {
  const int64_t T = args.x.shape[0], rows = kLogitBytes / (args.weight.shape[0] * 4);
  return T < rows ? T : rows < 1 ? 1 : rows;
}

int64_t workspace(const LinearCrossEntropy& args, Machine) {
  return rowsOfChunk(args) * args.weight.shape[0] * static_cast<int64_t>(sizeof(float));
}

void run(const LinearCrossEntropy& args, Context& context) {
  const int64_t T = args.x.shape[0], chunk = rowsOfChunk(args);
  const Operands operands{view(args.x),
                          view(args.weight),
                          args.targets.as<const int32_t>(),
                          view(args.tokenWeight),
                          view(args.loss),
                          view(args.logprob),
                          view(args.dx),
                          reinterpret_cast<float*>(context.workspace),
                          args.x.shape[1],
                          args.weight.shape[0],
                          static_cast<float>(args.gradScale)};
  for (int64_t first = 0; first < T; first += chunk) {
    const int64_t rows = T - first < chunk ? T - first : chunk;
    context.require(launch(logitsTwin, blocksFor(rows * operands.V, kThreads, context.machine),
                           dim3(kThreads), 0, context.stream, operands, first, rows));
    context.require(launch(lossTwin, dim3(static_cast<unsigned>(rows)), dim3(kThreads),
                           kThreads * sizeof(float), context.stream, operands, first));
    if (!args.dx) continue;
    context.require(launch(gradientTwin, blocksFor(rows * operands.D, kThreads, context.machine),
                           dim3(kThreads), 0, context.stream, operands, first, rows));
  }
}

}  // namespace

void registerLinearCrossEntropy(KernelTable& table) {
  table.set<LinearCrossEntropy, run>(kTwin);
  table.setWorkspace<LinearCrossEntropy, workspace>();
}

}  // namespace ibert::cuda

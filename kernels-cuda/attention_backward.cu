// attentionBackward: with p = exp(scale q k - lse), dp = dy . v and delta = dy . y, ds = scale p (dp -
// delta); dq = sum ds k, dk = sum ds q, dv = sum p dy. Two kernels, one that sums over keys and one over
// queries, each in a fixed order: no atomics.
#include "attention_backward_mma.h"
#include "register.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 64;

struct Operands {
  View dy, qkv, y, lse;
  const int32_t* offsets;
  View dqkv;
  const float* delta;  // (T, heads)
  Heads at;
  int64_t T, S;
  float scale;
};

// delta: an element a thread.
__global__ void __launch_bounds__(kThreads)
    deltaTwin(View dy, View y, float* delta, int64_t count, int64_t D) {
  for (int64_t i = firstElement(); i < count; i += elementStride()) delta[i] = dot(dy, i * D, y, i * D, D);
}

// p and ds of query t of a head and key j.
struct Weights {
  float p, ds;
};
__device__ __forceinline__ Weights weightsOf(const Operands& o, int64_t t, int64_t j, int64_t head,
                                             int64_t kvHead) {
  const int64_t columns = o.at.columns(), row = t * o.at.heads + head;
  const float score =
      o.scale * dot(o.qkv, t * columns + o.at.q(head), o.qkv, j * columns + o.at.k(kvHead), o.at.D);
  const float p = expf(score - o.lse.value(row));
  const float dp = dot(o.dy, row * o.at.D, o.qkv, j * columns + o.at.v(kvHead), o.at.D);
  return {p, o.scale * p * (dp - o.delta[row])};
}

// The twin of dq: a block for each token and head; for some keys at a time the threads compute their ds and
// share out the columns.
__global__ void __launch_bounds__(kThreads) queryTwin(Operands o) {
  DYNAMIC_SHARED(memory);
  auto* ds = reinterpret_cast<float*>(memory);
  const Heads& at = o.at;
  const int64_t t = blockIdx.x / at.heads, head = blockIdx.x % at.heads, kvHead = head / at.group();
  const int64_t begin = sequenceOf(o.offsets, o.S, t, o.T).begin, columns = at.columns();
  for (int64_t first = 0; first < at.D; first += kThreads) {
    const int64_t column = first + threadIdx.x;
    float sum = 0;
    for (int64_t j = begin; j <= t; j += kThreads) {
      const int64_t own = j + threadIdx.x, count = t - j < kThreads ? t - j + 1 : kThreads;
      if (own <= t) ds[threadIdx.x] = weightsOf(o, t, own, head, kvHead).ds;
      __syncthreads();
      for (int64_t i = 0; i < count && column < at.D; ++i)
        sum += ds[i] * o.qkv.value((j + i) * columns + at.k(kvHead) + column);
      __syncthreads();
    }
    if (column < at.D) o.dqkv.set(t * columns + at.q(head) + column, sum);
  }
}

// The twin of dk and dv: a block for each token and key-value head, over the queries of its group's heads
// that see it.
__global__ void __launch_bounds__(kThreads) keyTwin(Operands o) {
  DYNAMIC_SHARED(memory);
  auto* weights = reinterpret_cast<Weights*>(memory);
  const Heads& at = o.at;
  const int64_t j = blockIdx.x / at.kvHeads, kvHead = blockIdx.x % at.kvHeads;
  const int64_t end = sequenceOf(o.offsets, o.S, j, o.T).end, columns = at.columns();
  for (int64_t first = 0; first < at.D; first += kThreads) {
    const int64_t column = first + threadIdx.x;
    float dk = 0, dv = 0;
    for (int64_t head = kvHead * at.group(); head < (kvHead + 1) * at.group(); ++head) {
      for (int64_t t = j; t < end; t += kThreads) {
        const int64_t own = t + threadIdx.x, count = end - t < kThreads ? end - t : kThreads;
        if (own < end) weights[threadIdx.x] = weightsOf(o, own, j, head, kvHead);
        __syncthreads();
        for (int64_t i = 0; i < count && column < at.D; ++i) {
          dk += weights[i].ds * o.qkv.value((t + i) * columns + at.q(head) + column);
          dv += weights[i].p * o.dy.value(((t + i) * at.heads + head) * at.D + column);
        }
        __syncthreads();
      }
    }
    if (column < at.D) {
      o.dqkv.set(j * columns + at.k(kvHead) + column, dk);
      o.dqkv.set(j * columns + at.v(kvHead) + column, dv);
    }
  }
}

int64_t workspace(const AttentionBackward& args, Machine) {
  return isMma(args) ? mmaWorkspace(args)
                     : args.qkv.shape[0] * args.heads * static_cast<int64_t>(sizeof(float));
}

void run(const AttentionBackward& args, Context& context) {
  const int64_t T = args.qkv.shape[0], queries = T * args.heads, keys = T * args.kvHeads;
  if (T == 0) return;
  if (isMma(args)) return runMma(args, context);
  auto* delta = reinterpret_cast<float*>(context.workspace);
  context.require(launch(deltaTwin, blocksFor(queries, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, view(args.dy), view(args.y), delta, queries, args.headDim));
  const Operands operands{view(args.dy),
                          view(args.qkv),
                          view(args.y),
                          view(args.lse),
                          args.offsets.as<const int32_t>(),
                          view(args.dqkv),
                          delta,
                          {args.heads, args.kvHeads, args.headDim},
                          T,
                          args.offsets.shape[0],
                          static_cast<float>(args.scale)};
  context.require(launch(queryTwin, dim3(static_cast<unsigned>(queries)), dim3(kThreads),
                         kThreads * sizeof(float), context.stream, operands));
  context.require(launch(keyTwin, dim3(static_cast<unsigned>(keys)), dim3(kThreads),
                         kThreads * sizeof(Weights), context.stream, operands));
}

const char* pathOf(const AttentionBackward& args) {
  return isMma(args) ? kMmaPath : kTwin;
}

}  // namespace

void registerAttentionBackward(KernelTable& table) {
  table.set<AttentionBackward, run>(kMmaPath);
  table.setPathOf<AttentionBackward, pathOf>();
  table.setWorkspace<AttentionBackward, workspace>();
}

}  // namespace ibert::cuda

// attentionForward: causal grouped-query attention within packed sequences, and the log-sum-exp of the scaled
// scores that the backward pass reads. (Dao et al. 2022)
#include "attention.h"
#include "register.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 64;

// The twin: a block for each token and head. First the threads share out the keys for the softmax, then, for
// some keys at a time, they compute their weights and share out the columns of y. qkv: (T, (heads + 2
// kvHeads) D), offsets: (S), y: (T, heads D), lse: (T, heads)
__global__ void __launch_bounds__(kThreads) forwardTwin(View qkv, const int32_t* offsets, View y, View lse,
                                                        Heads at, int64_t T, int64_t S, float scale) {
  DYNAMIC_SHARED(memory);
  auto* parts = reinterpret_cast<Softmax*>(memory);
  auto* weights = reinterpret_cast<float*>(parts + kThreads);
  const int64_t t = blockIdx.x / at.heads, head = blockIdx.x % at.heads, kvHead = head / at.group();
  const int64_t begin = sequenceOf(offsets, S, t, T).begin, columns = at.columns();
  const auto score = [&](int64_t j) {
    return scale * dot(qkv, t * columns + at.q(head), qkv, j * columns + at.k(kvHead), at.D);
  };

  Softmax own{-INFINITY, 0};
  for (int64_t j = begin + threadIdx.x; j <= t; j += kThreads) add(own, {score(j), 1});
  const Softmax all = blockSoftmax(own, parts);
  const float total = all.highest + logf(all.sum);
  if (threadIdx.x == 0) lse.set(blockIdx.x, total);

  for (int64_t first = 0; first < at.D; first += kThreads) {
    const int64_t column = first + threadIdx.x;
    float sum = 0;
    for (int64_t j = begin; j <= t; j += kThreads) {
      const int64_t own = j + threadIdx.x, count = t - j < kThreads ? t - j + 1 : kThreads;
      if (own <= t) weights[threadIdx.x] = expf(score(own) - total);
      __syncthreads();
      for (int64_t i = 0; i < count && column < at.D; ++i)
        sum += weights[i] * qkv.at((j + i) * columns + at.v(kvHead) + column);
      __syncthreads();
    }
    if (column < at.D) y.set(blockIdx.x * at.D + column, sum);
  }
}

void run(const AttentionForward& args, Context& context) {
  const int64_t T = args.qkv.shape[0], blocks = T * args.heads;
  if (blocks == 0) return;
  context.require(launch(forwardTwin, dim3(static_cast<unsigned>(blocks)), dim3(kThreads),
                         kThreads * (sizeof(Softmax) + sizeof(float)), context.stream, view(args.qkv),
                         args.offsets.as<const int32_t>(), view(args.y), view(args.lse),
                         Heads{args.heads, args.kvHeads, args.headDim}, T, args.offsets.shape[0],
                         static_cast<float>(args.scale)));
}

}  // namespace

void registerAttentionForward(KernelTable& table) {
  table.set<AttentionForward, run>(kTwin);
}

}  // namespace ibert::cuda

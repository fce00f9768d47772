// kvCacheWrite and pagedAttention: keys and values of sequences in blocks of a paged cache. (Kwon et al.
// 2023) kCache, vCache: (B, kvHeads, W, D); slot s is place s % W of block s / W.
#include "attention.h"
#include "register.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 64;
constexpr int kCodes = 32;  // elements of a q8_0 block

struct Cache {
  int64_t B, W, kvHeads, D;

  __device__ int64_t row(int64_t block, int64_t kvHead, int64_t place) const {
    return ((block * kvHeads + kvHead) * W + place) * D;
  }
};

Cache cacheOf(const Tensor& cache) {
  return {cache.shape[0], cache.shape[2], cache.shape[1], cache.shape[3]};
}

// Writes values [at, at + 32) of a row as a block of q8_0: an f16 scale and 32 codes, as the op table defines
// them.
__device__ void writeCodes(const View& from, int64_t at, const View& cache, int64_t to) {
  float largest = 0;
  for (int i = 0; i < kCodes; ++i) {
    const float size = fabsf(from.at(at + i));
    if (!(size <= largest)) largest = size;
    if (largest != largest) break;
  }
  const __half stored = __float2half_rn(largest / 127.0f);
  const float scale = __half2float(stored);
  const bool usable = scale > 0 && scale <= 65504.0f;
  auto* block = static_cast<uint8_t*>(cache.data) + to / kCodes * 34;
  *reinterpret_cast<__half*>(block) = stored;
  for (int i = 0; i < kCodes; ++i) {
    const float code = usable ? rintf(from.at(at + i) / scale) : 0.0f;
    block[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(fminf(fmaxf(code, -127.0f), 127.0f)));
  }
}

__device__ void writeRow(const View& from, int64_t at, const View& cache, int64_t to, int64_t D) {
  if (cache.dtype == DType::Q8_0) {
    for (int64_t i = threadIdx.x * kCodes; i < D; i += kThreads * kCodes)
      writeCodes(from, at + i, cache, to + i);
  } else {
    for (int64_t i = threadIdx.x; i < D; i += kThreads) cache.set(to + i, from.at(at + i));
  }
}

// The twin: a block for each row and key-value head. Of two rows with one slot the later stays, so that a row
// writes only when none after it has its slot.
__global__ void __launch_bounds__(kThreads)
    writeTwin(View qkv, const int32_t* slots, View kCache, View vCache, Heads at, Cache cache, int64_t T) {
  const int64_t t = blockIdx.x / at.kvHeads, kvHead = blockIdx.x % at.kvHeads;
  const int64_t slot = inside(slots[t], 0, cache.B * cache.W, -1);
  bool later = false;
  for (int64_t s = t + 1 + threadIdx.x; s < T; s += kThreads) later |= slots[s] == slot;
  if (__syncthreads_or(later) || slot < 0) return;
  const int64_t to = cache.row(slot / cache.W, kvHead, slot % cache.W), row = t * at.columns();
  writeRow(qkv, row + at.k(kvHead), kCache, to, at.D);
  writeRow(qkv, row + at.v(kvHead), vCache, to, at.D);
}

struct Operands {
  View qkv, kCache, vCache;
  const int32_t *blockTable, *rowSequence, *rowPosition;
  View y;
  Heads at;
  Cache cache;
  int64_t S, M;  // of the block table
  float scale;
};

// The twin: a block for each row and head, as attentionForward's. y: (T, heads D)
__global__ void __launch_bounds__(kThreads) attendTwin(Operands o) {
  DYNAMIC_SHARED(memory);
  auto* parts = reinterpret_cast<Softmax*>(memory);
  auto* weights = reinterpret_cast<float*>(parts + kThreads);
  const Heads& at = o.at;
  const int64_t t = blockIdx.x / at.heads, head = blockIdx.x % at.heads, kvHead = head / at.group();
  const int64_t sequence = inside(o.rowSequence[t], 0, o.S, 0);
  const int64_t last = inside(o.rowPosition[t], 0, o.M * o.cache.W, -1);
  const auto rowAt = [&](int64_t position) {
    const int64_t block = inside(o.blockTable[sequence * o.M + position / o.cache.W], 0, o.cache.B, 0);
    return o.cache.row(block, kvHead, position % o.cache.W);
  };
  const auto score = [&](int64_t position) {
    return o.scale * dot(o.qkv, t * at.columns() + at.q(head), o.kCache, rowAt(position), at.D);
  };

  Softmax own{-INFINITY, 0};
  for (int64_t j = threadIdx.x; j <= last; j += kThreads) add(own, {score(j), 1});
  const Softmax all = blockSoftmax(own, parts);

  for (int64_t first = 0; first < at.D; first += kThreads) {
    const int64_t column = first + threadIdx.x;
    float sum = 0;
    for (int64_t j = 0; j <= last; j += kThreads) {
      const int64_t own = j + threadIdx.x, count = last - j < kThreads ? last - j + 1 : kThreads;
      if (own <= last) weights[threadIdx.x] = expf(score(own) - all.highest) / all.sum;
      __syncthreads();
      for (int64_t i = 0; i < count && column < at.D; ++i)
        sum += weights[i] * o.vCache.at(rowAt(j + i) + column);
      __syncthreads();
    }
    if (column < at.D) o.y.set(blockIdx.x * at.D + column, sum);
  }
}

void write(const KvCacheWrite& args, Context& context) {
  const int64_t T = args.qkv.shape[0], blocks = T * args.kvHeads;
  if (blocks == 0) return;
  context.require(launch(writeTwin, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0, context.stream,
                         view(args.qkv), args.slots.as<const int32_t>(), view(args.kCache), view(args.vCache),
                         Heads{args.heads, args.kvHeads, args.headDim}, cacheOf(args.kCache), T));
}

void attend(const PagedAttention& args, Context& context) {
  const int64_t blocks = args.qkv.shape[0] * args.heads;
  if (blocks == 0) return;
  const Operands operands{view(args.qkv),
                          view(args.kCache),
                          view(args.vCache),
                          args.blockTable.as<const int32_t>(),
                          args.rowSequence.as<const int32_t>(),
                          args.rowPosition.as<const int32_t>(),
                          view(args.y),
                          {args.heads, args.kvHeads, args.headDim},
                          cacheOf(args.kCache),
                          args.blockTable.shape[0],
                          args.blockTable.shape[1],
                          static_cast<float>(args.scale)};
  context.require(launch(attendTwin, dim3(static_cast<unsigned>(blocks)), dim3(kThreads),
                         kThreads * (sizeof(Softmax) + sizeof(float)), context.stream, operands));
}

}  // namespace

void registerPagedAttention(KernelTable& table) {
  table.set<KvCacheWrite, write>(kTwin);
  table.set<PagedAttention, attend>(kTwin);
}

}  // namespace ibert::cuda

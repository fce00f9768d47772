// pagedAttention: attention of each query row to the positions 0 to its own of its sequence, whose keys and
// values lie in blocks of a paged cache. (Kwon et al. 2023)
#include "paged_cache.h"
#include "paged_rows.h"
#include "register.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 64;

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
    const int64_t q = t * at.columns() + at.q(head), key = rowAt(position);
    float sum = 0;
    for (int64_t k = 0; k < at.D; ++k) sum += o.qkv.at(q + k) * o.kCache.at(key + k);  // that may be q8_0
    return o.scale * sum;
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

// The fast kernels, for activations of bf16, caches of bf16 or q8_0 and heads of 64 or 128. Every position is
// cut the same way whatever the other rows are: a chunk of 256 positions is shared out to four warps, a piece
// of 64 each, whose sums are added in their order; chunks are added to the row in theirs. So a row's bits
// depend on nothing but its own query and sequence, and a launch is free to choose:
//   - which rows share a block: one takes the query heads of a kv head together, and consecutive rows of one
//   sequence as
//     long as there are at most kQueries queries, so that K and V are read once for all of them. It is bound
//     by the bandwidth of the cache; mma() of sixteen queries, some of them zeros, costs a fraction of the
//     time of its operands.
//   - whether chunks are spread over blocks (flash-decoding; Dao et al. 2023), which leave theirs in the
//   workspace for
//     combine(), or follow each other in one. That is chosen by how many blocks the device needs, and with a
//     row among many the workspace stays bounded.
// A limit: where a value that a later row of the same block sees is not finite, an earlier row of that block,
// to whom it weighs 0, gets NaN too. A block that the table's width asks for and the row's position does not
// ends before it reads anything but that, and there are at most kBlocksOfSm a multiprocessor of them, which
// take several chunks each where the table is wide.
constexpr int kWarps = 4, kFastThreads = 32 * kWarps, kPositions = kWarps * kPiece;  // of a chunk
constexpr int kBlocksOfSm = 8;
constexpr int64_t kMostPartialBytes = 128 << 20;
constexpr int kPad = 4;  // floats between rows of sums in shared memory

struct Fast {
  const Bf16* qkv;
  const void *kCache, *vCache;
  const int32_t *blockTable, *rowSequence, *rowPosition;
  Bf16* y;
  float* partials;  // (T, heads, chunks, D): sums of values by exp2(score - highest)
  float2* softmax;  // (T, heads, chunks): the highest and the sum of weights
  Heads at;
  Cache cache;
  int64_t T, S, M, chunks;
  float scale;  // of scores as powers of two
  bool qAligned, cacheAligned, yAligned;
};

// Adding a chunk to those before it. No score is -inf - -inf: that would be NaN.
struct Weights {
  float before, chunk;
};
__device__ __forceinline__ float finiteBase(float highest) {
  return highest == -INFINITY ? 0.0f : highest;
}
__device__ __forceinline__ Weights weightsOf(float before, float chunk) {
  const float base = finiteBase(fmaxf(before, chunk));
  return {exp2f(before - base), exp2f(chunk - base)};
}
__device__ __forceinline__ float addChunk(float before, float chunk, Weights weights) {
  return fmaf(before, weights.before, chunk * weights.chunk);
}
__device__ __forceinline__ float inverseOf(float sum) {
  return sum == 0 ? 0.0f : 1.0f / sum;
}

__device__ __forceinline__ int64_t sequenceOfRow(const Fast& o, int64_t t) {
  return inside(o.rowSequence[t], 0, o.S, 0);
}

// A block's shared memory. `highest` and `sums` have a value a warp and query, `parts` D columns of each.
template <int D, class Rows, int kQueries>
struct Layout {
  static constexpr int kStride = D + kPad;
  static constexpr int kRows = 0, kHighest = kRows + kPositions * 4, kSums = kHighest + kWarps * kQueries * 4,
                       kLast = kSums + kWarps * kQueries * 4, kParts = kLast + kQueries * 4,
                       kRing = kParts + kWarps * kQueries * kStride * 4,
                       kBytes = kRing + kWarps * Rows::kSharedBytes;
};

// A block: the queries of rows [t, t + rows) and of one kv head, or of up to kQueries of its heads.
template <int D, class Rows, int kTiles, bool kSplit>
__global__ void __launch_bounds__(kFastThreads, kTiles == 1 ? 3 : 2) attendTile(Fast o) {
  constexpr int kQueries = 8 * kTiles;
  using At = Layout<D, Rows, kQueries>;
  DYNAMIC_SHARED(memory);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, q = lane % 4;
  auto* highestOf = reinterpret_cast<float*>(memory + At::kHighest);
  auto* sumOf = reinterpret_cast<float*>(memory + At::kSums);
  auto* lastOf = reinterpret_cast<int*>(memory + At::kLast);
  auto* parts = reinterpret_cast<float*>(memory + At::kParts);
  uint32_t* rowsOfWarp = reinterpret_cast<uint32_t*>(memory + At::kRows) + warp * kPiece;

  const int group = static_cast<int>(o.at.group()), headTiles = (group + kQueries - 1) / kQueries;
  const int64_t kvHead = blockIdx.x / headTiles % o.at.kvHeads, t = blockIdx.x / (headTiles * o.at.kvHeads);
  const int firstOfGroup = static_cast<int>(blockIdx.x % headTiles) * kQueries;
  const int heads = group - firstOfGroup < kQueries ? group - firstOfGroup : kQueries;
  const int64_t firstHead = kvHead * group + firstOfGroup;

  // The rows: up to the end of the sequence or of `most` rows from a multiple of that. Others of them than
  // the first have a block that ends here.
  const int most = headTiles == 1 ? kQueries / group : 1, place = static_cast<int>(t % most);
  const int64_t sequence = sequenceOfRow(o, t);
  if (place > 0 && sequenceOfRow(o, t - 1) == sequence) return;
  const bool same = lane < most - place && t + lane < o.T && sequenceOfRow(o, t + lane) == sequence;
  const int rows = __ffs(static_cast<int>(~__ballot_sync(~0u, same))) - 1;
  const int ownLast =
      lane < rows ? static_cast<int>(inside(o.rowPosition[t + lane], 0, o.M * o.cache.W, -1)) : -1;
  int last = ownLast;
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const int other = __shfl_xor_sync(~0u, last, lanes);
    last = other > last ? other : last;
  }

  // Query n is head n % heads of row n / heads. The lane multiplies those of g and g + 8, and adds up `own`
  // with others.
  const Bf16* queries[kTiles];
  int lasts[kTiles];
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
    const int query = 8 * n + g, row = query / heads;
    const int found = __shfl_sync(~0u, ownLast, row % 32);
    lasts[n] = row < rows ? found : -1;
    queries[n] =
        row < rows ? o.qkv + (t + row) * o.at.columns() + o.at.q(firstHead + query % heads) : nullptr;
    if (warp == 0 && q == 0) lastOf[query] = lasts[n];
  }
  constexpr int kThreadsOfQuery = kFastThreads / kQueries, kFours = D / 4 / kThreadsOfQuery;
  const int own = threadIdx.x / kThreadsOfQuery, ownColumn = threadIdx.x % kThreadsOfQuery * 4;
  const int64_t ownRow = t + own / heads, ownHead = firstHead + own % heads;
  const bool isOwn = own < rows * heads;
  float4 y[kFours];
#pragma unroll
  for (int i = 0; i < kFours; ++i) y[i] = make_float4(0, 0, 0, 0);
  Softmax all{-INFINITY, 0};

  Rows source(o.kCache, o.vCache, o.cacheAligned, memory + At::kRing + warp * Rows::kSharedBytes);
  for (int64_t chunk = blockIdx.y; chunk * kPositions <= last; chunk += gridDim.y) {
    const int first = static_cast<int>(chunk) * kPositions + warp * kPiece;
    // Where the piece's positions lie: a division each, once and not for each of the lanes that read it.
    for (int i = lane; i < kPiece; i += 32) {
      const int position = first + i;
      uint32_t row = kNoRow;
      if (position <= last) {
        const auto W = static_cast<int>(o.cache.W);
        const int64_t block = inside(o.blockTable[sequence * o.M + position / W], 0, o.cache.B, 0);
        row = static_cast<uint32_t>((block * o.cache.kvHeads + kvHead) * W + position % W);
      }
      rowsOfWarp[i] = row;
    }
    __syncwarp();
    const int left = last + 1 - first;
    const int steps = left >= kPiece ? kSteps : left <= 0 ? 0 : (left + kStep - 1) / kStep;
    source.begin(rowsOfWarp, steps);

    uint32_t qs[D / 16][4];
#pragma unroll
    for (int n = 0; n < 2; ++n)
      Rows::loadQ(qs, n, n < kTiles ? queries[n < kTiles ? n : 0] : nullptr, o.qAligned);

    float scores[kSteps][2][2 * kTiles];
    float highest[kTiles];
#pragma unroll
    for (int n = 0; n < kTiles; ++n) highest[n] = -INFINITY;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      float d[2][4] = {};
      source.scores(step, d, qs);
#pragma unroll
      for (int j = 0; j < 2; ++j) {
#pragma unroll
        for (int i = 0; i < 2 * kTiles; ++i) {
          const int position = first + step * kStep + 8 * j + 2 * q + i % 2;
          scores[step][j][i] = position <= lasts[i / 2] ? d[j][i] * o.scale : -INFINITY;
          highest[i / 2] = fmaxf(highest[i / 2], scores[step][j][i]);
        }
      }
    }
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      for (int lanes = 1; lanes < 4; lanes *= 2)
        highest[n] = fmaxf(highest[n], __shfl_xor_sync(~0u, highest[n], lanes));
      if (q == 0) highestOf[warp * kQueries + 8 * n + g] = highest[n];
    }
    __syncthreads();  // also: all have added up the sums of the chunk before
    float ownHighest = -INFINITY;
    for (int w = 0; w < kWarps; ++w) ownHighest = fmaxf(ownHighest, highestOf[w * kQueries + own]);
    const int ownLastPosition = lastOf[own];
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      for (int w = 0; w < kWarps; ++w) highest[n] = fmaxf(highest[n], highestOf[w * kQueries + 8 * n + g]);
      const float base = finiteBase(highest[n]);
      float sum = 0;
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float& score = scores[step][i / 2][2 * n + i % 2];
          score = exp2f(score - base);
          sum += score;
        }
      }
      for (int lanes = 1; lanes < 4; lanes *= 2) sum += __shfl_xor_sync(~0u, sum, lanes);
      if (q == 0) sumOf[warp * kQueries + 8 * n + g] = sum;
    }

    float acc[D / 16][kTiles][4] = {};
#pragma unroll
    for (int step = 0; step < kSteps; ++step) source.template sums<kTiles>(step, acc, scores[step]);
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      float* to = parts + (warp * kQueries + 8 * n + 2 * q) * At::kStride;
#pragma unroll
      for (int m = 0; m < D / 16; m += 2) {
        const int column = Rows::columnOf(m);
        const auto &a = acc[m][n], &b = acc[m + 1][n];
        *reinterpret_cast<float4*>(to + column) = make_float4(a[0], a[2], b[0], b[2]);
        *reinterpret_cast<float4*>(to + At::kStride + column) = make_float4(a[1], a[3], b[1], b[3]);
      }
    }
    __syncthreads();

    if (!isOwn || chunk * kPositions > ownLastPosition) continue;
    float sum = 0;
    for (int w = 0; w < kWarps; ++w) sum += sumOf[w * kQueries + own];
    const int64_t partial = (ownRow * o.at.heads + ownHead) * o.chunks + chunk;
    const Weights weights = weightsOf(all.highest, ownHighest);
#pragma unroll
    for (int i = 0; i < kFours; ++i) {
      const int column = ownColumn + i * 4 * kThreadsOfQuery;
      float4 values = make_float4(0, 0, 0, 0);
      for (int w = 0; w < kWarps; ++w) {
        const float4 part =
            *reinterpret_cast<const float4*>(parts + (w * kQueries + own) * At::kStride + column);
        values.x += part.x, values.y += part.y, values.z += part.z, values.w += part.w;
      }
      if constexpr (kSplit) {
        *reinterpret_cast<float4*>(o.partials + partial * D + column) = values;
      } else {
        y[i] = make_float4(addChunk(y[i].x, values.x, weights), addChunk(y[i].y, values.y, weights),
                           addChunk(y[i].z, values.z, weights), addChunk(y[i].w, values.w, weights));
      }
    }
    if constexpr (kSplit) {
      if (ownColumn == 0) o.softmax[partial] = make_float2(ownHighest, sum);
    } else {
      all = {fmaxf(all.highest, ownHighest), addChunk(all.sum, sum, weights)};
    }
  }

  if (kSplit || !isOwn) return;
  const float inverse = inverseOf(all.sum);
#pragma unroll
  for (int i = 0; i < kFours; ++i) {
    Bf16* to = o.y + (ownRow * o.at.heads + ownHead) * D + ownColumn + i * 4 * kThreadsOfQuery;
    const float4 values = make_float4(y[i].x * inverse, y[i].y * inverse, y[i].z * inverse, y[i].w * inverse);
    if (o.yAligned) {
      *reinterpret_cast<uint2*>(to) = make_uint2(pairOf(values.x, values.y), pairOf(values.z, values.w));
    } else {
      storeOne(to, values.x), storeOne(to + 1, values.y), storeOne(to + 2, values.z),
          storeOne(to + 3, values.w);
    }
  }
}

// Adds the chunks of a row and head, as the loop of attendTile does: a block each, a thread for each column.
// Weights come from the highest scores, which a warp finds for kRound chunks at once, while the values of all
// of these are on their way; only the additions follow each other.
template <int D>
__global__ void __launch_bounds__(D) combine(Fast o) {
  constexpr int kRound = 32;
  DYNAMIC_SHARED(memory);
  auto* weights = reinterpret_cast<Weights*>(memory);
  auto* sums = reinterpret_cast<float*>(weights + kRound);
  auto* highestSoFar = sums + kRound;
  const int64_t t = blockIdx.x / o.at.heads, last = inside(o.rowPosition[t], 0, o.M * o.cache.W, -1);
  const int64_t chunks = last < 0 ? 0 : last / kPositions + 1, partial = blockIdx.x * o.chunks;
  float y = 0, sum = 0, before = -INFINITY;
  for (int64_t first = 0; first < chunks; first += kRound) {
    const int count = static_cast<int>(chunks - first < kRound ? chunks - first : kRound);
    float values[kRound];
#pragma unroll
    for (int i = 0; i < kRound; ++i)
      values[i] = i < count ? o.partials[(partial + first + i) * D + threadIdx.x] : 0.0f;
    if (threadIdx.x < 32) {
      const int lane = threadIdx.x;
      const float2 own = lane < count ? o.softmax[partial + first + lane] : make_float2(-INFINITY, 0);
      float highest = fmaxf(before, own.x);
      for (int lanes = 1; lanes < 32; lanes *= 2) {
        const float other = __shfl_up_sync(~0u, highest, lanes);
        if (lane >= lanes) highest = fmaxf(highest, other);
      }
      const float left = __shfl_up_sync(~0u, highest, 1);
      weights[lane] = weightsOf(lane == 0 ? before : left, own.x);
      sums[lane] = own.y;
      if (lane == 31) *highestSoFar = highest;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kRound; ++i) {
      if (i >= count) continue;
      y = addChunk(y, values[i], weights[i]);
      sum = addChunk(sum, sums[i], weights[i]);
    }
    before = *highestSoFar;
    __syncthreads();
  }
  storeOne(o.y + int64_t{blockIdx.x} * D + threadIdx.x, y * inverseOf(sum));
}

// By dtypes and head dims alone.
bool isFast(const PagedAttention& args) {
  const DType cache = args.kCache.dtype;
  return args.qkv.dtype == DType::BF16 && args.y.dtype == DType::BF16 && cache == args.vCache.dtype &&
         (cache == DType::BF16 || cache == DType::Q8_0) && (args.headDim == 64 || args.headDim == 128);
}
const char* attendPath(const PagedAttention& args) {
  return isFast(args) ? kMmaPath : kTwin;
}

// Eight queries a block where rows seem to be of a sequence each, so that more blocks fit on an SM, else
// sixteen.
int tilesOf(const PagedAttention& args) {
  const bool oneEach = args.qkv.shape[0] <= args.blockTable.shape[0];
  return oneEach && args.heads / args.kvHeads <= 8 ? 1 : 2;
}
int64_t chunksOf(const PagedAttention& args) {
  return ceilDivide(args.blockTable.shape[1] * args.kCache.shape[2], kPositions);
}
int64_t blocksOf(const PagedAttention& args) {
  return args.qkv.shape[0] * args.kvHeads * ceilDivide(args.heads / args.kvHeads, 8 * tilesOf(args));
}
// Of the chunks' sums, or 0 where one block takes all chunks of its rows.
int64_t workspaceOf(const PagedAttention& args, Machine machine) {
  const int64_t chunks = chunksOf(args);
  if (!isFast(args) || chunks <= 1 || blocksOf(args) >= 4 * machine.multiprocessors) return 0;
  const int64_t bytes = args.qkv.shape[0] * args.heads * chunks * (args.headDim + 2) * int64_t{sizeof(float)};
  return bytes <= kMostPartialBytes ? bytes : 0;
}

template <int D, class Rows, int kTiles, bool kSplit>
void launchTile(const Fast& operands, dim3 grid, const Context& context) {
  context.require(launch(attendTile<D, Rows, kTiles, kSplit>, grid, dim3(kFastThreads),
                         Layout<D, Rows, 8 * kTiles>::kBytes, context.stream, operands));
}

template <int D, class Rows>
void launchFast(const PagedAttention& args, const Fast& operands, const Context& context) {
  const int64_t blocks = blocksOf(args);
  const bool split = operands.partials != nullptr;
  const int64_t most = ceilDivide(int64_t{kBlocksOfSm} * context.machine.multiprocessors, blocks);
  const dim3 grid(static_cast<unsigned>(blocks),
                  static_cast<unsigned>(!split                   ? 1
                                        : operands.chunks < most ? operands.chunks
                                                                 : most));
  if (tilesOf(args) == 1)
    split ? launchTile<D, Rows, 1, true>(operands, grid, context)
          : launchTile<D, Rows, 1, false>(operands, grid, context);
  else
    split ? launchTile<D, Rows, 2, true>(operands, grid, context)
          : launchTile<D, Rows, 2, false>(operands, grid, context);
  if (!split) return;
  context.require(launch(combine<D>, dim3(static_cast<unsigned>(operands.T * operands.at.heads)), dim3(D),
                         32 * (sizeof(Weights) + sizeof(float)) + sizeof(float), context.stream, operands));
}

template <int D>
void launchFast(const PagedAttention& args, const Fast& operands, const Context& context) {
  if (args.kCache.dtype == DType::Q8_0) return launchFast<D, CodeRows<D>>(args, operands, context);
  launchFast<D, Bf16Rows<D>>(args, operands, context);
}

void attendFast(const PagedAttention& args, const Context& context) {
  const int64_t T = args.qkv.shape[0], chunks = chunksOf(args);
  const bool split = workspaceOf(args, context.machine) > 0;
  auto* partials = split ? reinterpret_cast<float*>(context.workspace) : nullptr;
  constexpr float kLog2e = 1.4426950408889634f;
  const Fast operands{
      args.qkv.as<const Bf16>(),
      args.kCache.data,
      args.vCache.data,
      args.blockTable.as<const int32_t>(),
      args.rowSequence.as<const int32_t>(),
      args.rowPosition.as<const int32_t>(),
      args.y.as<Bf16>(),
      partials,
      split ? reinterpret_cast<float2*>(partials + T * args.heads * chunks * args.headDim) : nullptr,
      {args.heads, args.kvHeads, args.headDim},
      cacheOf(args.kCache),
      T,
      args.blockTable.shape[0],
      args.blockTable.shape[1],
      chunks,
      static_cast<float>(args.scale) * kLog2e,
      areAligned({&args.qkv}),
      areAligned({&args.kCache, &args.vCache}),
      areAligned({&args.y})};
  if (args.headDim == 64) return launchFast<64>(args, operands, context);
  launchFast<128>(args, operands, context);
}

void attend(const PagedAttention& args, Context& context) {
  const int64_t blocks = args.qkv.shape[0] * args.heads;
  if (blocks == 0) return;
  if (isFast(args)) return attendFast(args, context);
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
  table.set<PagedAttention, attend>(kMmaPath);
  table.setWorkspace<PagedAttention, workspaceOf>();
  table.setPathOf<PagedAttention, attendPath>();
}

}  // namespace ibert::cuda

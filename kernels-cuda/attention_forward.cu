// attentionForward: causal grouped-query attention within packed sequences, and the log-sum-exp of the scaled
// scores that the backward pass reads. (Dao et al. 2022)
#include <cmath>

#include "attention.h"
#include "register.h"
#include "tile.h"

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
        sum += weights[i] * qkv.value((j + i) * columns + at.v(kvHead) + column);
      __syncthreads();
    }
    if (column < at.D) y.set(blockIdx.x * at.D + column, sum);
  }
}

void twin(const AttentionForward& args, const Context& context) {
  const int64_t T = args.qkv.shape[0], blocks = T * args.heads;
  context.require(launch(forwardTwin, dim3(static_cast<unsigned>(blocks)), dim3(kThreads),
                         kThreads * (sizeof(Softmax) + sizeof(float)), context.stream, view(args.qkv),
                         args.offsets.as<const int32_t>(), view(args.y), view(args.lse),
                         Heads{args.heads, args.kvHeads, args.headDim}, T, args.offsets.shape[0],
                         static_cast<float>(args.scale)));
}

// The fast kernel, for bf16 and heads of 64 or 128 elements: both products on tensor cores, and no score ever
// in memory. (Dao 2023)
//
// A block has 128 rows of queries of one sequence and one kv head, and goes over the keys that any of them
// sees, 64 at a time. A row is a token and a query head of the kv head's group, heads fastest, so that a
// group shares the tiles of k and v, and short sequences fill a block. What makes it fast:
// - 32 rows a warp: each fragment of k or v that a warp reads from shared memory serves two rows of mma,
//   which with 16 rows a warp would wait for shared memory on an H100.
// - The probabilities of a warp are the operand a of the second product in the registers that they were
//   computed in.
// - k and v tiles come through a ring of three places, two tiles ahead of their use. Three fit an sm_80 with
//   two blocks a multiprocessor, of which one multiplies while the other one exponentiates.
// - Accumulators are only rescaled where a row's maximum rose, only tiles on the diagonal are masked, and a
//   warp skips those of which it sees nothing.
// - The tiles of most keys begin first, those of all sequences together, so that the last blocks are short.
//
// The bits of a row depend on its own query and the keys that it sees: tiles of keys begin with the sequence,
// whatever rows are computed beside it.
constexpr int kRows = 128, kKeys = 64, kSlots = 3, kMmaThreads = 128, kWarpRows = 32;
constexpr float kLog2E = 1.44269504088896341f;

// A block's rows: (token, head of the group) [index * kRows, (index + 1) * kRows) of the sequence [begin,
// end).
struct QueryTile {
  int begin, end, index, unused;
};

// At most: each sequence that is not empty may have one that is not full.
int64_t mostTiles(const AttentionForward& args) {
  const int64_t T = args.qkv.shape[0], sequences = args.offsets.shape[0] - 1;
  const int64_t partial = sequences < 1 ? 1 : sequences < T ? sequences : T;
  return T * (args.heads / args.kvHeads) / kRows + partial;
}

// Calls body(begin, end) for each sequence. Whatever offsets hold, 0 <= begin <= end <= T, and none overlap.
template <class Body>
__device__ __forceinline__ void forSequences(const int32_t* offsets, int64_t S, int64_t T, const Body& body) {
  const auto clamped = [&](int64_t s, int64_t least) {
    const int64_t at = offsets[s];
    return at < least ? least : at < T ? at : T;
  };
  int64_t begin = S > 0 ? clamped(0, 0) : 0;
  for (int64_t s = 1; s < S; ++s) {
    const int64_t end = clamped(s, begin);
    body(begin, end);
    begin = end;
  }
}

// The list of tiles, those of higher index first; what is left of it are tiles of nothing. A thread finds the
// sequence of one tile, and counts how many come before it.
__global__ void __launch_bounds__(kMmaThreads)
    listTiles(const int32_t* offsets, int64_t S, int64_t T, int64_t group, QueryTile* tiles, int64_t most) {
  const int64_t own = firstElement();
  if (own >= most) return;
  QueryTile tile{0, 0, 0, 0};
  int64_t count = 0;
  forSequences(offsets, S, T, [&](int64_t begin, int64_t end) {
    const int64_t n = ceilDivide((end - begin) * group, kRows);
    if (own >= count && own < count + n)
      tile = {static_cast<int>(begin), static_cast<int>(end), static_cast<int>(own - count), 0};
    count += n;
  });
  int64_t place = own;
  if (own < count) {
    place = 0;
    forSequences(offsets, S, T, [&](int64_t begin, int64_t end) {
      const int64_t n = ceilDivide((end - begin) * group, kRows), after = n - (tile.index + 1);
      if (after > 0) place += after;
      if (begin < tile.begin && after >= 0) ++place;
    });
  }
  tiles[place] = tile;
}

// Brings a tile of kKeys keys or values: row r from r * stride after `data`, zeros from row `rows` on.
// `legal`: any address of global memory.
template <int D, bool kAligned>
__device__ __forceinline__ void bringKeys(char* memory, int offset, const Bf16* data, int stride, int rows,
                                          const void* legal) {
  if constexpr (kAligned) {
    // Each thread copies the same chunk of every few rows: bringTile() with fewer operations.
    constexpr int kChunks = D / kChunk, kEach = kMmaThreads / kChunks;
    static_assert(kEach % 8 == 0, "or the chunk's place changes from row to row");
    const int row = threadIdx.x / kChunks, chunk = threadIdx.x % kChunks;
    const uint32_t to = chunkOf<D>(sharedAddress(memory) + offset, row, chunk);
    uint32_t step = static_cast<uint32_t>(kEach * stride), own = row * static_cast<uint32_t>(stride);
    hide(step);
    hide(own);
    const Bf16* from = data + own + chunk * kChunk;
    if (rows >= kKeys) {
#pragma unroll
      for (int i = 0; i < kKeys / kEach; ++i) copyAsync<16>(to + i * kEach * D * 2, from + i * step);
    } else {
#pragma unroll
      for (int i = 0; i < kKeys / kEach; ++i) {
        const bool there = row + i * kEach < rows;
        copyAsync<16>(to + i * kEach * D * 2, there ? from + i * step : legal, there ? 16 : 0);
      }
    }
  } else {
    // One chunk at a time, for want of registers.
    const Matrix from{data, stride, rows, D, false};
#pragma unroll 1
    for (int i = threadIdx.x; i < kKeys * (D / kChunk); i += kMmaThreads) {
      const int row = i / (D / kChunk), chunk = i % (D / kChunk);
      bringChunk<D>(memory, offset, row, chunk, from, row, chunk * kChunk);
    }
  }
}

// The address of what lies `chunks` chunks right of, and `rows` rows below, what lies at `from` in a tile:
// chunkOf() with one operation, where `chunks` is even and `rows` a multiple of 8, both constants, and the
// chunk at `from` is the first or second of its row. (Computed by chunkOf(), each step's would be kept in a
// register.)
template <int D>
__device__ __forceinline__ uint32_t further(uint32_t from, int chunks, int rows) {
  return (from ^ (chunks % 8 << 4)) + (chunks / 8 * 128 + rows * D * 2);
}

// Queries, the ring, and where rows are: with D = 128, two blocks of an sm_80 fit 164 KB.
template <int D>
constexpr size_t kSharedBytes = (kRows + kSlots * kKeys) * D * 2 + kRows * sizeof(int2);

// qkv: (T, (heads + 2 kvHeads) D), y: (T, heads D), lse: (T, heads); scale > 0
template <int D, class Y, bool kAligned>
__global__ void __launch_bounds__(kMmaThreads, 2)
    forwardMma(const Bf16* qkv, Y* y, float* lse, const QueryTile* tiles, int64_t T, Heads at, float scale,
               bool yAligned) {
  // Of 128 elements they would not fit beside the accumulators, and are read again for each tile of keys.
  constexpr bool kKeepQueries = D == 64;
  constexpr int kQueries = kRows * D * 2, kTile = kKeys * D * 2;  // bytes; behind the queries lies the ring
  DYNAMIC_SHARED(memory);
  // Of each row, its token's place in the sequence, and its own in (T, heads): 32 bits, as qkv would have 256
  // GB.
  auto* places = reinterpret_cast<uint2*>(memory + kSharedBytes<D>) - kRows;
  const QueryTile tile = tiles[blockIdx.x / at.kvHeads];
  if (tile.begin == tile.end) return;
  const int stride = static_cast<int>(at.columns()), toValues = static_cast<int>(at.kvHeads) * D;
  const Bf16* source;  // of the keys
  int rows, keys;
  {
    const int64_t kvHead = blockIdx.x % at.kvHeads, group = at.group();
    const int64_t firstRow = static_cast<int64_t>(tile.index) * kRows, row = firstRow + threadIdx.x;
    const int64_t left = (tile.end - tile.begin) * group - firstRow;
    rows = left < kRows ? static_cast<int>(left) : kRows;
    places[threadIdx.x] = make_uint2(
        static_cast<unsigned>(row / group),
        static_cast<unsigned>((tile.begin + row / group) * at.heads + kvHead * group + row % group));
    __syncthreads();
    keys = static_cast<int>(places[rows - 1].x) + 1;
    source = qkv + static_cast<int64_t>(tile.begin) * stride + at.k(kvHead);

    const Matrix queries{qkv, stride, T, at.heads * D, kAligned};
    forChunks<kRows, D, kMmaThreads>([&](int r, int chunk) {
      const int64_t token = r < rows ? tile.begin + static_cast<int64_t>(places[r].x) : -1;
      bringChunk<D>(memory, 0, r, chunk, queries, token,
                    r < rows ? (places[r].y - token * at.heads) * D + chunk * kChunk : 0);
    });
  }
  bringKeys<D, kAligned>(memory, kQueries, source, stride, keys, qkv);
  commitCopies();
  bringKeys<D, kAligned>(memory, kQueries + kTile, source + toValues, stride, keys, qkv);
  commitCopies();
  int slot = 0;  // of the tile that is used next; keys and values take turns
  // Brings the next tile of the same kind to the place of the tile before.
  const auto bringNext = [&](const Bf16* next, int left) {
    if (left > 0)
      bringKeys<D, kAligned>(memory, kQueries + (slot == 0 ? kSlots - 1 : slot - 1) * kTile, next, stride,
                             left, qkv);
    commitCopies();
  };

  const int lane = threadIdx.x % 32, row0 = threadIdx.x / 32 * kWarpRows;
  // Keys that all of the warp's rows see, and those that one does.
  const int seenByAll = static_cast<int>(places[row0].x) + 1;
  const int seen =
      row0 >= rows
          ? 0
          : static_cast<int>(places[row0 + kWarpRows < rows ? row0 + kWarpRows - 1 : rows - 1].x) + 1;
  // Where a lane's rows of matrices lie for loadMatrices(): those of a, and of b transposed; and those of b.
  const uint32_t ring = sharedAddress(memory) + kQueries;
  const uint32_t ofA = chunkOf<D>(0, lane % 16, lane / 16);
  const uint32_t ofB = chunkOf<D>(0, lane % 8 + lane / 16 * 8, lane / 8 % 2);
  const uint32_t ofQueries = sharedAddress(memory) + row0 * (D * 2) + ofA;
  const float scale2 = scale * kLog2E;
  uint32_t kept[kKeepQueries ? 2 : 1][kKeepQueries ? D / 16 : 1][4];
  if constexpr (kKeepQueries) {
    waitForCopies<1>();
    __syncthreads();
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int k = 0; k < D / 16; ++k) loadMatrices(kept[m][k], further<D>(ofQueries, 2 * k, 16 * m));
  }

  // Rows row0 + 16 m + 8 h + lane / 4, and of each the columns 8 n + lane % 4 * 2 + (0, 1): in [m][n][2 h +
  // (0, 1)].
  float sums[2][D / 8][4] = {}, maxima[2][2], totals[2][2] = {};
#pragma unroll
  for (int m = 0; m < 2; ++m) maxima[m][0] = maxima[m][1] = -INFINITY;

#pragma unroll 1
  for (int first = 0; first < keys; first += kKeys) {
    source += kKeys * stride;
    uint32_t weights[2][kKeys / 16][4];

    // The tile is there for all threads, and no warp reads the one before it any more.
    waitForCopies<1>();
    __syncthreads();
    bringNext(source, keys - first - kKeys);
    if (first < seen) {
      float scores[2][kKeys / 8][4] = {};
      uint32_t ofKeys = ring + slot * kTile + ofB, ofRows = ofQueries;
      hide(ofKeys);
      hide(ofRows);
#pragma unroll
      for (int k = 0; k < D / 16; ++k) {
        uint32_t a[2][4];
#pragma unroll
        for (int m = 0; m < 2; ++m) {
          if constexpr (kKeepQueries) {
#pragma unroll
            for (int i = 0; i < 4; ++i) a[m][i] = kept[m][k][i];
          } else {
            loadMatrices(a[m], further<D>(ofRows, 2 * k, 16 * m));
          }
        }
#pragma unroll
        for (int n = 0; n < kKeys / 8; n += 2) {
          uint32_t b[4];
          loadMatrices(b, further<D>(ofKeys, 2 * k, 8 * n));
#pragma unroll
          for (int m = 0; m < 2; ++m) {
            mma<Bf16>(scores[m][n], a[m], b[0], b[1]);
            mma<Bf16>(scores[m][n + 1], a[m], b[2], b[3]);
          }
        }
      }

      if (first + kKeys > seenByAll) {
#pragma unroll
        for (int m = 0; m < 2; ++m)
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            const int last =
                static_cast<int>(places[row0 + m * 16 + h * 8 + lane / 4].x) - first - lane % 4 * 2;
#pragma unroll
            for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
              for (int i = 0; i < 2; ++i)
                if (n * 8 + i > last) scores[m][n][2 * h + i] = -INFINITY;
          }
      }

      float rescale[2][2];
      bool rose = false;
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          float most = maxima[m][h];
#pragma unroll
          for (int n = 0; n < kKeys / 8; ++n)
            most = fmaxf(most, fmaxf(scores[m][n][2 * h], scores[m][n][2 * h + 1]));
          most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
          most = fmaxf(most, __shfl_xor_sync(~0u, most, 2));
          const bool higher = most > maxima[m][h];
          rescale[m][h] = higher ? exp2Approx((maxima[m][h] - most) * scale2) : 1.0f;
          rose |= higher;
          maxima[m][h] = most;
        }
      if (__any_sync(~0u, rose)) {
#pragma unroll
        for (int m = 0; m < 2; ++m)
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            if (i % 2 == 0) totals[m][i / 2] *= rescale[m][i / 2];
#pragma unroll
            for (int n = 0; n < D / 8; ++n) sums[m][n][i] *= rescale[m][i / 2];
          }
      }
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          const float shift = -maxima[m][h] * scale2;
#pragma unroll
          for (int n = 0; n < kKeys / 8; ++n) {
            const float low = exp2Approx(fmaf(scores[m][n][2 * h], scale2, shift));
            const float high = exp2Approx(fmaf(scores[m][n][2 * h + 1], scale2, shift));
            totals[m][h] += low + high;
            weights[m][n / 2][n % 2 * 2 + h] = pairOf(low, high);
          }
        }
    }
    slot = slot == kSlots - 1 ? 0 : slot + 1;

    waitForCopies<1>();
    __syncthreads();
    bringNext(source + toValues, keys - first - kKeys);
    if (first < seen) {
      uint32_t ofValues = ring + slot * kTile + ofA;
      hide(ofValues);
#pragma unroll
      for (int k = 0; k < kKeys / 16; ++k)
#pragma unroll
        for (int n = 0; n < D / 8; n += 2) {
          uint32_t b[4];
          loadMatrices<4, true>(b, further<D>(ofValues, n, 16 * k));
#pragma unroll
          for (int m = 0; m < 2; ++m) {
            mma<Bf16>(sums[m][n], weights[m][k], b[0], b[1]);
            mma<Bf16>(sums[m][n + 1], weights[m][k], b[2], b[3]);
          }
        }
    }
    slot = slot == kSlots - 1 ? 0 : slot + 1;
  }
  waitForCopies<0>();

  // y in bf16 goes through the place of the warp's queries, which no other warp reads, to whole lines of
  // memory.
  __syncwarp();
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int row = row0 + m * 16 + h * 8 + lane / 4;
      float total = totals[m][h];
      total += __shfl_xor_sync(~0u, total, 1);
      total += __shfl_xor_sync(~0u, total, 2);
      const float inverse = 1.0f / total;
      const int64_t place = places[row].y;
      if (row < rows && lane % 4 == 0) lse[place] = maxima[m][h] * scale + logf(total);
#pragma unroll
      for (int n = 0; n < D / 8; ++n) {
        const float low = sums[m][n][2 * h] * inverse, high = sums[m][n][2 * h + 1] * inverse;
        if constexpr (std::is_same_v<Y, Bf16>) {
          *reinterpret_cast<unsigned*>(memory + chunkOf<D>(0, row, n) + lane % 4 * 4) = pairOf(low, high);
        } else if (row < rows) {
          Y* to = y + place * D + n * 8 + lane % 4 * 2;
          if (yAligned) {
            *reinterpret_cast<float2*>(to) = make_float2(low, high);
          } else {
            storeOne(to, low);
            storeOne(to + 1, high);
          }
        }
      }
    }
  if constexpr (std::is_same_v<Y, Bf16>) {
    __syncwarp();
#pragma unroll 1
    for (int i = lane; i < kWarpRows * (D / kChunk); i += 32) {
      const int row = row0 + i / (D / kChunk), chunk = i % (D / kChunk);
      if (row >= rows) continue;
      const auto* from = reinterpret_cast<const Bf16*>(memory + chunkOf<D>(0, row, chunk));
      storeVector(y + static_cast<int64_t>(places[row].y) * D + chunk * kChunk, loadVector(from), yAligned);
    }
  }
}

// Of the dtypes and heads alone, so that the bits of a row do not depend on where it lies.
bool isMma(const AttentionForward& args) {
  const float scale = static_cast<float>(args.scale);
  return args.qkv.dtype == DType::BF16 && (args.headDim == 64 || args.headDim == 128) && scale > 0 &&
         std::isfinite(scale * kLog2E);
}

template <int D, class Y, bool kAligned>
void launchMma(const AttentionForward& args, const Context& context) {
  const int64_t T = args.qkv.shape[0], most = mostTiles(args);
  const Heads at{args.heads, args.kvHeads, D};
  auto* tiles = reinterpret_cast<QueryTile*>(context.workspace);
  context.require(launch(listTiles, dim3(static_cast<unsigned>(ceilDivide(most, kMmaThreads))),
                         dim3(kMmaThreads), 0, context.stream, args.offsets.as<const int32_t>(),
                         args.offsets.shape[0], T, at.group(), tiles, most));
  context.require(launch(forwardMma<D, Y, kAligned>, dim3(static_cast<unsigned>(most * args.kvHeads)),
                         dim3(kMmaThreads), kSharedBytes<D>, context.stream, args.qkv.as<const Bf16>(),
                         args.y.as<Y>(), args.lse.as<float>(), tiles, T, at, static_cast<float>(args.scale),
                         areAligned({&args.y})));
}

void fast(const AttentionForward& args, const Context& context) {
  withType(args.y.dtype, [&](auto* y) {
    using Y = Pointed<decltype(y)>;
    const bool aligned = areAligned({&args.qkv});
    if (args.headDim == 64)
      return aligned ? launchMma<64, Y, true>(args, context) : launchMma<64, Y, false>(args, context);
    return aligned ? launchMma<128, Y, true>(args, context) : launchMma<128, Y, false>(args, context);
  });
}

void run(const AttentionForward& args, Context& context) {
  if (args.qkv.shape[0] * args.heads == 0) return;
  if (isMma(args)) return fast(args, context);
  twin(args, context);
}

int64_t workspace(const AttentionForward& args, Machine) {
  return isMma(args) ? mostTiles(args) * static_cast<int64_t>(sizeof(QueryTile)) : 0;
}

const char* pathOf(const AttentionForward& args) {
  return isMma(args) ? kMmaPath : kTwin;
}

}  // namespace

void registerAttentionForward(KernelTable& table) {
  table.set<AttentionForward, run>(kMmaPath);
  table.setPathOf<AttentionForward, pathOf>();
  table.setWorkspace<AttentionForward, workspace>();
}

}  // namespace ibert::cuda

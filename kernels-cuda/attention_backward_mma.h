// The fast kernels of attentionBackward: bf16 throughout, heads of 64 or 128 elements. They recompute the
// scores, tile by tile, on the tensor cores: one kernel for dq, one for dk and dv, so that every sum has one
// owner and a fixed order. That costs seven products of tiles where one kernel with atomics would do five.
// (Dao 2023)
//
// Why they are fast: what bounds them is how quickly shared memory feeds mma.sync. A warp has 32 rows of a
// result, so that each fragment of b that it reads serves four products, which leaves room for 128
// accumulators a thread and the tile of scores; p and ds become operands in the registers that they were
// computed in, tiles of one step are copied while the one before is multiplied, and only tiles that the
// diagonal or a sequence's bound crosses are masked.
#pragma once

#include "attention_backward_tiles.h"

namespace ibert::cuda {

// dq of 128 queries of a head: four warps of 32, over 32 keys at a time. The shared memory of two blocks fits
// into a multiprocessor's of sm_90, and their waiting falls into different times.
template <int D>
struct QueryShape {
  static constexpr int kRows = 128, kKeys = 32, kThreads = kRows;
  static_assert(kPadding % kRows == 0);
  static constexpr int kQ = 0, kDy = kRows * D * 2, kStages = 2 * kDy, kTileBytes = kKeys * D * 2;
  static constexpr int kFacts = kStages + 4 * kTileBytes;  // two stages of k and v
  static constexpr int kBytes = kFacts + 3 * kRows * 4;
};

template <int D, bool kAligned>
__global__ void __launch_bounds__(QueryShape<D>::kThreads, 2) queryMma(MmaOperands o) {
  using Shape = QueryShape<D>;
  DYNAMIC_SHARED(memory);
  const uint32_t base = sharedAddress(memory);
  const int own = threadIdx.x / 32 * 32;
  // The last tiles first: they see the most keys.
  const int heads = static_cast<int>(o.at.heads), head = blockIdx.x % heads;
  const int first = static_cast<int>(o.facts.padded) - (blockIdx.x / heads + 1) * Shape::kRows;
  const auto bring = [&](int key, int stage) {
    uint32_t kvHead = head / static_cast<int>(o.at.group());
    hide(kvHead);
    const Matrix k = o.ofQkv<D, kAligned>(o.at.k(kvHead)), v = o.ofQkv<D, kAligned>(o.at.v(kvHead));
    const int offset = Shape::kStages + stage * 2 * Shape::kTileBytes;
    bringRows<Shape::kKeys, D, Shape::kThreads, kAligned>(memory, offset, k, key);
    bringRows<Shape::kKeys, D, Shape::kThreads, kAligned>(memory, offset + Shape::kTileBytes, v, key);
    commitCopies();
  };

  const int begin = o.facts.begins[first] / Shape::kKeys * Shape::kKeys;
  const int end = first + Shape::kRows < o.T ? first + Shape::kRows : o.T;
  bringRows<Shape::kRows, D, Shape::kThreads, kAligned>(memory, Shape::kQ, o.ofQkv<D, kAligned>(o.at.q(head)),
                                                        first);
  bringRows<Shape::kRows, D, Shape::kThreads, kAligned>(memory, Shape::kDy, o.ofDy<D, kAligned>(head), first);
  bringFacts<Shape::kRows>(base + Shape::kFacts, o.facts, head, first);
  bring(begin, 0);

  // Of the warp's rows [row, row + 32), this thread's are every eighth from row + lane / 4 on.
  const int row = first + own;
  const int beginOfFirst = o.facts.begins[row], beginOfLast = o.facts.begins[row + 31];
  const float scale2 = o.scale * kLog2E;
  float dq[2][D / 8][4];
  clear(dq);
  LaneRows<D> lanes;

  int stage = 0;
  for (int key = begin; key < end; key += Shape::kKeys, stage ^= 1) {
    waitForCopies<0>();
    // All copies are there, and nobody reads the other stage any more.
    __syncthreads();
    if (key + Shape::kKeys < end) bring(key + Shape::kKeys, stage ^ 1);
    if (key > row || key + Shape::kKeys <= beginOfFirst) continue;  // the warp sees none of these
    hide(lanes.a);
    hide(lanes.b);
    const uint32_t tileK = base + Shape::kStages + stage * 2 * Shape::kTileBytes,
                   tileV = tileK + Shape::kTileBytes;

    float p[2][4][4], ds[2][4][4];
    clear(p);
    multiplyRows<D>(p, base + Shape::kQ, own, tileK, 0, lanes);
    uint32_t lane = threadIdx.x % 32;
    hide(lane);
    const auto* facts = reinterpret_cast<const float*>(memory + Shape::kFacts) + own + lane / 4;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float lse2 = facts[i * 8], minusDelta = facts[Shape::kRows + i * 8];
#pragma unroll
      for (int n = 0; n < 4; ++n) {
#pragma unroll
        for (int e = i % 2 * 2; e < i % 2 * 2 + 2; ++e) {
          p[i / 2][n][e] = exp2Approx(p[i / 2][n][e] * scale2 - lse2);
          ds[i / 2][n][e] = minusDelta;
        }
      }
    }
    if (key == row || beginOfLast > key) {
      const int j = key + int(lane) % 4 * 2, query = row + int(lane) / 4;  // the thread's first
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int begin = __float_as_int(facts[2 * Shape::kRows + i * 8]) - j, diagonal = query + i * 8 - j;
#pragma unroll
        for (int n = 0; n < 4; ++n) {
#pragma unroll
          for (int e = 0; e < 2; ++e)
            if (n * 8 + e > diagonal || n * 8 + e < begin) p[i / 2][n][i % 2 * 2 + e] = 0;
        }
      }
    }
    multiplyRows<D>(ds, base + Shape::kDy, own, tileV, 0, lanes);
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int n = 0; n < 4; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) ds[m][n][e] *= p[m][n][e];
      }
    }
#pragma unroll
    for (int step = 0; step < Shape::kKeys / 16; ++step) {
      uint32_t a[2][4];
#pragma unroll
      for (int m = 0; m < 2; ++m) packA(a[m], ds[m][2 * step], ds[m][2 * step + 1]);
      addProduct<D, D>(dq, a, tileK, 0, step, lanes);
    }
  }

  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int query = row + lane / 4 + i * 8;
    if (query >= o.T) continue;
#pragma unroll
    for (int n = 0; n < D / 8; ++n)
      o.setPair(query, o.at.q(head) + n * 8 + lane % 4 * 2, dq[i / 2][n][i % 2 * 2] * o.scale,
                dq[i / 2][n][i % 2 * 2 + 1] * o.scale);
  }
}

// dk and dv of kKeys keys of a head: two warps for each 32 keys, over 64 queries at a time of all heads that
// read them. Of the transposed scores each of the two computes those of 32 queries, and of dk and dv half the
// columns, to which it needs the other's p and ds too: these pass through shared memory. How many keys a
// block has, and how many stages, depends on the shared memory there is; the bits of a row do not depend on
// it.
template <int D, int kBlockKeys, int kStageCount>
struct KeyShape {
  static constexpr int kKeys = kBlockKeys, kQueries = 64, kThreads = kKeys * 2;
  static constexpr int kFactBytes = kQueries * 4, kTileBytes = kQueries * D * 2;
  static constexpr int kK = 0, kV = kKeys * D * 2, kP = 2 * kV, kDs = kP + kKeys * kQueries * 2;
  static constexpr int kStages = kDs + kKeys * kQueries * 2, kFacts = kStages + kStageCount * 2 * kTileBytes;
  static constexpr int kBytes = kFacts + kStageCount * 3 * kFactBytes;
};

// Stores operands a of mma() as rows [row, row + 16) of a tile, columns from the chunk on.
template <int kColumns>
__device__ __forceinline__ void storeA(char* memory, int offset, int row, int chunk, const uint32_t (&a)[4]) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    *reinterpret_cast<uint32_t*>(
        memory + chunkOf<kColumns>(offset, row + lane / 4 + i % 2 * 8, chunk + i / 2) + lane % 4 * 4) = a[i];
}

template <int D, int kBlockKeys, int kStageCount, bool kAligned>
__global__ void __launch_bounds__(kBlockKeys * 2) keyMma(MmaOperands o) {
  using Shape = KeyShape<D, kBlockKeys, kStageCount>;
  constexpr int kHalf = Shape::kQueries / 2;
  DYNAMIC_SHARED(memory);
  const uint32_t base = sharedAddress(memory);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, own = warp / 2 * 32, half = warp % 2;
  // The first tiles, which the most queries see, come first.
  const int kvHeads = static_cast<int>(o.at.kvHeads), kvHead = blockIdx.x % kvHeads;
  const int first = blockIdx.x / kvHeads * Shape::kKeys;
  const int last = first + Shape::kKeys < o.T ? first + Shape::kKeys : o.T;
  const int end = o.facts.ends[last - 1];
  const int group = static_cast<int>(o.at.group()), lastHead = (kvHead + 1) * group;
  const auto bring = [&](int head, int query, int stage) {
    const int offset = Shape::kStages + stage * 2 * Shape::kTileBytes;
    bringRows<Shape::kQueries, D, Shape::kThreads, kAligned>(memory, offset,
                                                             o.ofQkv<D, kAligned>(o.at.q(head)), query);
    bringRows<Shape::kQueries, D, Shape::kThreads, kAligned>(memory, offset + Shape::kTileBytes,
                                                             o.ofDy<D, kAligned>(head), query);
    bringFacts<Shape::kQueries>(base + Shape::kFacts + stage * 3 * Shape::kFactBytes, o.facts, head, query);
    commitCopies();
  };

  bringRows<Shape::kKeys, D, Shape::kThreads, kAligned>(memory, Shape::kK,
                                                        o.ofQkv<D, kAligned>(o.at.k(kvHead)), first);
  bringRows<Shape::kKeys, D, Shape::kThreads, kAligned>(memory, Shape::kV,
                                                        o.ofQkv<D, kAligned>(o.at.v(kvHead)), first);
  int head = kvHead * group, query = first, stage = 0;
  bring(head, query, 0);

  const int key = first + own;  // the warp's first
  const float scale2 = o.scale * kLog2E;
  float dk[2][D / 16][4], dv[2][D / 16][4];
  clear(dk);
  clear(dv);
  LaneRows<D> lanes;

  while (head < lastHead) {
    waitForCopies<0>();
    // All copies are there, and nobody reads the other stage, or p and ds, any more.
    __syncthreads();
    const bool ends = query + Shape::kQueries >= end;
    const int nextHead = ends ? head + 1 : head, nextQuery = ends ? first : query + Shape::kQueries;
    if (kStageCount > 1 && nextHead < lastHead) bring(nextHead, nextQuery, stage ^ 1);

    hide(lanes.a);
    hide(lanes.b);
    const uint32_t tileQ = base + Shape::kStages + stage * 2 * Shape::kTileBytes,
                   tileDy = tileQ + Shape::kTileBytes;
    const auto* lse2 = reinterpret_cast<const float*>(memory + Shape::kFacts + stage * 3 * Shape::kFactBytes);
    const float* minusDelta = lse2 + Shape::kQueries;
    const auto* begins = reinterpret_cast<const int32_t*>(minusDelta + Shape::kQueries);
    // Both warps of a pair skip what neither sees.
    if (query + Shape::kQueries > key && begins[0] < key + 32) {
      const int ownQuery = half * kHalf, column = ownQuery + lane % 4 * 2;
      float p[2][4][4], ds[2][4][4];
      clear(p);
      multiplyRows<D>(p, base + Shape::kK, own, tileQ, ownQuery, lanes);
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        const float2 l = *reinterpret_cast<const float2*>(lse2 + column + n * 8),
                     d = *reinterpret_cast<const float2*>(minusDelta + column + n * 8);
#pragma unroll
        for (int m = 0; m < 2; ++m) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            p[m][n][e] = exp2Approx(p[m][n][e] * scale2 - (e % 2 == 0 ? l.x : l.y));
            ds[m][n][e] = e % 2 == 0 ? d.x : d.y;
          }
        }
      }
      if (query + ownQuery < key + 31 || begins[ownQuery + 31] > key) {
        const int j = key + int(lane) / 4, diagonal = j - query - column;  // the thread's first
#pragma unroll
        for (int n = 0; n < 4; ++n) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const int begin = begins[column + n * 8 + e % 2] - j;
#pragma unroll
            for (int m = 0; m < 2; ++m) {
              const int down = m * 16 + e / 2 * 8;
              if (diagonal + down > n * 8 + e % 2 || down < begin) p[m][n][e] = 0;
            }
          }
        }
      }
      multiplyRows<D>(ds, base + Shape::kV, own, tileDy, ownQuery, lanes);

      uint32_t operandP[2][2][4], operandDs[2][2][4];  // of step, of m
#pragma unroll
      for (int m = 0; m < 2; ++m) {
#pragma unroll
        for (int n = 0; n < 4; ++n) {
#pragma unroll
          for (int e = 0; e < 4; ++e) ds[m][n][e] *= p[m][n][e];
        }
#pragma unroll
        for (int step = 0; step < 2; ++step) {
          packA(operandP[step][m], p[m][2 * step], p[m][2 * step + 1]);
          packA(operandDs[step][m], ds[m][2 * step], ds[m][2 * step + 1]);
          const int chunk = half * 4 + step * 2;
          storeA<Shape::kQueries>(memory, Shape::kP, own + m * 16, chunk, operandP[step][m]);
          storeA<Shape::kQueries>(memory, Shape::kDs, own + m * 16, chunk, operandDs[step][m]);
        }
      }
      syncBarrier(1 + warp / 2, 64);
#pragma unroll
      for (int i = 0; i < 4; ++i) {  // first what lies in registers
        const int step = (i < 2 ? half : 1 - half) * 2 + i % 2;
        if (i >= 2) {
#pragma unroll
          for (int m = 0; m < 2; ++m) {
            loadA<Shape::kQueries>(operandP[i % 2][m], base + Shape::kP, own + m * 16, step);
            loadA<Shape::kQueries>(operandDs[i % 2][m], base + Shape::kDs, own + m * 16, step);
          }
        }
        addProduct<D, D / 2>(dv, operandP[i % 2], tileDy, half * D / 2, step, lanes);
        addProduct<D, D / 2>(dk, operandDs[i % 2], tileQ, half * D / 2, step, lanes);
      }
    }
    if (kStageCount == 1 && nextHead < lastHead) {
      __syncthreads();
      bring(nextHead, nextQuery, 0);
    }
    head = nextHead;
    query = nextQuery;
    if (kStageCount > 1) stage ^= 1;
  }

#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int j = key + lane / 4 + i * 8, e = i % 2 * 2;
    if (j >= o.T) continue;
#pragma unroll
    for (int n = 0; n < D / 16; ++n) {
      const int column = half * D / 2 + n * 8 + lane % 4 * 2;
      o.setPair(j, o.at.k(kvHead) + column, dk[i / 2][n][e] * o.scale, dk[i / 2][n][e + 1] * o.scale);
      o.setPair(j, o.at.v(kvHead) + column, dv[i / 2][n][e], dv[i / 2][n][e + 1]);
    }
  }
}

// ---- The launcher ----

inline bool isMma(const AttentionBackward& args) {
  for (const Tensor* tensor : {&args.dy, &args.qkv, &args.y, &args.dqkv})
    if (tensor->dtype != DType::BF16) return false;
  return args.headDim == 64 || args.headDim == 128;
}

inline int64_t paddedTokens(const AttentionBackward& args) {
  return ceilDivide(args.qkv.shape[0], kPadding) * kPadding;
}
inline int64_t mmaWorkspace(const AttentionBackward& args) {
  return paddedTokens(args) * (2 * args.heads + 2) * 4;
}

template <int D, int kKeys, int kStageCount, bool kAligned>
void keysMma(const MmaOperands& operands, const Context& context) {
  using Shape = KeyShape<D, kKeys, kStageCount>;
  const int64_t blocks = ceilDivide(operands.T, kKeys) * operands.at.kvHeads;
  context.require(launch(keyMma<D, kKeys, kStageCount, kAligned>, dim3(static_cast<unsigned>(blocks)),
                         dim3(Shape::kThreads), Shape::kBytes, context.stream, operands));
}

template <int D, bool kAligned>
void runMma(const AttentionBackward& args, const Context& context) {
  const int64_t T = args.qkv.shape[0], padded = paddedTokens(args), heads = args.heads;
  auto* floats = reinterpret_cast<float*>(context.workspace);
  auto* integers = reinterpret_cast<int32_t*>(floats + 2 * heads * padded);
  const TokenFacts facts{floats, floats + heads * padded, integers, integers + padded, padded};
  const int64_t factBlocks = padded * heads * (D / kVector) / kFactThreads;
  context.require(launch(factsMma<D>, dim3(static_cast<unsigned>(factBlocks)), dim3(kFactThreads), 0,
                         context.stream, args.dy.as<const Bf16>(), args.y.as<const Bf16>(), view(args.lse),
                         args.offsets.as<const int32_t>(), args.offsets.shape[0], facts, heads, T,
                         areAligned({&args.dy, &args.y})));
  const MmaOperands operands{args.dy.as<const Bf16>(),
                             args.qkv.as<const Bf16>(),
                             args.dqkv.as<Bf16>(),
                             facts,
                             {heads, args.kvHeads, D},
                             (heads + 2 * args.kvHeads) * D,
                             heads * D,
                             static_cast<int>(T),
                             static_cast<float>(args.scale),
                             reinterpret_cast<uintptr_t>(args.dqkv.data) % 4 == 0};
  const int64_t queryBlocks = padded / QueryShape<D>::kRows * heads;
  context.require(launch(queryMma<D, kAligned>, dim3(static_cast<unsigned>(queryBlocks)),
                         dim3(QueryShape<D>::kThreads), QueryShape<D>::kBytes, context.stream, operands));
  if constexpr (D == 128) {
    if (context.machine.sharedBytes < KeyShape<D, 128, 2>::kBytes)
      return keysMma<D, 64, 1, kAligned>(operands, context);
  }
  keysMma<D, 128, 2, kAligned>(operands, context);
}

inline void runMma(const AttentionBackward& args, const Context& context) {
  const bool aligned = areAligned({&args.dy, &args.qkv});
  if (args.headDim == 64) return aligned ? runMma<64, true>(args, context) : runMma<64, false>(args, context);
  return aligned ? runMma<128, true>(args, context) : runMma<128, false>(args, context);
}

}  // namespace ibert::cuda

// pagedAttention for activations of bf16, caches of bf16 or q8_0 and heads of 64 or 128 elements. A
// threadgroup takes a row and up to four query heads of a kv head, which share what is read of the cache, and
// a chunk of 256 positions, 64 a simdgroup. Chunks are spread over threadgroups, which leave theirs to
// flashCombine (flash-decoding; Dao et al. 2023), or follow each other in one. Every position is cut the same
// way whatever the other rows are, and chunks are added in their order by the same operations either way: a
// row's bits depend on nothing but its own query and sequence.
#include <metal_stdlib>
using namespace metal;

#include "four_values.h"
#include "grid.h"
#include "paged_rows.h"
#include "softmax.h"

constant constexpr uint kNoRow = 0xffffffffu;
constant constexpr int kEach = 8;  // elements of a row that a lane has
constant constexpr float kLog2E = 1.44269504088896341f;

// Values i to i + 7 of bf16.
inline void eightValues(const device ushort* from, bool aligned, thread float (&values)[kEach]) {
  for (int i = 0; i < kEach; i += 4) {
    const float4 four = valuesOf(loadFour(from + i, aligned));
    values[i] = four.x;
    values[i + 1] = four.y;
    values[i + 2] = four.z;
    values[i + 3] = four.w;
  }
}
// Element `i` and the seven after it of a cache of bf16 or q8_0, whose codes lie at even addresses.
inline void eightOfCache(const device uint8_t* cache, int32_t dtype, int64_t i, bool aligned,
                         thread float (&values)[kEach]) {
  if (dtype != kQ8_0) return eightValues((const device ushort*)cache + i, aligned, values);
  const device uint8_t* block = cache + i / 32 * 34;
  const float scale = halfAt(block);
  const device ushort* codes = (const device ushort*)(block + 2 + i % 32);
  for (int pair = 0; pair < kEach / 2; ++pair) {
    const ushort both = codes[pair];
    values[2 * pair] = scale * float(int8_t(both & 255));
    values[2 * pair + 1] = scale * float(int8_t(both >> 8));
  }
}

// Adding a chunk to those before it. No score is -inf - -inf: that would be NaN.
struct ChunkWeights {
  float before, chunk;
};
inline float finiteBase(float highest) {
  return highest == kLowest ? 0.0f : highest;
}
inline ChunkWeights weightsOf(float before, float chunk) {
  const float base = finiteBase(metal::fmax(before, chunk));
  return {precise::exp2(before - base), precise::exp2(chunk - base)};
}
inline float addChunk(float before, float chunk, ChunkWeights weights) {
  return metal::fma(before, weights.before, chunk * weights.chunk);
}
inline float inverseOf(float sum) {
  return sum == 0 ? 0.0f : 1 / sum;
}

// sums: (T, heads, chunks, D), softmax: (T, heads, chunks, 2), the highest score and the sum of weights of
// base 2
template <int D>
inline void flashPaged(const device ushort* qkv, const device uint8_t* kCache, const device uint8_t* vCache,
                       const device int32_t* table, const device int32_t* rowSequence,
                       const device int32_t* rowPosition, device uint8_t* y, device float* sums,
                       device float* softmax, constant PagedParameters& p, threadgroup float* memory,
                       uint3 group, uint index, uint simdgroup, uint lane) {
  constexpr int H = kPagedHeads, kLanes = D / kEach, kAtOnce = 32 / kLanes;
  constexpr int kPiece = kChunkPositions / kPagedSimdgroups, kOwn = H * D / kPagedThreads;
  threadgroup float* parts = memory;
  threadgroup float* weights = parts + pagedParts(D) * H * D;
  threadgroup uint* rows = (threadgroup uint*)(weights + H * kChunkPositions);
  threadgroup float* chunkSoftmax = (threadgroup float*)(rows + kChunkPositions);

  const Heads at = p.at;
  const uint chunksHere = p.isSplit ? uint(p.chunks) : 1, tiles = uint(p.headTiles);
  const uint place = group.x / chunksHere, heads = uint(at.heads / at.kvHeads);
  const int64_t kvHead = place / tiles % uint(at.kvHeads), t = place / tiles / uint(at.kvHeads);
  const int firstOfGroup = int(place % tiles) * H;
  const int count = int(heads) - firstOfGroup < H ? int(heads) - firstOfGroup : H;
  const int64_t firstHead = kvHead * heads + firstOfGroup;
  const int64_t sequence = inside(rowSequence[t], 0, p.S, 0);
  const int last = int(inside(rowPosition[t], 0, p.M * p.W, -1));
  const int column = int(lane) % kLanes * kEach, sub = int(lane) / kLanes;

  float q[H][kEach];
  for (int h = 0; h < H; ++h) {
    const int head = h < count ? h : 0;
    eightValues(qkv + t * columnsOf(at) + (firstHead + head) * D + column, p.qkvAligned != 0, q[h]);
  }
  // Elements index + 128 i of the heads' y, and of their heads the highest score and the sum of weights.
  float own[kOwn], highest[kOwn], totals[kOwn];
  for (int i = 0; i < kOwn; ++i) {
    own[i] = totals[i] = 0;
    highest[i] = kLowest;
  }

  for (int chunk = p.isSplit ? int(group.x % chunksHere) : 0; chunk * kChunkPositions <= last; ++chunk) {
    const int first = chunk * kChunkPositions;
    for (int i = int(index); i < kChunkPositions; i += kPagedThreads)
      rows[i] = first + i <= last ? uint(rowOf(table, p, sequence, kvHead, first + i)) : kNoRow;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // also: all have added up the parts of the chunk before

    const int piece = int(simdgroup) * kPiece;
    for (int i = piece; i < piece + kPiece; i += kAtOnce) {
      const uint row = rows[i + sub];
      float scores[H];
      for (int h = 0; h < H; ++h) scores[h] = 0;
      if (row != kNoRow) {
        float key[kEach];
        eightOfCache(kCache, p.kCache, int64_t(row) * D + column, p.cacheAligned != 0, key);
        for (int h = 0; h < H; ++h)
          for (int e = 0; e < kEach; ++e) scores[h] += q[h][e] * key[e];
      }
      if (first + i <= last) {  // by all lanes of the simdgroup
        for (int h = 0; h < H; ++h)
          for (int lanes = kLanes / 2; lanes > 0; lanes /= 2)
            scores[h] += simd_shuffle_xor(scores[h], ushort(lanes));
      }
      for (int h = 0; h < H; ++h)
        if (int(lane) % kLanes == h)
          weights[h * kChunkPositions + i + sub] = row == kNoRow ? kLowest : scores[h] * (p.scale * kLog2E);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    // A simdgroup has a head.
    threadgroup float* ofHead = weights + int(simdgroup) * kChunkPositions;
    float most = kLowest, sum = 0;
    for (int i = int(lane); i < kChunkPositions; i += 32) most = metal::fmax(most, ofHead[i]);
    most = simd_max(most);
    for (int i = int(lane); i < kChunkPositions; i += 32) {
      ofHead[i] = precise::exp2(ofHead[i] - finiteBase(most));
      sum += ofHead[i];
    }
    sum = simd_sum(sum);
    if (lane == 0) {
      chunkSoftmax[2 * simdgroup] = most;
      chunkSoftmax[2 * simdgroup + 1] = sum;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float part[H][kEach];
    for (int h = 0; h < H; ++h)
      for (int e = 0; e < kEach; ++e) part[h][e] = 0;
    for (int i = piece + sub; i < piece + kPiece; i += kAtOnce) {
      const uint row = rows[i];
      if (row == kNoRow) break;
      float value[kEach];
      eightOfCache(vCache, p.vCache, int64_t(row) * D + column, p.cacheAligned != 0, value);
      for (int h = 0; h < H; ++h)
        for (int e = 0; e < kEach; ++e) part[h][e] += weights[h * kChunkPositions + i] * value[e];
    }
    for (int h = 0; h < H; ++h) {
      threadgroup float* to = parts + ((int(simdgroup) * kAtOnce + sub) * H + h) * D + column;
      const float4 low = {part[h][0], part[h][1], part[h][2], part[h][3]};
      const float4 high = {part[h][4], part[h][5], part[h][6], part[h][7]};
      *(threadgroup float4*)to = low;
      *(threadgroup float4*)(to + 4) = high;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    for (int i = 0; i < kOwn; ++i) {
      const int element = int(index) + i * kPagedThreads, h = element / D;
      float value = 0;
      for (int s = 0; s < pagedParts(D); ++s) value += parts[s * H * D + element];
      if (h >= count) continue;
      if (p.isSplit) {
        const int64_t partial = (t * at.heads + firstHead + h) * p.chunks + chunk;
        sums[partial * D + element % D] = value;
        if (element % D == 0) {
          softmax[2 * partial] = chunkSoftmax[2 * h];
          softmax[2 * partial + 1] = chunkSoftmax[2 * h + 1];
        }
      } else {
        const float most = chunkSoftmax[2 * h];
        const ChunkWeights adding = weightsOf(highest[i], most);
        own[i] = addChunk(own[i], value, adding);
        totals[i] = addChunk(totals[i], chunkSoftmax[2 * h + 1], adding);
        highest[i] = metal::fmax(highest[i], most);
      }
    }
    if (p.isSplit) return;
  }
  if (p.isSplit) return;
  for (int i = 0; i < kOwn; ++i) {
    const int element = int(index) + i * kPagedThreads, h = element / D;
    if (h < count) setAt(y, p.y, (t * at.heads + firstHead) * D + element, own[i] * inverseOf(totals[i]));
  }
}

KERNEL flashPaged64(const device ushort* qkv [[buffer(0)]], const device uint8_t* kCache [[buffer(1)]],
                    const device uint8_t* vCache [[buffer(2)]], const device int32_t* table [[buffer(3)]],
                    const device int32_t* rowSequence [[buffer(4)]],
                    const device int32_t* rowPosition [[buffer(5)]], device uint8_t* y [[buffer(6)]],
                    device float* sums [[buffer(7)]], device float* softmax [[buffer(8)]],
                    constant PagedParameters& p [[buffer(9)]], threadgroup float* memory THREADGROUP(0),
                    PLACE) {
  flashPaged<64>(qkv, kCache, vCache, table, rowSequence, rowPosition, y, sums, softmax, p, memory, group,
                 index, simdgroup, lane);
}
KERNEL flashPaged128(const device ushort* qkv [[buffer(0)]], const device uint8_t* kCache [[buffer(1)]],
                     const device uint8_t* vCache [[buffer(2)]], const device int32_t* table [[buffer(3)]],
                     const device int32_t* rowSequence [[buffer(4)]],
                     const device int32_t* rowPosition [[buffer(5)]], device uint8_t* y [[buffer(6)]],
                     device float* sums [[buffer(7)]], device float* softmax [[buffer(8)]],
                     constant PagedParameters& p [[buffer(9)]], threadgroup float* memory THREADGROUP(0),
                     PLACE) {
  flashPaged<128>(qkv, kCache, vCache, table, rowSequence, rowPosition, y, sums, softmax, p, memory, group,
                  index, simdgroup, lane);
}

// Adds the chunks of a row and head, as the loop of flashPaged does.
KERNEL flashCombine(const device float* sums [[buffer(0)]], const device float* softmax [[buffer(1)]],
                    const device int32_t* rowPosition [[buffer(2)]], device uint8_t* y [[buffer(3)]],
                    constant PagedParameters& p [[buffer(4)]], PLACE) {
  const int64_t t = group.x / p.at.heads, D = p.at.D, first = int64_t(group.x) * p.chunks;
  const int last = int(inside(rowPosition[t], 0, p.M * p.W, -1));
  for (int64_t column = index; column < D; column += kFewThreads) {
    float value = 0, highest = kLowest, total = 0;
    for (int chunk = 0; chunk * kChunkPositions <= last; ++chunk) {
      const int64_t partial = first + chunk;
      const ChunkWeights weights = weightsOf(highest, softmax[2 * partial]);
      value = addChunk(value, sums[partial * D + column], weights);
      total = addChunk(total, softmax[2 * partial + 1], weights);
      highest = metal::fmax(highest, softmax[2 * partial]);
    }
    setAt(y, p.y, int64_t(group.x) * D + column, value * inverseOf(total));
  }
}

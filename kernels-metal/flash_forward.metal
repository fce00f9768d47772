// attentionForward for bf16 and heads of 64 or 128 elements. A threadgroup has 32 rows of queries of a kv
// head, eight a simdgroup, and goes over the keys that any of them sees, 32 at a time; no score is ever in
// device memory. The softmax is kept up to date as scores come: sums are of weights relative to the highest
// score so far, and are rescaled when it rises. Maxima and weights are of base 2.
#include <metal_stdlib>
using namespace metal;

#include "flash.h"

// qkv: (T, (heads + 2 kvHeads) D), offsets: (S), y: (T, heads D), lse: (T, heads)
template <int D>
inline void flashForward(const device ushort* qkv, const device int32_t* offsets, device uint8_t* y,
                         device float* lse, constant AttentionParameters& p, threadgroup float* memory,
                         uint3 group, uint index, uint simdgroup, uint lane) {
  constexpr int R = kForwardRows / kFlashSimdgroups, C = D / 32;
  constexpr bool kBothTiles = D == 64;
  threadgroup float* queries = memory;
  threadgroup float* weights = memory + kForwardRows * D + int(simdgroup) * R * kFlashKeys;
  threadgroup ushort* keys = (threadgroup ushort*)(memory + kForwardRows * (D + kFlashKeys));
  threadgroup ushort* values = kBothTiles ? keys + flashTileBytes(D) / 2 : keys;
  const Heads at = p.at;
  const int64_t stride = columnsOf(at);
  // The last rows first: they see the most keys.
  const uint kvHead = group.x % uint(at.kvHeads), rows = uint(p.T * (at.heads / at.kvHeads));
  const uint tile = (rows + kForwardRows - 1) / kForwardRows - 1 - group.x / uint(at.kvHeads);
  const uint firstRow = tile * kForwardRows, ownRow = firstRow + simdgroup * R;
  const bool aligned = p.aligned != 0;

  bringQueries<D>(queries, qkv, stride, p, kvHead, firstRow, kForwardRows, index);
  // Lanes without a row look at the threadgroup's first.
  const int token = int(queryRow(p, kvHead, lane < R ? ownRow + lane : firstRow).token);
  const int begin = int(sequenceOf(offsets, p.S, token, p.T).begin);
  const Sight sight = sightOf<R>(token, begin);
  const int firstKey = simd_broadcast(begin, 31);
  const int lastKey = int(queryRow(p, kvHead, firstRow + kForwardRows - 1).token);
  const device ushort* keySource = qkv + keyColumn(at, kvHead);
  const device ushort* valueSource = qkv + valueColumn(at, kvHead);
  const float scale = p.scale * kLog2E;

  float sums[R][C], highest[R], totals[R];  // totals of the lane's keys
  for (int r = 0; r < R; ++r) {
    highest[r] = kLowest;
    totals[r] = 0;
    for (int c = 0; c < C; ++c) sums[r][c] = 0;
  }
  for (int key = firstKey; key <= lastKey; key += kFlashKeys) {
    const int there = lastKey + 1 - key;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the tiles before were read
    bringTile<D>(keys, keySource + key * stride, stride, there, aligned, index);
    if (kBothTiles) bringTile<D>(values, valueSource + key * stride, stride, there, aligned, index);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const bool sees = seesAny(sight, key);
    if (sees) {
      float scores[R];
      for (int r = 0; r < R; ++r) scores[r] = 0;
      addScores<R, D>(scores, queries + int(simdgroup) * R * D, keys, lane);
      for (int r = 0; r < R; ++r) scores[r] *= scale;
      if (!seesAll(sight, key)) hideScores<R>(scores, sight, key + int(lane), kLowest);
      for (int r = 0; r < R; ++r) {
        const float most = metal::fmax(highest[r], simd_max(scores[r]));
        const float base = most == kLowest ? 0.0f : most;  // -inf - -inf would be none
        const float rescale = precise::exp2(highest[r] - base), weight = precise::exp2(scores[r] - base);
        highest[r] = most;
        totals[r] = totals[r] * rescale + weight;
        for (int c = 0; c < C; ++c) sums[r][c] *= rescale;
        weights[r * kFlashKeys + int(lane)] = weight;
      }
    }
    if (kBothTiles) {
      simdgroup_barrier(mem_flags::mem_threadgroup);  // the weights are there
    } else {
      threadgroup_barrier(mem_flags::mem_threadgroup);  // the keys were read
      bringTile<D>(values, valueSource + key * stride, stride, there, aligned, index);
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    if (sees) addWeighted<R, D>(sums, weights, values, lane);
  }

  for (int r = 0; r < R; ++r) {
    const QueryRow row = queryRow(p, kvHead, ownRow + r);
    const float total = simd_sum(totals[r]), inverse = 1 / total;
    if (!row.isThere) continue;
    const int64_t place = row.token * at.heads + row.head;
    if (lane == 0) lse[place] = highest[r] * kLn2 + precise::log(total);
    for (int c = 0; c < C; ++c) setAt(y, p.y, place * D + int(lane) * C + c, sums[r][c] * inverse);
  }
}

KERNEL flashForward64(const device ushort* qkv [[buffer(0)]], const device int32_t* offsets [[buffer(1)]],
                      device uint8_t* y [[buffer(2)]], device float* lse [[buffer(3)]],
                      constant AttentionParameters& p [[buffer(4)]], threadgroup float* memory THREADGROUP(0),
                      PLACE) {
  flashForward<64>(qkv, offsets, y, lse, p, memory, group, index, simdgroup, lane);
}
KERNEL flashForward128(const device ushort* qkv [[buffer(0)]], const device int32_t* offsets [[buffer(1)]],
                       device uint8_t* y [[buffer(2)]], device float* lse [[buffer(3)]],
                       constant AttentionParameters& p [[buffer(4)]],
                       threadgroup float* memory THREADGROUP(0), PLACE) {
  flashForward<128>(qkv, offsets, y, lse, p, memory, group, index, simdgroup, lane);
}

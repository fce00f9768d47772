// attentionBackward for bf16 and heads of 64 or 128 elements: with p = exp(scale q k - lse), dp = dy . v and
// delta = dy . y, ds = p (dp - delta); dq = scale sum ds k, dk = scale sum ds q, dv = sum p dy. Two kernels,
// one that sums over keys and one over queries, so that each sum has one owner and a fixed order: no atomics.
// They compute the scores again, tile by tile.
#include <metal_stdlib>
using namespace metal;

#include "flash.h"

// delta: (T, heads), begins: (T), where the sequence of each token begins. A simdgroup for each token and
// head.
KERNEL flashFacts(const device uint8_t* dy [[buffer(0)]], const device uint8_t* y [[buffer(1)]],
                  const device int32_t* offsets [[buffer(2)]], device float* delta [[buffer(3)]],
                  device int32_t* begins [[buffer(4)]], constant AttentionParameters& p [[buffer(5)]],
                  PLACE) {
  const int64_t row = int64_t(group.x) * kFlashSimdgroups + simdgroup;
  if (row >= p.T * p.at.heads) return;
  float sum = 0;
  for (int64_t i = lane; i < p.at.D; i += 32)
    sum += valueAt(dy, p.dy, row * p.at.D + i) * valueAt(y, p.y, row * p.at.D + i);
  sum = simd_sum(sum);
  if (lane != 0) return;
  delta[row] = sum;
  if (row % p.at.heads == 0) {
    const int64_t t = row / p.at.heads;
    begins[t] = int32_t(sequenceOf(offsets, p.S, t, p.T).begin);
  }
}

// dq: a threadgroup has some rows of queries of a kv head, as in flashForward.
template <int D>
inline void flashQueries(const device ushort* dy, const device ushort* qkv, const device float* lse,
                         const device float* delta, const device int32_t* begins, device uint8_t* dqkv,
                         constant AttentionParameters& p, threadgroup float* memory, uint3 group, uint index,
                         uint simdgroup, uint lane) {
  constexpr int kRows = backwardRows(D), R = kRows / kFlashSimdgroups, C = D / 32;
  constexpr bool kBothTiles = D == 64;
  threadgroup float* queries = memory;
  threadgroup float* gradients = queries + kRows * D;
  threadgroup float* weights = gradients + kRows * D + int(simdgroup) * R * kFlashKeys;
  threadgroup ushort* values = (threadgroup ushort*)(memory + kRows * (2 * D + kFlashKeys));
  threadgroup ushort* keys = kBothTiles ? values + flashTileBytes(D) / 2 : values;
  const Heads at = p.at;
  const int64_t stride = columnsOf(at);
  const uint kvHead = group.x % uint(at.kvHeads), rows = uint(p.T * (at.heads / at.kvHeads));
  const uint tile = (rows + kRows - 1) / kRows - 1 - group.x / uint(at.kvHeads);
  const uint firstRow = tile * kRows, ownRow = firstRow + simdgroup * R;
  const bool aligned = p.aligned != 0;

  bringQueries<D>(queries, qkv, stride, p, kvHead, firstRow, kRows, index);
  bringQueries<D>(gradients, dy, at.heads * D, p, kvHead, firstRow, kRows, index);
  const int token = int(queryRow(p, kvHead, lane < R ? ownRow + lane : firstRow).token);
  const Sight sight = sightOf<R>(token, begins[token]);
  const int firstKey = simd_broadcast(sight.begin, 31);
  const int lastKey = int(queryRow(p, kvHead, firstRow + kRows - 1).token);
  const device ushort* keySource = qkv + keyColumn(at, kvHead);
  const device ushort* valueSource = qkv + valueColumn(at, kvHead);
  const float scale = p.scale * kLog2E;

  float sums[R][C], lse2[R], deltas[R];
  for (int r = 0; r < R; ++r) {
    const QueryRow row = queryRow(p, kvHead, ownRow + r);
    lse2[r] = lse[row.token * at.heads + row.head] * kLog2E;
    deltas[r] = delta[row.token * at.heads + row.head];
    for (int c = 0; c < C; ++c) sums[r][c] = 0;
  }
  for (int key = firstKey; key <= lastKey; key += kFlashKeys) {
    const int there = lastKey + 1 - key;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the tiles before were read
    bringTile<D>(values, valueSource + key * stride, stride, there, aligned, index);
    if (kBothTiles) bringTile<D>(keys, keySource + key * stride, stride, there, aligned, index);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const bool sees = seesAny(sight, key);
    float ds[R];
    for (int r = 0; r < R; ++r) ds[r] = -deltas[r];
    if (sees) addScores<R, D>(ds, gradients + int(simdgroup) * R * D, values, lane);
    if (!kBothTiles) {
      threadgroup_barrier(mem_flags::mem_threadgroup);  // the values were read
      bringTile<D>(keys, keySource + key * stride, stride, there, aligned, index);
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    if (!sees) continue;
    float scores[R];
    for (int r = 0; r < R; ++r) scores[r] = 0;
    addScores<R, D>(scores, queries + int(simdgroup) * R * D, keys, lane);
    for (int r = 0; r < R; ++r) ds[r] *= precise::exp2(scores[r] * scale - lse2[r]);
    if (!seesAll(sight, key)) hideScores<R>(ds, sight, key + int(lane), 0);
    for (int r = 0; r < R; ++r) weights[r * kFlashKeys + int(lane)] = ds[r];
    simdgroup_barrier(mem_flags::mem_threadgroup);
    addWeighted<R, D>(sums, weights, keys, lane);
  }

  for (int r = 0; r < R; ++r) {
    const QueryRow row = queryRow(p, kvHead, ownRow + r);
    if (!row.isThere) continue;
    const int64_t place = row.token * stride + row.head * D + int(lane) * C;
    for (int c = 0; c < C; ++c) setAt(dqkv, p.dqkv, place + c, sums[r][c] * p.scale);
  }
}

// dk and dv: a threadgroup has some keys of a kv head, a few a simdgroup, and goes over the queries of its
// group's heads that see any of them, 32 at a time. A lane has a query where a row of flashQueries has a key.
// `Own`: how keys and values lie in threadgroup memory.
template <int D, class Own>
inline void flashKeys(const device ushort* dy, const device ushort* qkv, const device float* lse,
                      const device float* delta, const device int32_t* begins, const device int32_t* offsets,
                      device uint8_t* dqkv, constant AttentionParameters& p, threadgroup float* memory,
                      uint3 group, uint index, uint simdgroup, uint lane) {
  constexpr int kRows = backwardRows(D), R = kRows / kFlashSimdgroups, C = D / 32;
  threadgroup Own* keys = (threadgroup Own*)memory;
  threadgroup Own* values = keys + kRows * D;
  threadgroup float* allWeights = (threadgroup float*)(values + kRows * D);
  threadgroup float* weights = allWeights + int(simdgroup) * R * kFlashKeys;
  threadgroup ushort* queries = (threadgroup ushort*)(allWeights + kRows * kFlashKeys);
  threadgroup ushort* gradients = queries + flashTileBytes(D) / 2;
  const Heads at = p.at;
  const int64_t stride = columnsOf(at), dyStride = at.heads * D;
  // The first keys first: the most queries see them.
  const int kvHead = int(group.x % uint(at.kvHeads)), firstKey = int(group.x / uint(at.kvHeads)) * kRows;
  const int T = int(p.T), ownKey = firstKey + int(simdgroup) * R;
  const int lastKey = (firstKey + kRows < T ? firstKey + kRows : T) - 1;
  const int end = int(sequenceOf(offsets, p.S, lastKey, p.T).end);
  const int heads = int(at.heads / at.kvHeads);
  const bool aligned = p.aligned != 0;

  for (int i = int(index); i < kRows * D / 4; i += kFlashThreads) {
    const int key = firstKey + i / (D / 4), column = i % (D / 4) * 4;
    const device ushort* row = qkv + (key < T ? key : T - 1) * stride + column;
    setFour(keys + i * 4, loadFour(row + keyColumn(at, kvHead), aligned));
    setFour(values + i * 4, loadFour(row + valueColumn(at, kvHead), aligned));
  }
  const float scale = p.scale * kLog2E;

  float dk[R][C], dv[R][C];
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) dk[r][c] = dv[r][c] = 0;
  for (int head = kvHead * heads; head < (kvHead + 1) * heads; ++head) {
    for (int query = firstKey; query < end; query += kFlashKeys) {
      threadgroup_barrier(mem_flags::mem_threadgroup);  // the tiles before were read
      bringTile<D>(queries, qkv + query * stride + head * D, stride, end - query, aligned, index);
      bringTile<D>(gradients, dy + query * dyStride + head * D, dyStride, end - query, aligned, index);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      const int own = query + int(lane);
      const bool isThere = own < end;
      const int begin = isThere ? begins[own] : T;
      if (query + kFlashKeys <= ownKey || simd_broadcast(begin, 0) >= ownKey + R) continue;
      const int64_t fact = int64_t(own) * at.heads + head;
      const float lse2 = isThere ? lse[fact] * kLog2E : 0.0f, minusDelta = isThere ? -delta[fact] : 0.0f;

      float weight[R], ds[R];
      for (int r = 0; r < R; ++r) {
        weight[r] = 0;
        ds[r] = minusDelta;
      }
      addScores<R, D>(weight, keys + int(simdgroup) * R * D, queries, lane);
      addScores<R, D>(ds, values + int(simdgroup) * R * D, gradients, lane);
      for (int r = 0; r < R; ++r) {
        const bool sees = begin <= ownKey + r && ownKey + r <= own;
        weight[r] = sees ? precise::exp2(weight[r] * scale - lse2) : 0.0f;
        ds[r] = sees ? ds[r] * weight[r] : 0.0f;
        weights[r * kFlashKeys + int(lane)] = weight[r];
      }
      simdgroup_barrier(mem_flags::mem_threadgroup);
      addWeighted<R, D>(dv, weights, gradients, lane);
      simdgroup_barrier(mem_flags::mem_threadgroup);  // the weights of dv were read
      for (int r = 0; r < R; ++r) weights[r * kFlashKeys + int(lane)] = ds[r];
      simdgroup_barrier(mem_flags::mem_threadgroup);
      addWeighted<R, D>(dk, weights, queries, lane);
    }
  }

  for (int r = 0; r < R; ++r) {
    const int key = ownKey + r;
    if (key >= T) continue;
    const int64_t place = key * stride + int(lane) * C;
    for (int c = 0; c < C; ++c) {
      setAt(dqkv, p.dqkv, place + keyColumn(at, kvHead) + c, dk[r][c] * p.scale);
      setAt(dqkv, p.dqkv, place + valueColumn(at, kvHead) + c, dv[r][c]);
    }
  }
}

KERNEL flashQueries64(const device ushort* dy [[buffer(0)]], const device ushort* qkv [[buffer(1)]],
                      const device float* lse [[buffer(2)]], const device float* delta [[buffer(3)]],
                      const device int32_t* begins [[buffer(4)]], device uint8_t* dqkv [[buffer(5)]],
                      constant AttentionParameters& p [[buffer(6)]], threadgroup float* memory THREADGROUP(0),
                      PLACE) {
  flashQueries<64>(dy, qkv, lse, delta, begins, dqkv, p, memory, group, index, simdgroup, lane);
}
KERNEL flashQueries128(const device ushort* dy [[buffer(0)]], const device ushort* qkv [[buffer(1)]],
                       const device float* lse [[buffer(2)]], const device float* delta [[buffer(3)]],
                       const device int32_t* begins [[buffer(4)]], device uint8_t* dqkv [[buffer(5)]],
                       constant AttentionParameters& p [[buffer(6)]],
                       threadgroup float* memory THREADGROUP(0), PLACE) {
  flashQueries<128>(dy, qkv, lse, delta, begins, dqkv, p, memory, group, index, simdgroup, lane);
}
KERNEL flashKeys64(const device ushort* dy [[buffer(0)]], const device ushort* qkv [[buffer(1)]],
                   const device float* lse [[buffer(2)]], const device float* delta [[buffer(3)]],
                   const device int32_t* begins [[buffer(4)]], const device int32_t* offsets [[buffer(5)]],
                   device uint8_t* dqkv [[buffer(6)]], constant AttentionParameters& p [[buffer(7)]],
                   threadgroup float* memory THREADGROUP(0), PLACE) {
  flashKeys<64, float>(dy, qkv, lse, delta, begins, offsets, dqkv, p, memory, group, index, simdgroup, lane);
}
KERNEL flashKeys128(const device ushort* dy [[buffer(0)]], const device ushort* qkv [[buffer(1)]],
                    const device float* lse [[buffer(2)]], const device float* delta [[buffer(3)]],
                    const device int32_t* begins [[buffer(4)]], const device int32_t* offsets [[buffer(5)]],
                    device uint8_t* dqkv [[buffer(6)]], constant AttentionParameters& p [[buffer(7)]],
                    threadgroup float* memory THREADGROUP(0), PLACE) {
  flashKeys<128, ushort>(dy, qkv, lse, delta, begins, offsets, dqkv, p, memory, group, index, simdgroup,
                         lane);
}

// attentionBackward for bf16 and heads of 64 or 128 elements: with p = exp(scale q k - lse), dp = dy . v and
// delta = dy . y, ds = p (dp - delta); dq = scale sum ds k, dk = scale sum ds q, dv = sum p dy. Two kernels,
// one that sums over keys and one over queries, so that each sum has one owner and a fixed order: no atomics.
// They compute the scores again, step by step.
//
// Half of the simdgroups of a threadgroup multiply for p and half for dp, each some eights of its rows; then
// lanes have four of either and make ds of them.
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

// How a threadgroup shares out a step: rows and columns of p and dp, the simdgroup's half, where its rows
// are, and the place of each tile in threadgroup memory.
template <int D>
struct BackwardTiles {
  static constant constexpr int kRows = backwardRows(D, kFlashBytes), kStep = backwardStep(D, kFlashBytes);
  static constant constexpr int kHalfGroups = kFlashSimdgroups / 2, kStride = scoreStride(kStep);
  using Scores = FlashShape<kRows, kStep, kHalfGroups, 1>;
  static constant constexpr int kFours = kRows * kStep / 4;  // of a tile of scores
  static constant constexpr int kEach = (kFours + int(kTileThreads) - 1) / int(kTileThreads);
  // Of a lane's e-th four scores.
  static int row(uint index, int e) { return (int(index) + e * int(kTileThreads)) / (kStep / 4); }
  static int column(uint index) { return int(index) % (kStep / 4) * 4; }

  threadgroup TileElement* memory;
  int half;
  TilePlace place;  // among those of its half

  // Of which = 0 what is multiplied for p, of 1 for dp.
  threadgroup TileElement* own(int which) const { return memory + which * kRows * tileStride<D>(); }
  threadgroup TileElement* other(int which) const { return own(2) + which * kStep * tileStride<D>(); }
  threadgroup float* scores(int which) const {
    return (threadgroup float*)other(2) + which * kRows * kStride;
  }
};
template <int D>
inline BackwardTiles<D> backwardTiles(threadgroup float* memory, uint index, uint simdgroup, uint lane) {
  return {(threadgroup TileElement*)memory, int(simdgroup % 2), {index, simdgroup / 2, lane}};
}

// q k of one half and dy . v of the other, of the columns before `columns`.
template <int D>
inline void makeScores(thread const BackwardTiles<D>& tiles, int columns) {
  using Scores = typename BackwardTiles<D>::Scores;
  TileSums<Scores> products;
  products.clear();
  addStep<Scores, false, false>(products, tiles.own(tiles.half), tileStride<D>(), tiles.other(tiles.half),
                                tileStride<D>(), D, Scores::kRows, columns, tiles.place);
  storeScores<Scores>(products, tiles.scores(tiles.half), tiles.place);
}

// Sums into D columns of dqkv, rows `stride` apart.
struct WriteGradient {
  device uint8_t* dqkv;
  int64_t start, stride;
  int rows;
  float scale;
  int32_t dtype;

  void operator()(int row, int column, float sum) const {
    if (row < rows) setAt(dqkv, dtype, start + row * stride + column, sum * scale);
  }
};
struct WriteQueries {
  device uint8_t* dqkv;
  uint group, firstHead, firstRow;
  int64_t T, stride, D;
  float scale;
  int32_t dtype;

  void operator()(int row, int column, float sum) const {
    const uint number = firstRow + uint(row);
    const int64_t token = number / group, head = firstHead + number % group;
    if (token < T) setAt(dqkv, dtype, token * stride + head * D + column, sum * scale);
  }
};

// dq: a threadgroup has some rows of queries of a kv head, as in flashForward.
template <int D>
inline void flashQueries(const device ushort* dy, const device ushort* qkv, const device float* lse,
                         const device float* delta, const device int32_t* begins, device uint8_t* dqkv,
                         constant AttentionParameters& p, threadgroup float* memory, uint3 group, uint index,
                         uint simdgroup, uint lane) {
  using Tiles = BackwardTiles<D>;
  constexpr int kRows = Tiles::kRows, kStep = Tiles::kStep, kEach = Tiles::kEach, kStride = Tiles::kStride;
  using Output = FlashShape<kRows, D, Tiles::kHalfGroups, 2>;  // a half has half of the columns
  const Tiles tiles = backwardTiles<D>(memory, index, simdgroup, lane);
  const TilePlace place = {index, simdgroup, lane};
  const Heads at = p.at;
  const int64_t stride = columnsOf(at);
  const uint heads = uint(at.heads / at.kvHeads), kvHead = group.x % uint(at.kvHeads);
  const uint all = (uint(p.T) * heads + kRows - 1) / kRows;
  const uint firstQuery = (all - 1 - group.x / uint(at.kvHeads)) * kRows;
  const bool aligned = p.aligned != 0;

  const RowsOfGroup ownQueries = rowsOfGroup(qkv, stride, p, kvHead, firstQuery);
  const RowsOfGroup ownGradients = rowsOfGroup(dy, at.heads * D, p, kvHead, firstQuery);
  bringRows<D>(tiles.own(0), kRows, ownQueries, aligned, index);
  bringRows<D>(tiles.own(1), kRows, ownGradients, aligned, index);
  const int firstKey = begins[queryRow(p, kvHead, firstQuery).token];
  const int lastKey = int(queryRow(p, kvHead, firstQuery + kRows - 1).token);
  const uint lastOfOwn = firstQuery + uint(firstRow<Output>(place)) + 8 * Output::kDown - 1;
  const int lastToken = int(queryRow(p, kvHead, lastOfOwn).token);
  const device ushort* keySource = qkv + keyColumn(at, kvHead);
  const device ushort* valueSource = qkv + valueColumn(at, kvHead);
  const float scale = p.scale * kLog2E;

  float lse2[kEach], deltas[kEach];
  int tokens[kEach], firstSeen[kEach];
  for (int e = 0; e < kEach; ++e) {
    const QueryRow row = queryRow(p, kvHead, firstQuery + uint(Tiles::row(index, e)));
    lse2[e] = lse[row.token * at.heads + row.head] * kLog2E;
    deltas[e] = delta[row.token * at.heads + row.head];
    tokens[e] = int(row.token);
    firstSeen[e] = begins[row.token];
  }
  TileSums<Output> sums;
  sums.clear();
  for (int key = firstKey; key <= lastKey; key += kStep) {
    const int there = rowsBefore(lastKey + 1, key, kStep), seen = rowsBefore(lastToken + 1, key, kStep);
    const RowsInLine keys = {keySource + key * stride, stride, there};
    const RowsInLine values = {valueSource + key * stride, stride, there};
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the step before was used
    bringRows<D>(tiles.other(0), kStep, keys, aligned, index);
    bringRows<D>(tiles.other(1), kStep, values, aligned, index);
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the step is there
    makeScores<D>(tiles, seen);
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the scores are there
    for (int e = 0; e < kEach && int(index) + e * int(kTileThreads) < Tiles::kFours; ++e) {
      const int row = Tiles::row(index, e), column = Tiles::column(index);
      const float4 score = takeScores(tiles.scores(0) + row * kStride, column);
      const float4 dp = takeScores(tiles.scores(1) + row * kStride, column);
      const float four[4] = {score.x, score.y, score.z, score.w}, fourDp[4] = {dp.x, dp.y, dp.z, dp.w};
      float ds[4];
      for (int i = 0; i < 4; ++i) {
        const int own = key + column + i;
        const bool isSeen = own >= firstSeen[e] && own <= tokens[e];
        ds[i] = isSeen ? precise::exp2(four[i] * scale - lse2[e]) * (fourDp[i] - deltas[e]) : 0.0f;
      }
      simdgroup_barrier(mem_flags::mem_threadgroup);  // what is in bf16 lies where others' scores lay
      const float4 factors = {ds[0], ds[1], ds[2], ds[3]};
      putFactors(tiles.scores(1) + row * kStride, column, factors);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // ds is there
    addStep<Output, false, true>(sums, (const threadgroup TileElement*)tiles.scores(1), kStride * kTilePacked,
                                 tiles.other(0), tileStride<D>(), seen, kRows, D, place);
  }
  const WriteQueries write = {dqkv, heads, kvHead * heads, firstQuery, p.T, stride, D, p.scale, p.dqkv};
  forSums<Output>(sums, kRows, D, memory, write, place);
}

// dk and dv: a threadgroup has some keys of a kv head, and goes over the queries of its group's heads that
// see any of them. A row of p and ds is a key, and a column a query. The half that multiplies for p adds to
// dv, the other to dk.
template <int D>
inline void flashKeys(const device ushort* dy, const device ushort* qkv, const device float* lse,
                      const device float* delta, const device int32_t* begins, const device int32_t* offsets,
                      device uint8_t* dqkv, constant AttentionParameters& p, threadgroup float* memory,
                      uint3 group, uint index, uint simdgroup, uint lane) {
  using Tiles = BackwardTiles<D>;
  constexpr int kRows = Tiles::kRows, kStep = Tiles::kStep, kEach = Tiles::kEach, kStride = Tiles::kStride;
  using Output = FlashShape<kRows, D, Tiles::kHalfGroups, 1>;
  const Tiles tiles = backwardTiles<D>(memory, index, simdgroup, lane);
  threadgroup float* const lse2 = tiles.scores(2);
  threadgroup float* const deltas = lse2 + kStep;
  threadgroup int32_t* const firstSeen = (threadgroup int32_t*)(deltas + kStep);
  const Heads at = p.at;
  const int64_t stride = columnsOf(at), dyStride = at.heads * D;
  // The first keys first: the most queries see them.
  const int kvHead = int(group.x % uint(at.kvHeads)), firstKey = int(group.x / uint(at.kvHeads)) * kRows;
  const int there = rowsBefore(int(p.T), firstKey, kRows);
  const int end = int(sequenceOf(offsets, p.S, firstKey + there - 1, p.T).end);
  const int ownKey = firstKey + firstRow<Output>(tiles.place), ownEnd = ownKey + 8 * Output::kDown;
  const int heads = int(at.heads / at.kvHeads);
  const bool aligned = p.aligned != 0;

  const RowsInLine keys = {qkv + firstKey * stride + keyColumn(at, kvHead), stride, there};
  const RowsInLine values = {qkv + firstKey * stride + valueColumn(at, kvHead), stride, there};
  bringRows<D>(tiles.own(0), kRows, keys, aligned, index);
  bringRows<D>(tiles.own(1), kRows, values, aligned, index);
  const float scale = p.scale * kLog2E;

  TileSums<Output> sums;
  sums.clear();
  for (int head = kvHead * heads; head < (kvHead + 1) * heads; ++head) {
    for (int query = firstKey; query < end; query += kStep) {
      const int count = rowsBefore(end, query, kStep);
      const RowsInLine queries = {qkv + query * stride + head * D, stride, count};
      const RowsInLine gradients = {dy + query * dyStride + head * D, dyStride, count};
      // Queries that see any of the simdgroup's keys are after its first one and not of later sequences.
      const int seen = query + count > ownKey && begins[query] < ownEnd ? count : 0;
      threadgroup_barrier(mem_flags::mem_threadgroup);  // the step before was used
      bringRows<D>(tiles.other(0), kStep, queries, aligned, index);
      bringRows<D>(tiles.other(1), kStep, gradients, aligned, index);
      if (int(index) < kStep) {
        const bool isThere = int(index) < count;
        const int64_t token = isThere ? query + int(index) : query;
        lse2[index] = lse[token * at.heads + head] * kLog2E;
        deltas[index] = delta[token * at.heads + head];
        firstSeen[index] = isThere ? begins[token] : end;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);  // the step is there
      makeScores<D>(tiles, seen);
      threadgroup_barrier(mem_flags::mem_threadgroup);  // the scores are there
      for (int e = 0; e < kEach && int(index) + e * int(kTileThreads) < Tiles::kFours; ++e) {
        const int row = Tiles::row(index, e), column = Tiles::column(index), key = firstKey + row;
        const float4 score = takeScores(tiles.scores(0) + row * kStride, column);
        const float4 dp = takeScores(tiles.scores(1) + row * kStride, column);
        const float4 minus = takeScores(lse2, column), delta4 = takeScores(deltas, column);
        const float four[4] = {score.x, score.y, score.z, score.w}, fourDp[4] = {dp.x, dp.y, dp.z, dp.w};
        const float fourLse[4] = {minus.x, minus.y, minus.z, minus.w};
        const float fourDelta[4] = {delta4.x, delta4.y, delta4.z, delta4.w};
        float weight[4], ds[4];
        for (int i = 0; i < 4; ++i) {
          const bool sees = firstSeen[column + i] <= key && key <= query + column + i;
          weight[i] = sees ? precise::exp2(four[i] * scale - fourLse[i]) : 0.0f;
          ds[i] = sees ? weight[i] * (fourDp[i] - fourDelta[i]) : 0.0f;
        }
        simdgroup_barrier(mem_flags::mem_threadgroup);  // what is in bf16 lies where others' scores lay
        const float4 weights = {weight[0], weight[1], weight[2], weight[3]};
        const float4 factors = {ds[0], ds[1], ds[2], ds[3]};
        putFactors(tiles.scores(0) + row * kStride, column, weights);
        putFactors(tiles.scores(1) + row * kStride, column, factors);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);  // p and ds are there
      addStep<Output, false, true>(sums, (const threadgroup TileElement*)tiles.scores(tiles.half),
                                   kStride * kTilePacked, tiles.other(1 - tiles.half), tileStride<D>(), seen,
                                   kRows, D, tiles.place);
    }
  }
  const int64_t column = tiles.half == 0 ? valueColumn(at, kvHead) : keyColumn(at, kvHead);
  const WriteGradient write = {dqkv,  firstKey * stride + column,       stride,
                               there, tiles.half == 0 ? 1.0f : p.scale, p.dqkv};
  constexpr int kWayOut = Tiles::kHalfGroups * 8 * scoreStride(D);
  forSums<Output>(sums, kRows, D, memory + tiles.half * kWayOut, write, tiles.place);
}

KERNEL flashKeys64(const device ushort* dy [[buffer(0)]], const device ushort* qkv [[buffer(1)]],
                   const device float* lse [[buffer(2)]], const device float* delta [[buffer(3)]],
                   const device int32_t* begins [[buffer(4)]], const device int32_t* offsets [[buffer(5)]],
                   device uint8_t* dqkv [[buffer(6)]], constant AttentionParameters& p [[buffer(7)]],
                   threadgroup float* memory THREADGROUP(0), PLACE) {
  flashKeys<64>(dy, qkv, lse, delta, begins, offsets, dqkv, p, memory, group, index, simdgroup, lane);
}
KERNEL flashQueries64(const device ushort* dy [[buffer(0)]], const device ushort* qkv [[buffer(1)]],
                      const device float* lse [[buffer(2)]], const device float* delta [[buffer(3)]],
                      const device int32_t* begins [[buffer(4)]], device uint8_t* dqkv [[buffer(5)]],
                      constant AttentionParameters& p [[buffer(6)]], threadgroup float* memory THREADGROUP(0),
                      PLACE) {
  flashQueries<64>(dy, qkv, lse, delta, begins, dqkv, p, memory, group, index, simdgroup, lane);
}
KERNEL flashKeys128(const device ushort* dy [[buffer(0)]], const device ushort* qkv [[buffer(1)]],
                    const device float* lse [[buffer(2)]], const device float* delta [[buffer(3)]],
                    const device int32_t* begins [[buffer(4)]], const device int32_t* offsets [[buffer(5)]],
                    device uint8_t* dqkv [[buffer(6)]], constant AttentionParameters& p [[buffer(7)]],
                    threadgroup float* memory THREADGROUP(0), PLACE) {
  flashKeys<128>(dy, qkv, lse, delta, begins, offsets, dqkv, p, memory, group, index, simdgroup, lane);
}
KERNEL flashQueries128(const device ushort* dy [[buffer(0)]], const device ushort* qkv [[buffer(1)]],
                       const device float* lse [[buffer(2)]], const device float* delta [[buffer(3)]],
                       const device int32_t* begins [[buffer(4)]], device uint8_t* dqkv [[buffer(5)]],
                       constant AttentionParameters& p [[buffer(6)]],
                       threadgroup float* memory THREADGROUP(0), PLACE) {
  flashQueries<128>(dy, qkv, lse, delta, begins, dqkv, p, memory, group, index, simdgroup, lane);
}

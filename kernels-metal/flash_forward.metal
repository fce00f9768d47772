// attentionForward for bf16 and heads of 64 or 128 elements. A threadgroup has some rows of queries of a kv
// head, a simdgroup one or two eights of them, and goes over the keys that any of them sees in steps that
// begin at multiples of their size, so that a row's bits do not depend on how many rows a threadgroup has. No
// score is ever in device memory. The softmax is kept up to date as scores come: sums are of weights relative
// to the highest score so far, and are rescaled when it rises, which for matrices is a product with a
// diagonal one. Maxima and weights are of base 2.
#include <metal_stdlib>
using namespace metal;

#include "flash.h"

// sums of eight rows are multiplied by the diagonal of a matrix, row by row.
template <class Shape>
inline void rescaleSums(thread TileSums<Shape>& sums, const threadgroup float* diagonals) {
#pragma clang loop unroll(full)
  for (int i = 0; i < Shape::kDown; ++i) {
    simdgroup_float8x8 diagonal;
    simdgroup_load(diagonal, diagonals + 64 * i, ulong(8));
#pragma clang loop unroll(full)
    for (int j = 0; j < Shape::kAcross; ++j) simdgroup_multiply(sums.at[i][j], diagonal, sums.at[i][j]);
  }
}

// A sum over the weights by its total, whose inverse is on the diagonal of the row.
struct WriteRow {
  const threadgroup float* diagonals;
  device uint8_t* y;
  uint group, firstHead, firstRow;
  int64_t T, heads, D;
  int32_t dtype;

  void operator()(int row, int column, float sum) const {
    const uint number = firstRow + uint(row);
    const int64_t token = number / group, head = firstHead + number % group;
    if (token < T)
      setAt(y, dtype, (token * heads + head) * D + column, sum * diagonals[row / 8 * 64 + row % 8 * 9]);
  }
};

// qkv: (T, (heads + 2 kvHeads) D), offsets: (S), y: (T, heads D), lse: (T, heads)
template <int D, int kRows>
inline void flashForward(const device ushort* qkv, const device int32_t* offsets, device uint8_t* y,
                         device float* lse, constant AttentionParameters& p, threadgroup float* memory,
                         uint3 group, uint index, uint simdgroup, uint lane) {
  constexpr int kKeys = forwardKeys(kFlashBytes), kStride = scoreStride(kKeys);
  using Scores = FlashShape<kRows, kKeys, kFlashSimdgroups, 1>;
  using Output = FlashShape<kRows, D, kFlashSimdgroups, 1>;
  constexpr int kDown = Output::kDown, kFours = kKeys / 16;
  threadgroup TileElement* queries = (threadgroup TileElement*)memory;
  threadgroup TileElement* tile = queries + kRows * tileStride<D>();  // of keys, then of values
  threadgroup float* allScores = (threadgroup float*)(tile + kKeys * tileStride<D>());
  threadgroup float* allDiagonals = allScores + kRows * kStride;
  threadgroup float* scores = allScores + int(simdgroup) * 8 * kDown * kStride;
  threadgroup float* diagonals = allDiagonals + int(simdgroup) * 64 * kDown;
  const TilePlace place = {index, simdgroup, lane};
  const Heads at = p.at;
  const int64_t stride = columnsOf(at);
  // The last rows first: they see the most keys.
  const uint heads = uint(at.heads / at.kvHeads), kvHead = group.x % uint(at.kvHeads);
  const uint tiles = (uint(p.T) * heads + kRows - 1) / kRows;
  const uint firstQuery = (tiles - 1 - group.x / uint(at.kvHeads)) * kRows;
  const bool aligned = p.aligned != 0;

  const RowsOfGroup ownRows = rowsOfGroup(qkv, stride, p, kvHead, firstQuery);
  bringRows<D>(queries, kRows, ownRows, aligned, index);
  for (int i = int(lane); i < 64 * kDown; i += 32) diagonals[i] = 0;
  // Four lanes share each row of an eight.
  const int own = int(lane) / 4, part = int(lane) % 4;
  int tokens[kDown], begins[kDown];
  float highest[kDown], totals[kDown];  // totals of the lane's keys
  for (int i = 0; i < kDown; ++i) {
    const uint row = firstQuery + (simdgroup * kDown + uint(i)) * 8 + uint(own);
    tokens[i] = int(queryRow(p, kvHead, row).token);
    begins[i] = int(sequenceOf(offsets, p.S, tokens[i], p.T).begin);
    highest[i] = kLowest;
    totals[i] = 0;
  }
  // The simdgroup's last token and first begin: both ascend.
  const int lastToken = simd_broadcast(tokens[kDown - 1], ushort(31));
  const int firstBegin = simd_broadcast(begins[0], ushort(0));
  const int firstKey = int(sequenceOf(offsets, p.S, queryRow(p, kvHead, firstQuery).token, p.T).begin);
  const int lastKey = int(queryRow(p, kvHead, firstQuery + kRows - 1).token);
  const device ushort* keySource = qkv + keyColumn(at, kvHead);
  const device ushort* valueSource = qkv + valueColumn(at, kvHead);
  const float scale = p.scale * kLog2E;

  TileSums<Output> sums;
  sums.clear();
  for (int key = firstKey / kKeys * kKeys; key <= lastKey; key += kKeys) {
    const int there = rowsBefore(lastKey + 1, key, kKeys), seen = rowsBefore(lastToken + 1, key, kKeys);
    const bool sees = seen > 0 && key + kKeys > firstBegin;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the values before were read
    const RowsInLine keys = {keySource + key * stride, stride, there};
    bringRows<D>(tile, kKeys, keys, aligned, index);
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the keys are there
    if (sees) {
      TileSums<Scores> products;
      products.clear();
      addStep<Scores, false, false>(products, queries, tileStride<D>(), tile, tileStride<D>(), D, kRows, seen,
                                    place);
      storeScores<Scores>(products, allScores, place);
      simdgroup_barrier(mem_flags::mem_threadgroup);  // the scores are there
      float risen = 0;
      for (int i = 0; i < kDown; ++i) {
        threadgroup float* row = scores + (8 * i + own) * kStride;
        float weights[4 * kFours], most = highest[i];
        for (int f = 0; f < kFours; ++f) {
          const float4 four = takeScores(row, 16 * f + 4 * part);
          const float values[4] = {four.x, four.y, four.z, four.w};
          for (int e = 0; e < 4; ++e) {
            const int column = key + 16 * f + 4 * part + e;
            const bool isSeen = column >= begins[i] && column <= tokens[i];
            weights[4 * f + e] = isSeen ? values[e] * scale : kLowest;
            most = metal::fmax(most, weights[4 * f + e]);
          }
        }
        most = metal::fmax(most, simd_shuffle_xor(most, ushort(1)));
        most = metal::fmax(most, simd_shuffle_xor(most, ushort(2)));
        const float base = most == kLowest ? 0.0f : most;  // -inf - -inf would be none
        // What was not seen is no sum to be rescaled.
        const float rescale = highest[i] == kLowest ? 1.0f : precise::exp2(highest[i] - base);
        highest[i] = most;
        totals[i] *= rescale;
        for (int w = 0; w < 4 * kFours; ++w) {
          weights[w] = precise::exp2(weights[w] - base);
          totals[i] += weights[w];
        }
        if (rescale != 1) risen = 1;
        if (part == 0) diagonals[64 * i + 9 * own] = rescale;
        simdgroup_barrier(mem_flags::mem_threadgroup);  // scores were read, diagonals are there
        for (int f = 0; f < kFours; ++f) {
          const float4 four = {weights[4 * f], weights[4 * f + 1], weights[4 * f + 2], weights[4 * f + 3]};
          putFactors(row, 16 * f + 4 * part, four);
        }
      }
      risen = simd_max(risen);
      if (risen != 0) rescaleSums<Output>(sums, diagonals);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the keys were read
    const RowsInLine values = {valueSource + key * stride, stride, there};
    bringRows<D>(tile, kKeys, values, aligned, index);
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the values are there
    if (sees)
      addStep<Output, false, true>(sums, (const threadgroup TileElement*)allScores, kStride * kTilePacked,
                                   tile, tileStride<D>(), seen, kRows, D, place);
  }

  for (int i = 0; i < kDown; ++i) {
    float total = totals[i];
    total += simd_shuffle_xor(total, ushort(1));
    total += simd_shuffle_xor(total, ushort(2));
    if (part != 0) continue;
    diagonals[64 * i + 9 * own] = 1 / total;
    const uint number = firstQuery + (simdgroup * kDown + uint(i)) * 8 + uint(own);
    const QueryRow row = queryRow(p, kvHead, number);
    if (row.isThere) lse[row.token * at.heads + row.head] = highest[i] * kLn2 + precise::log(total);
  }
  const WriteRow write = {allDiagonals, y, heads, kvHead * heads, firstQuery, p.T, at.heads, D, p.y};
  forSums<Output>(sums, kRows, D, memory, write, place);
}

KERNEL flashForward64(const device ushort* qkv [[buffer(0)]], const device int32_t* offsets [[buffer(1)]],
                      device uint8_t* y [[buffer(2)]], device float* lse [[buffer(3)]],
                      constant AttentionParameters& p [[buffer(4)]], threadgroup float* memory THREADGROUP(0),
                      PLACE) {
  flashForward<64, kSomeQueries>(qkv, offsets, y, lse, p, memory, group, index, simdgroup, lane);
}
KERNEL flashForward64Many(const device ushort* qkv [[buffer(0)]], const device int32_t* offsets [[buffer(1)]],
                          device uint8_t* y [[buffer(2)]], device float* lse [[buffer(3)]],
                          constant AttentionParameters& p [[buffer(4)]],
                          threadgroup float* memory THREADGROUP(0), PLACE) {
  flashForward<64, kManyQueries>(qkv, offsets, y, lse, p, memory, group, index, simdgroup, lane);
}
KERNEL flashForward128(const device ushort* qkv [[buffer(0)]], const device int32_t* offsets [[buffer(1)]],
                       device uint8_t* y [[buffer(2)]], device float* lse [[buffer(3)]],
                       constant AttentionParameters& p [[buffer(4)]],
                       threadgroup float* memory THREADGROUP(0), PLACE) {
  flashForward<128, kSomeQueries>(qkv, offsets, y, lse, p, memory, group, index, simdgroup, lane);
}

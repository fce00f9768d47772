// What the fast kernels of attention share: tiles of bf16 in threadgroup memory, and the two products with
// them. (Dao 2023) They take bf16 and heads of 64 or 128 elements, and compute in float32 without matrix
// units, so that they run on every chip.
//
// A threadgroup of four simdgroups has some rows of a result, in threadgroup memory, and goes over tiles of
// 32 rows of the other operand. A simdgroup has a few rows of its own. In the first product a lane has a row
// of the tile, and gets the score of each of its simdgroup's rows (addScores); in the second it has D / 32
// columns, to which each row of the tile is added by its weight (addWeighted), which lanes exchange through
// threadgroup memory. So an element of the tile is read once for all rows of a simdgroup.
#pragma once

#include "attention.h"
#include "four_values.h"
#include "grid.h"
#include "operand.h"
#include "softmax.h"
#include "span.h"

constant constexpr float kLog2E = 1.44269504088896341f, kLn2 = 0.693147180559945309f;

inline float4 fourAt(const threadgroup ushort* from) {
  return valuesOf(*(const threadgroup ushort4*)from);
}
inline float4 fourAt(const threadgroup float* from) {
  return *(const threadgroup float4*)from;
}
inline void setFour(threadgroup ushort* to, ushort4 bits) {
  *(threadgroup ushort4*)to = bits;
}
inline void setFour(threadgroup float* to, ushort4 bits) {
  *(threadgroup float4*)to = valuesOf(bits);
}
// The columns of a lane.
inline void columnsAt(const threadgroup ushort* from, thread float (&columns)[2]) {
  const ushort2 bits = *(const threadgroup ushort2*)from;
  columns[0] = valueOfBf16(bits.x);
  columns[1] = valueOfBf16(bits.y);
}
inline void columnsAt(const threadgroup ushort* from, thread float (&columns)[4]) {
  const float4 values = fourAt(from);
  columns[0] = values.x;
  columns[1] = values.y;
  columns[2] = values.z;
  columns[3] = values.w;
}

// A tile: row r from r * stride after `from`, zeros from row `rows` on. By all threads. Rows are padded, so
// that lanes that read one each meet in no bank.
template <int D>
inline void bringTile(threadgroup ushort* tile, const device ushort* from, int64_t stride, int rows,
                      bool aligned, uint index) {
  for (int i = int(index); i < kFlashKeys * D / 4; i += kFlashThreads) {
    const int row = i / (D / 4), column = i % (D / 4) * 4;
    ushort4 bits = {0, 0, 0, 0};
    if (row < rows) bits = loadFour(from + row * stride + column, aligned);
    setFour(tile + row * (D + kFlashPad) + column, bits);
  }
}

// sums[r] += row r of `rows` times the lane's row of the tile.
template <int R, int D, class Row>
inline void addScores(thread float (&sums)[R], const threadgroup Row* rows, const threadgroup ushort* tile,
                      uint lane) {
  for (int d = 0; d < D; d += 4) {
    const float4 own = fourAt(tile + int(lane) * (D + kFlashPad) + d);
    for (int r = 0; r < R; ++r) {
      const float4 row = fourAt(rows + r * D + d);
      sums[r] += row.x * own.x + row.y * own.y + row.z * own.z + row.w * own.w;
    }
  }
}

// sums[r][c] += the sum over rows j of the tile of weights[r][j] times its column D / 32 lane + c.
template <int R, int D>
inline void addWeighted(thread float (&sums)[R][D / 32], const threadgroup float* weights,
                        const threadgroup ushort* tile, uint lane) {
  const threadgroup ushort* own = tile + int(lane) * (D / 32);
  for (int j = 0; j < kFlashKeys; j += 4) {
    float values[4][D / 32];
    for (int i = 0; i < 4; ++i) columnsAt(own + (j + i) * (D + kFlashPad), values[i]);
    for (int r = 0; r < R; ++r) {
      const float4 weight = fourAt(weights + r * kFlashKeys + j);
      for (int c = 0; c < D / 32; ++c)
        sums[r][c] += weight.x * values[0][c] + weight.y * values[1][c] + weight.z * values[2][c] +
                      weight.w * values[3][c];
    }
  }
}

// A row of queries of a kv head: a token and a query head of its group, heads fastest, so that a group shares
// the tiles of keys and values. Beyond the last row the last token stands in.
struct QueryRow {
  int64_t token, head;
  bool isThere;
};
inline QueryRow queryRow(constant AttentionParameters& p, uint kvHead, uint row) {
  const uint group = uint(p.at.heads / p.at.kvHeads), token = row / group;
  const bool isThere = token < uint(p.T);
  return {isThere ? int64_t(token) : p.T - 1, int64_t(kvHead * group + row % group), isThere};
}

// Rows of queries, or of dy: D elements at token * stride + head * D. By all threads.
template <int D>
inline void bringQueries(threadgroup float* to, const device ushort* from, int64_t stride,
                         constant AttentionParameters& p, uint kvHead, uint firstRow, int rows, uint index) {
  for (int i = int(index); i < rows * D / 4; i += kFlashThreads) {
    const QueryRow row = queryRow(p, kvHead, firstRow + uint(i) / (D / 4));
    const int column = i % (D / 4) * 4;
    setFour(to + i * 4, loadFour(from + row.token * stride + row.head * D + column, p.aligned != 0));
  }
}

// Which keys the rows of queries see: row r < R of a simdgroup those from its sequence's begin up to its own
// token, which lane r knows.
struct Sight {
  int token, begin;           // of the lane's row
  int firstToken, lastToken;  // of the simdgroup's rows, in which both ascend
  int firstBegin, lastBegin;
};
template <int R>
inline Sight sightOf(int token, int begin) {
  return {token,
          begin,
          simd_broadcast(token, 0),
          simd_broadcast(token, R - 1),
          simd_broadcast(begin, 0),
          simd_broadcast(begin, R - 1)};
}
// Whether any row sees a key of the 32 from `key` on, and whether all see all of them.
inline bool seesAny(Sight sight, int key) {
  return key <= sight.lastToken && key + kFlashKeys > sight.firstBegin;
}
inline bool seesAll(Sight sight, int key) {
  return key + kFlashKeys - 1 <= sight.firstToken && key >= sight.lastBegin;
}
// scores[r] of the lane's key becomes `hidden` where row r does not see it.
template <int R>
inline void hideScores(thread float (&scores)[R], Sight sight, int key, float hidden) {
  for (int r = 0; r < R; ++r) {
    const int token = simd_broadcast(sight.token, ushort(r)), begin = simd_broadcast(sight.begin, ushort(r));
    if (key < begin || key > token) scores[r] = hidden;
  }
}

// What the fast kernels of attention share, on a simdgroup's matrices (tile_product.h): the tiles of queries,
// keys, values and gradients in threadgroup memory, and the scores on their way from matrices to lanes and
// back. (Dao 2023) They take bf16 and heads of 64 or 128 elements.
//
// A threadgroup of four simdgroups has some rows of a result, and goes over the rows of the other side in
// steps. Scores are products of matrices whose elements no lane can name: they go through threadgroup memory
// in float32, where lanes take four at a time, and what becomes of them goes back to the same place as a
// factor of the next product. Sums over columns go in eights, in order.
#pragma once

#include "attention.h"
#include "grid.h"
#include "softmax.h"
#include "span.h"
#include "tile_product.h"

constant constexpr float kLog2E = 1.44269504088896341f, kLn2 = 0.693147180559945309f;
constant constexpr int kFlashBytes = int(sizeof(TileElement));

// Elements from a row to the next of a tile of heads, and floats of one of scores.
template <int D>
constexpr int tileStride() {
  return flashRowBytes(D, kFlashBytes) / kFlashBytes;
}
constexpr int scoreStride(int columns) {
  return flashRowBytes(columns, 4) / 4;
}

// A product that kTileRowGroups x kTileColumnGroups simdgroups share (firstRow and firstColumn in
// tile_product.h), of any depth.
template <int kTileRows, int kTileColumns, int kTileRowGroups, int kTileColumnGroups>
struct FlashShape {
  static constant constexpr int kRows = kTileRows, kColumns = kTileColumns, kDepth = 128;
  static constant constexpr int kRowGroups = kTileRowGroups, kColumnGroups = kTileColumnGroups;
  static constant constexpr int kDown = kRows / kRowGroups / 8, kAcross = kColumns / kColumnGroups / 8;
};

// Rows `stride` elements apart, of which the first `there` exist.
struct RowsInLine {
  const device ushort* from;
  int64_t stride;
  int there;

  bool isThere(int row) const { return row < there; }
  const device ushort* at(int row) const { return from + row * stride; }
};

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

// Rows of queries, or of dy: D elements at token * stride + head * D.
struct RowsOfGroup {
  const device ushort* from;
  int64_t stride, D, T;
  uint group, firstHead, firstRow;

  bool isThere(int) const { return true; }
  const device ushort* at(int row) const {
    const uint number = firstRow + uint(row), token = number / group;
    return from + (token < uint(T) ? int64_t(token) : T - 1) * stride + (firstHead + number % group) * D;
  }
};
inline RowsOfGroup rowsOfGroup(const device ushort* from, int64_t stride, constant AttentionParameters& p,
                               uint kvHead, uint firstRow) {
  const uint group = uint(p.at.heads / p.at.kvHeads);
  return {from, stride, p.at.D, p.T, group, kvHead * group, firstRow};
}

// `count` rows into a tile, zeros for those that do not exist. By all threads.
template <int D, class Rows>
inline void bringRows(threadgroup TileElement* tile, int count, thread const Rows& rows, bool aligned,
                      uint index) {
  for (int i = int(index); i < count * D / 4; i += int(kTileThreads)) {
    const int row = i / (D / 4), column = i % (D / 4) * 4;
    ushort4 bits = {0, 0, 0, 0};
    if (rows.isThere(row)) bits = loadFour(rows.at(row) + column, aligned);
    *(threadgroup TileFour*)(tile + row * tileStride<D>() + column) = tileFour(bits);
  }
}

// Scores of a simdgroup from its matrices to their place in a tile of them.
template <class Shape>
inline void storeScores(thread const TileSums<Shape>& scores, threadgroup float* tile, TilePlace place) {
  constexpr int kStride = scoreStride(Shape::kColumns);
  const int top = firstRow<Shape>(place), side = firstColumn<Shape>(place);
#pragma clang loop unroll(full)
  for (int i = 0; i < Shape::kDown; ++i) {
#pragma clang loop unroll(full)
    for (int j = 0; j < Shape::kAcross; ++j)
      simdgroup_store(scores.at[i][j], tile + (top + 8 * i) * kStride + side + 8 * j, ulong(kStride));
  }
}
// Four scores from column `column` of a row, and what they became, as elements of a factor whose rows lie
// kTilePacked times as many elements apart.
inline float4 takeScores(const threadgroup float* row, int column) {
  return *(const threadgroup float4*)(row + column);
}
inline void putFactors(threadgroup float* row, int column, float4 values) {
  *(threadgroup TileFour*)((threadgroup TileElement*)row + column) = tileFour(values);
}

// How many of a step's `count` rows from `first` on come before `end`.
inline int rowsBefore(int end, int first, int count) {
  return end - first < count ? end - first : count;
}

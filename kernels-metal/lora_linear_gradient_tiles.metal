// loraLinearBackward in tiles: scale * dy B first, in float32, then dx = dy W + (scale * dy B) A in the same
// sums, dLoraA += (scale * dy B)^T x and dLoraB += scale * dy^T (x A^T).
#include <metal_stdlib>
using namespace metal;

#include "lora_linear.h"
#include "tile_product.h"

struct WriteLow {
  device float* low;
  int64_t row, column, R;
  float scale;

  void operator()(int i, int j, float sum) const { low[(row + i) * R + column + j] = scale * sum; }
};

// scale * dy B of a slot, over the rows of W that have it. dy: (T, N), B: (N, r), low: (T, R)
KERNEL linearLowGradientTiles(const device uint8_t* dy [[buffer(0)]], const device uint8_t* B [[buffer(1)]],
                              device float* low [[buffer(2)]], constant LinearParameters& p [[buffer(3)]],
                              threadgroup float* memory THREADGROUP(0), PLACE) {
  using Shape = FewColumns;
  const TilePlace place = {index, simdgroup, lane};
  const int64_t rowTiles = (p.T + Shape::kRows - 1) / Shape::kRows;
  const int64_t columnTiles = (p.r + Shape::kColumns - 1) / Shape::kColumns, other = group.x / rowTiles;
  const int64_t row = group.x % rowTiles * Shape::kRows, column = other % columnTiles * Shape::kColumns;
  const int64_t slot = other / columnTiles;
  TileSums<Shape> sums;
  sums.clear();
  int64_t begin = 0;
  for (int32_t i = 0; i < p.segmentCount; ++i) {
    const MatrixFactor<false> ofDy = {dy, p.dy, (p.aligned & kAlignedDy) != 0, 0, p.N, p.T, p.ends[i]};
    const MatrixFactor<true> ofB = {B, p.B, (p.aligned & kAlignedB) != 0, 0, p.r, p.r, p.ends[i]};
    if (p.slots[i] == slot)
      addProduct<Shape, false, true>(sums, ofDy, row, ofB, column, begin, p.ends[i], memory, place);
    begin = p.ends[i];
  }
  const WriteLow write = {low, row, slot * p.r + column, p.R, p.scale};
  forSums(sums, p.T - row, p.r - column, memory, write, place);
}

struct WriteRows {
  device uint8_t* data;
  int32_t dtype;
  int64_t row, column, stride;

  void operator()(int i, int j, float sum) const { setAt(data, dtype, (row + i) * stride + column + j, sum); }
};

// W: (N, K), A: (R, K), dx: (T, K)
template <class Shape>
inline void inputGradientTiles(const device uint8_t* dy, const device uint8_t* weight,
                               const device float* low, const device uint8_t* A, device uint8_t* dx,
                               constant LinearParameters& p, threadgroup float* memory, int64_t number,
                               TilePlace place) {
  const int64_t rowTiles = (p.T + Shape::kRows - 1) / Shape::kRows;
  const int64_t row = number % rowTiles * Shape::kRows, column = number / rowTiles * Shape::kColumns;
  const MatrixFactor<false> ofDy = {dy, p.dy, (p.aligned & kAlignedDy) != 0, 0, p.N, p.T, p.N};
  const MatrixFactor<true> ofWeight = {weight, p.weight, (p.aligned & kAlignedWeight) != 0, 0, p.K, p.K, p.N};
  const MatrixFactor<false> ofLow = {(const device uint8_t*)low, kF32, true, 0, p.R, p.T, p.R};
  const MatrixFactor<true> ofA = {A, p.A, (p.aligned & kAlignedA) != 0, 0, p.K, p.K, p.R};
  TileSums<Shape> sums;
  sums.clear();
  addProduct<Shape, false, true>(sums, ofDy, row, ofWeight, column, 0, p.N, memory, place);
  addProduct<Shape, false, true>(sums, ofLow, row, ofA, column, 0, p.R, memory, place);
  const WriteRows write = {dx, p.dx, row, column, p.K};
  forSums(sums, p.T - row, p.K - column, memory, write, place);
}

KERNEL linearInputGradientSome(const device uint8_t* dy [[buffer(0)]],
                               const device uint8_t* weight [[buffer(1)]],
                               const device float* low [[buffer(2)]], const device uint8_t* A [[buffer(3)]],
                               device uint8_t* dx [[buffer(4)]], constant LinearParameters& p [[buffer(5)]],
                               threadgroup float* memory THREADGROUP(0), PLACE) {
  inputGradientTiles<SomeRows>(dy, weight, low, A, dx, p, memory, group.x, {index, simdgroup, lane});
}
KERNEL linearInputGradientMany(const device uint8_t* dy [[buffer(0)]],
                               const device uint8_t* weight [[buffer(1)]],
                               const device float* low [[buffer(2)]], const device uint8_t* A [[buffer(3)]],
                               device uint8_t* dx [[buffer(4)]], constant LinearParameters& p [[buffer(5)]],
                               threadgroup float* memory THREADGROUP(0), PLACE) {
  inputGradientTiles<ManyRows>(dy, weight, low, A, dx, p, memory, group.x, {index, simdgroup, lane});
}

struct AddRows {
  device float* data;
  int64_t row, column, stride;
  float scale;

  void operator()(int i, int j, float sum) const { data[(row + i) * stride + column + j] += scale * sum; }
};

// x: (T, K), dA: (R, K); the sums go over the tokens in their order.
template <class Shape>
inline void aGradientTiles(const device float* low, const device uint8_t* x, device float* dA,
                           constant LinearParameters& p, threadgroup float* memory, int64_t number,
                           TilePlace place) {
  const int64_t rowTiles = (p.R + Shape::kRows - 1) / Shape::kRows;
  const int64_t row = number % rowTiles * Shape::kRows, column = number / rowTiles * Shape::kColumns;
  const MatrixFactor<true> ofLow = {(const device uint8_t*)low, kF32, true, 0, p.R, p.R, p.T};
  const MatrixFactor<true> ofX = {x, p.x, (p.aligned & kAlignedX) != 0, 0, p.K, p.K, p.T};
  TileSums<Shape> sums;
  sums.clear();
  addProduct<Shape, true, true>(sums, ofLow, row, ofX, column, 0, p.T, memory, place);
  const AddRows write = {dA, row, column, p.K, 1};
  forSums(sums, p.R - row, p.K - column, memory, write, place);
}

KERNEL linearAGradientSome(const device float* low [[buffer(0)]], const device uint8_t* x [[buffer(1)]],
                           device float* dA [[buffer(2)]], constant LinearParameters& p [[buffer(3)]],
                           threadgroup float* memory THREADGROUP(0), PLACE) {
  aGradientTiles<SomeRows>(low, x, dA, p, memory, group.x, {index, simdgroup, lane});
}
KERNEL linearAGradientMany(const device float* low [[buffer(0)]], const device uint8_t* x [[buffer(1)]],
                           device float* dA [[buffer(2)]], constant LinearParameters& p [[buffer(3)]],
                           threadgroup float* memory THREADGROUP(0), PLACE) {
  aGradientTiles<ManyRows>(low, x, dA, p, memory, group.x, {index, simdgroup, lane});
}

// Rows without a slot stay as they are. xa: (T, R), dB: (N, r)
KERNEL linearBGradientTiles(const device uint8_t* dy [[buffer(0)]], const device uint8_t* xa [[buffer(1)]],
                            device float* dB [[buffer(2)]], constant LinearParameters& p [[buffer(3)]],
                            threadgroup float* memory THREADGROUP(0), PLACE) {
  using Shape = FewColumns;
  const TilePlace place = {index, simdgroup, lane};
  const int64_t columnTiles = (p.r + Shape::kColumns - 1) / Shape::kColumns;
  const int64_t column = group.x % columnTiles * Shape::kColumns;
  int64_t left = group.x / columnTiles, row = 0, end = 0, begin = 0;
  int32_t slot = -1;
  for (int32_t i = 0; i < p.segmentCount; ++i) {
    const int64_t tiles = (p.ends[i] - begin + Shape::kRows - 1) / Shape::kRows;
    if (left < tiles) {
      row = begin + left * Shape::kRows;
      end = p.ends[i];
      slot = p.slots[i];
      break;
    }
    left -= tiles;
    begin = p.ends[i];
  }
  if (slot < 0) return;
  const MatrixFactor<true> ofDy = {dy, p.dy, (p.aligned & kAlignedDy) != 0, 0, p.N, end, p.T};
  const MatrixFactor<true> ofXa = {xa, p.xa, (p.aligned & kAlignedXa) != 0, slot * p.r, p.R, p.r, p.T};
  TileSums<Shape> sums;
  sums.clear();
  addProduct<Shape, true, true>(sums, ofDy, row, ofXa, column, 0, p.T, memory, place);
  const AddRows write = {dB, row, column, p.r, p.scale};
  forSums(sums, end - row, p.r - column, memory, write, place);
}

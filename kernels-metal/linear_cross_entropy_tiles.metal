// linearCrossEntropy in tiles, without the logits in memory. A threadgroup goes over a part of the vocabulary
// and keeps of each row the highest logit and the sum of exponentials below it; a second kernel puts the
// parts together. For dx the logits are made again, kGradientColumns at a time, and become the left factor of
// a product with the same rows of W.
#include <metal_stdlib>
using namespace metal;

#include "linear_cross_entropy.h"
#include "tile_product.h"

// Of one row: all logits so far.
struct RowSum {
  float highest, total;
};

// Adds a tile's logits, `columns` of which are there, to what each simdgroup knows of its rows and columns;
// four lanes share a row. The logit of a row's target, which some lane meets, goes to targetLogits.
template <class Shape>
inline void addLogits(thread RowSum* known, thread const TileSums<Shape>& sums, int64_t rows, int64_t column,
                      int64_t columns, const device int32_t* targets, device float* targetLogits,
                      threadgroup float* memory, TilePlace place) {
  constexpr int kWidth = 8 * Shape::kAcross, kStride = kWidth + kTilePad;
  const int top = firstRow<Shape>(place), side = firstColumn<Shape>(place);
  const int own = int(place.lane) / 4, from = int(place.lane) % 4 * (kWidth / 4);
  threadgroup float* const logits = memory + int(place.simdgroup) * 8 * kStride;
  threadgroup_barrier(mem_flags::mem_threadgroup);  // all have used the last step
#pragma clang loop unroll(full)
  for (int i = 0; i < Shape::kDown; ++i) {
    if (top + 8 * i >= rows || side >= columns) continue;
#pragma clang loop unroll(full)
    for (int j = 0; j < Shape::kAcross; ++j) simdgroup_store(sums.at[i][j], logits + 8 * j, kStride);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    const int row = top + 8 * i + own;
    const int64_t target = row < rows ? targets[row] : -1;
    float highest = -INFINITY;
    for (int c = from; c < from + kWidth / 4 && side + c < columns; ++c) {
      const float logit = logits[own * kStride + c];
      highest = metal::fmax(highest, logit);
      if (column + side + c == target) targetLogits[row] = logit;
    }
    highest = metal::fmax(highest, simd_shuffle_xor(highest, ushort(1)));
    highest = metal::fmax(highest, simd_shuffle_xor(highest, ushort(2)));
    highest = metal::fmax(highest, known[i].highest);
    float total = 0;
    for (int c = from; c < from + kWidth / 4 && side + c < columns; ++c)
      total += precise::exp(logits[own * kStride + c] - highest);
    total += simd_shuffle_xor(total, ushort(1));
    total += simd_shuffle_xor(total, ushort(2));
    if (known[i].total != 0) total += known[i].total * precise::exp(known[i].highest - highest);
    known[i].highest = highest;
    known[i].total = total;
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
}

// parts: (vocabulary parts, column groups, rows) of RowSum
template <class Shape>
inline void lossParts(const device uint8_t* x, const device uint8_t* weight, const device int32_t* targets,
                      device float* parts, device float* targetLogits, constant LossParameters& p,
                      threadgroup float* memory, int64_t number, TilePlace place) {
  const int64_t rowTiles = (p.rows + Shape::kRows - 1) / Shape::kRows;
  const int64_t row = number % rowTiles * Shape::kRows, part = number / rowTiles, rows = p.rows - row;
  const int64_t begin = part * kPartColumns, end = begin + kPartColumns < p.V ? begin + kPartColumns : p.V;
  const MatrixFactor<false> ofX = {x, p.x, (p.aligned & kAlignedLossX) != 0, p.first * p.D, p.D, p.rows, p.D};
  const MatrixFactor<false> ofWeight = {weight, p.weight, (p.aligned & kAlignedLossWeight) != 0, 0, p.D,
                                        end,    p.D};
  RowSum known[Shape::kDown];
#pragma clang loop unroll(full)
  for (int i = 0; i < Shape::kDown; ++i) known[i] = {-INFINITY, 0};
  TileSums<Shape> sums;
  for (int64_t column = begin; column < end; column += Shape::kColumns) {
    sums.clear();
    addProduct<Shape, false, false>(sums, ofX, row, ofWeight, column, 0, p.D, memory, place);
    addLogits(known, sums, rows, column, end - column, targets + p.first + row, targetLogits + row, memory,
              place);
  }
  const int64_t place0 = part * Shape::kColumnGroups + int(place.simdgroup) % Shape::kColumnGroups;
  if (place.lane % 4 != 0) return;
#pragma clang loop unroll(full)
  for (int i = 0; i < Shape::kDown; ++i) {
    const int64_t own = firstRow<Shape>(place) + 8 * i + int(place.lane) / 4;
    if (own >= rows) continue;
    device float* to = parts + 2 * (place0 * p.rows + row + own);
    to[0] = known[i].highest;
    to[1] = known[i].total;
  }
}

KERNEL lossPartsSome(const device uint8_t* x [[buffer(0)]], const device uint8_t* weight [[buffer(1)]],
                     const device int32_t* targets [[buffer(2)]], device float* parts [[buffer(3)]],
                     device float* targetLogits [[buffer(4)]], constant LossParameters& p [[buffer(5)]],
                     threadgroup float* memory THREADGROUP(0), PLACE) {
  lossParts<SomeRows>(x, weight, targets, parts, targetLogits, p, memory, group.x, {index, simdgroup, lane});
}
KERNEL lossPartsMany(const device uint8_t* x [[buffer(0)]], const device uint8_t* weight [[buffer(1)]],
                     const device int32_t* targets [[buffer(2)]], device float* parts [[buffer(3)]],
                     device float* targetLogits [[buffer(4)]], constant LossParameters& p [[buffer(5)]],
                     threadgroup float* memory THREADGROUP(0), PLACE) {
  lossParts<ManyRows>(x, weight, targets, parts, targetLogits, p, memory, group.x, {index, simdgroup, lane});
}

// A row a thread: its parts in their order, then its loss. rowSums: (rows) of highest, total and the factor
// of softmax - onehot in the gradient, 0 where none is asked for.
KERNEL lossOfParts(const device float* parts [[buffer(0)]], const device float* targetLogits [[buffer(1)]],
                   const device int32_t* targets [[buffer(2)]], const device float* tokenWeight [[buffer(3)]],
                   device float* rowSums [[buffer(4)]], device float* loss [[buffer(5)]],
                   device float* logprob [[buffer(6)]], constant LossParameters& p [[buffer(7)]], PLACE) {
  const int64_t row = elementOf(group, index), t = p.first + row;
  if (row >= p.rows) return;
  const float weight = p.hasWeights ? tokenWeight[t] : 1.0f;
  const int64_t target = inside(targets[t], 0, p.V, -1);
  const bool isAsked = target >= 0 && (weight != 0 || p.hasLogprob);
  float highest = -INFINITY, total = 0;
  for (int64_t i = 0; isAsked && i < p.parts; ++i)
    highest = metal::fmax(highest, parts[2 * (i * p.rows + row)]);
  for (int64_t i = 0; isAsked && i < p.parts; ++i) {
    const device float* part = parts + 2 * (i * p.rows + row);
    if (part[1] != 0) total += part[1] * precise::exp(part[0] - highest);
  }
  const float ofTarget = isAsked ? targetLogits[row] - highest - precise::log(total) : 0.0f;
  loss[t] = !isAsked || weight == 0 ? 0.0f : -weight * ofTarget;
  if (p.hasLogprob) logprob[t] = ofTarget;
  rowSums[3 * row] = highest;
  rowSums[3 * row + 1] = total;
  rowSums[3 * row + 2] = isAsked ? p.gradScale * weight : 0.0f;
}

struct WriteGradient {
  const device float* rowSums;
  const device int32_t* targets;
  device float* gradient;
  int64_t row, column, first, stride;

  void operator()(int i, int j, float logit) const {
    const int64_t t = row + i, v = column + j;
    const device float* sums = rowSums + 3 * t;
    float value = 0;
    if (sums[2] != 0) {
      const float probability = precise::exp(logit - sums[0]) / sums[1];
      value = sums[2] * (v == targets[t] ? probability - 1 : probability);
    }
    gradient[t * stride + v - first] = value;
  }
};

// The gradient by the logits from p.begin to p.end. gradient: (rows, kGradientColumns)
template <class Shape>
inline void lossLogitGradient(const device uint8_t* x, const device uint8_t* weight,
                              const device int32_t* targets, const device float* rowSums,
                              device float* gradient, constant LossParameters& p, threadgroup float* memory,
                              int64_t number, TilePlace place) {
  const int64_t rowTiles = (p.rows + Shape::kRows - 1) / Shape::kRows;
  const int64_t row = number % rowTiles * Shape::kRows;
  const int64_t column = p.begin + number / rowTiles * Shape::kColumns;
  const MatrixFactor<false> ofX = {x, p.x, (p.aligned & kAlignedLossX) != 0, p.first * p.D, p.D, p.rows, p.D};
  const MatrixFactor<false> ofWeight = {weight, p.weight, (p.aligned & kAlignedLossWeight) != 0, 0, p.D,
                                        p.end,  p.D};
  TileSums<Shape> sums;
  sums.clear();
  addProduct<Shape, false, false>(sums, ofX, row, ofWeight, column, 0, p.D, memory, place);
  const WriteGradient write = {rowSums, targets + p.first, gradient, row, column, p.begin, kGradientColumns};
  forSums(sums, p.rows - row, p.end - column, memory, write, place);
}

KERNEL lossLogitGradientSome(const device uint8_t* x [[buffer(0)]],
                             const device uint8_t* weight [[buffer(1)]],
                             const device int32_t* targets [[buffer(2)]],
                             const device float* rowSums [[buffer(3)]], device float* gradient [[buffer(4)]],
                             constant LossParameters& p [[buffer(5)]],
                             threadgroup float* memory THREADGROUP(0), PLACE) {
  lossLogitGradient<SomeRows>(x, weight, targets, rowSums, gradient, p, memory, group.x,
                              {index, simdgroup, lane});
}
KERNEL lossLogitGradientMany(const device uint8_t* x [[buffer(0)]],
                             const device uint8_t* weight [[buffer(1)]],
                             const device int32_t* targets [[buffer(2)]],
                             const device float* rowSums [[buffer(3)]], device float* gradient [[buffer(4)]],
                             constant LossParameters& p [[buffer(5)]],
                             threadgroup float* memory THREADGROUP(0), PLACE) {
  lossLogitGradient<ManyRows>(x, weight, targets, rowSums, gradient, p, memory, group.x,
                              {index, simdgroup, lane});
}

// Of what the chunks of the vocabulary give, in their order.
struct AddChunk {
  device float* sofar;
  device uint8_t* dx;
  int32_t dtype;
  bool isFirst, isLast;
  int64_t row, column, first, D;

  void operator()(int i, int j, float sum) const {
    const int64_t at = (row + i) * D + column + j;
    if (!isFirst) sum += sofar[at];
    if (isLast)
      setAt(dx, dtype, first * D + at, sum);
    else
      sofar[at] = sum;
  }
};

// dx += gradient W[p.begin, p.end)
template <class Shape>
inline void lossChunkGradient(const device float* gradient, const device uint8_t* weight, device float* sofar,
                              device uint8_t* dx, constant LossParameters& p, threadgroup float* memory,
                              int64_t number, TilePlace place) {
  const int64_t rowTiles = (p.rows + Shape::kRows - 1) / Shape::kRows, count = p.end - p.begin;
  const int64_t row = number % rowTiles * Shape::kRows, column = number / rowTiles * Shape::kColumns;
  const MatrixFactor<false> ofGradient = {
      (const device uint8_t*)gradient, kF32, true, 0, kGradientColumns, p.rows, count};
  const MatrixFactor<true> ofWeight = {
      weight, p.weight, (p.aligned & kAlignedLossWeight) != 0, p.begin * p.D, p.D, p.D, count};
  TileSums<Shape> sums;
  sums.clear();
  addProduct<Shape, false, true>(sums, ofGradient, row, ofWeight, column, 0, count, memory, place);
  const AddChunk write = {sofar, dx, p.dx, p.begin == 0, p.end == p.V, row, column, p.first, p.D};
  forSums(sums, p.rows - row, p.D - column, memory, write, place);
}

KERNEL lossChunkGradientSome(const device float* gradient [[buffer(0)]],
                             const device uint8_t* weight [[buffer(1)]], device float* sofar [[buffer(2)]],
                             device uint8_t* dx [[buffer(3)]], constant LossParameters& p [[buffer(4)]],
                             threadgroup float* memory THREADGROUP(0), PLACE) {
  lossChunkGradient<SomeRows>(gradient, weight, sofar, dx, p, memory, group.x, {index, simdgroup, lane});
}
KERNEL lossChunkGradientMany(const device float* gradient [[buffer(0)]],
                             const device uint8_t* weight [[buffer(1)]], device float* sofar [[buffer(2)]],
                             device uint8_t* dx [[buffer(3)]], constant LossParameters& p [[buffer(4)]],
                             threadgroup float* memory THREADGROUP(0), PLACE) {
  lossChunkGradient<ManyRows>(gradient, weight, sofar, dx, p, memory, group.x, {index, simdgroup, lane});
}

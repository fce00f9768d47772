// loraLinearForward in tiles: y = x W^T + bias + scale * (x A^T) B^T + residual in one grid. A threadgroup
// makes x A^T of its rows, keeps it in threadgroup memory, and goes on from x W^T into (x A^T) B^T in the
// same sums, for a span of tiles side by side. Nobody waits for another threadgroup, for which Metal has no
// means.
#include <metal_stdlib>
using namespace metal;

#include "lora_segments.h"
#include "tile_product.h"

// The rows of A of one slot, those of each adapter padded with zeros. Row c is row c % padded of adapter
// c / padded.
struct AdapterRows {
  const device uint8_t* data;
  int32_t dtype;
  bool isAligned;
  int64_t first, r, padded, R, rows, depth;

  TileFour bring(int64_t row, int64_t k) const {
    const int64_t adapter = row / padded, j = row % padded;
    return bringFour(data, dtype, isAligned, (adapter * R + first + j) * depth + k,
                     row < rows && j < r ? depth - k : 0);
  }
};

// Element (n, c) is element c % padded of row n of B of adapter c / padded.
struct AdapterColumns {
  const device uint8_t* data;
  int32_t dtype;
  bool isAligned;
  int64_t N, r, padded, rows, depth;

  TileFour bring(int64_t row, int64_t k) const {
    const int64_t adapter = k / padded, j = k % padded;
    return bringFour(data, dtype, isAligned, (adapter * N + row) * r + j,
                     row < rows && k < depth ? r - j : 0);
  }
};

// Tiles of y side by side that have the same slot.
struct TileSpan {
  int64_t row, begin, end;
  int32_t slot;
  bool keepsLow;  // the first that has these rows and this slot
};

template <class Shape>
inline TileSpan spanOf(constant LinearParameters& p, int64_t number) {
  const int64_t rowTiles = (p.T + Shape::kRows - 1) / Shape::kRows, width = int64_t(p.span) * Shape::kColumns;
  int64_t left = number / rowTiles, begin = 0;
  TileSpan span = {number % rowTiles * Shape::kRows, 0, 0, -1, false};
  for (int32_t i = 0; i < p.segmentCount; ++i) {
    const int64_t spans = (p.ends[i] - begin + width - 1) / width;
    if (left < spans) {
      span.begin = begin + left * width;
      span.end = span.begin + width < p.ends[i] ? span.begin + width : p.ends[i];
      span.slot = p.slots[i];
      span.keepsLow = p.keepsLow && left == 0 && span.slot >= 0;
      for (int32_t j = 0; j < i; ++j)
        if (p.slots[j] == span.slot && p.ends[j] > (j == 0 ? 0 : p.ends[j - 1])) span.keepsLow = false;
      break;
    }
    left -= spans;
    begin = p.ends[i];
  }
  return span;
}

// scale * x A^T into threadgroup memory, and x A^T into the op's output. A row has 0 in the columns of
// adapters that are not its own.
struct KeepLow {
  threadgroup TileElement* low;
  int stride;
  int64_t row, column, first;
  const device int32_t* adapterOfRow;
  device uint8_t* xa;  // or absent
  float scale;
  int64_t T, R, r, padded, P;
  int32_t hasAdapters, dtype;
  bool keeps;

  void operator()(int i, int j, float sum) const {
    const int64_t t = row + i, c = column + j;
    const bool isThere = t < T && c % padded < r;
    const int64_t adapter = isThere && hasAdapters ? inside(adapterOfRow[t], 0, P, -1) : 0;
    low[i * stride + c] = tileElement(isThere && adapter == c / padded ? scale * sum : 0.0f);
    if (keeps && isThere) setAt(xa, dtype, t * R + first + c, sum);
  }
};

struct WriteY {
  const device float* bias;
  const device uint8_t* residual;
  device uint8_t* y;
  int64_t row, column, N;
  int32_t hasBias, hasResidual, residualType, yType;

  // residual may be y itself: a thread reads the element that it writes.
  void operator()(int i, int j, float sum) const {
    const int64_t n = column + j, at = (row + i) * N + n;
    if (hasBias) sum += bias[n];
    if (hasResidual) sum += valueAt(residual, residualType, at);
    setAt(y, yType, at, sum);
  }
};

// x: (T, K), W: (N, K), A: (P, R, K), B: (P, N, r), y: (T, N), xa: (T, R). Threadgroup memory:
// Shape::kFloats, and with adapters rows of x A^T, lowColumns + kTilePad elements apart.
template <class Shape>
inline void forwardTiles(const device uint8_t* x, const device uint8_t* weight, const device uint8_t* A,
                         const device uint8_t* B, const device int32_t* adapterOfRow,
                         const device float* bias, const device uint8_t* residual, device uint8_t* y,
                         device uint8_t* xa, constant LinearParameters& p, threadgroup float* memory,
                         int64_t number, TilePlace place) {
  using RightStep = StepOf<false, Shape::kColumns, stepDepth<Shape>()>;
  const TileSpan span = spanOf<Shape>(p, number);
  const int64_t rows = p.T - span.row, roundedRows = (rows + 7) / 8 * 8;
  const MatrixFactor<false> ofX = {x, p.x, (p.aligned & kAlignedX) != 0, 0, p.K, p.T, p.K};
  const MatrixFactor<false> ofWeight = {weight,   p.weight, (p.aligned & kAlignedWeight) != 0, 0, p.K,
                                        span.end, p.K};

  // The columns of x A^T that these rows have: of the adapters from the first to the last of them.
  threadgroup TileElement* const low = (threadgroup TileElement*)(memory + Shape::kFloats);
  const int lowStride = p.lowColumns + kTilePad;
  int64_t lowBegin = 0, lowEnd = span.slot < 0 ? 0 : p.lowColumns;
  if (span.slot >= 0 && p.hasAdapters) {
    int64_t first = p.P, last = -1;
    for (int64_t t = span.row; t < p.T && t < span.row + Shape::kRows; ++t) {
      const int64_t adapter = adapterOf(adapterOfRow, p, t);
      if (adapter >= 0 && adapter < first) first = adapter;
      if (adapter > last) last = adapter;
    }
    lowBegin = first * p.padded;
    lowEnd = (last + 1) * p.padded;
  }
  TileSums<Shape> sums;
  for (int64_t column = lowBegin; column < lowEnd; column += Shape::kColumns) {
    const AdapterRows ofA = {A,      p.A, (p.aligned & kAlignedA) != 0, span.slot * p.r, p.r, p.padded, p.R,
                             lowEnd, p.K};
    sums.clear();
    addProduct<Shape, false, false>(sums, ofX, span.row, ofA, column, 0, p.K, memory, place);
    const KeepLow keep = {
        low, lowStride, span.row, column, span.slot * p.r, adapterOfRow, xa,           p.scale, p.T,
        p.R, p.r,       p.padded, p.P,    p.hasAdapters,   p.xa,         span.keepsLow};
    forSums(sums, roundedRows, lowEnd - column, memory, keep, place);
  }

  threadgroup TileElement* const other = (threadgroup TileElement*)(memory + Shape::kLeftFloats);
  for (int64_t column = span.begin; column < span.end; column += Shape::kColumns) {
    sums.clear();
    addProduct<Shape, false, false>(sums, ofX, span.row, ofWeight, column, 0, p.K, memory, place);
    const AdapterColumns ofB = {B, p.B, (p.aligned & kAlignedB) != 0, p.N, p.r, p.padded, span.end, lowEnd};
    for (int64_t k = lowBegin; k < lowEnd; k += stepDepth<Shape>()) {
      threadgroup_barrier(mem_flags::mem_threadgroup);  // all have used what was there, and x A^T is there
      RightStep::fill(other, ofB, column, k, place.index);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      addStep<Shape, false, false>(sums, low + k, lowStride, other, RightStep::kStride, lowEnd - k, rows,
                                   span.end - column, place);
    }
    const WriteY write = {bias,      residual,      y,          span.row, column, p.N,
                          p.hasBias, p.hasResidual, p.residual, p.y};
    forSums(sums, rows, span.end - column, memory, write, place);
  }
}

KERNEL linearForwardFew(const device uint8_t* x [[buffer(0)]], const device uint8_t* weight [[buffer(1)]],
                        const device uint8_t* A [[buffer(2)]], const device uint8_t* B [[buffer(3)]],
                        const device int32_t* adapterOfRow [[buffer(4)]],
                        const device float* bias [[buffer(5)]], const device uint8_t* residual [[buffer(6)]],
                        device uint8_t* y [[buffer(7)]], device uint8_t* xa [[buffer(8)]],
                        constant LinearParameters& p [[buffer(9)]], threadgroup float* memory THREADGROUP(0),
                        PLACE) {
  forwardTiles<FewRows>(x, weight, A, B, adapterOfRow, bias, residual, y, xa, p, memory, group.x,
                        {index, simdgroup, lane});
}
KERNEL linearForwardSome(const device uint8_t* x [[buffer(0)]], const device uint8_t* weight [[buffer(1)]],
                         const device uint8_t* A [[buffer(2)]], const device uint8_t* B [[buffer(3)]],
                         const device int32_t* adapterOfRow [[buffer(4)]],
                         const device float* bias [[buffer(5)]], const device uint8_t* residual [[buffer(6)]],
                         device uint8_t* y [[buffer(7)]], device uint8_t* xa [[buffer(8)]],
                         constant LinearParameters& p [[buffer(9)]], threadgroup float* memory THREADGROUP(0),
                         PLACE) {
  forwardTiles<SomeRows>(x, weight, A, B, adapterOfRow, bias, residual, y, xa, p, memory, group.x,
                         {index, simdgroup, lane});
}
KERNEL linearForwardMany(const device uint8_t* x [[buffer(0)]], const device uint8_t* weight [[buffer(1)]],
                         const device uint8_t* A [[buffer(2)]], const device uint8_t* B [[buffer(3)]],
                         const device int32_t* adapterOfRow [[buffer(4)]],
                         const device float* bias [[buffer(5)]], const device uint8_t* residual [[buffer(6)]],
                         device uint8_t* y [[buffer(7)]], device uint8_t* xa [[buffer(8)]],
                         constant LinearParameters& p [[buffer(9)]], threadgroup float* memory THREADGROUP(0),
                         PLACE) {
  forwardTiles<ManyRows>(x, weight, A, B, adapterOfRow, bias, residual, y, xa, p, memory, group.x,
                         {index, simdgroup, lane});
}

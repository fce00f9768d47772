// Products of matrices of any dtype, a tile a threadgroup, on a simdgroup's matrices of 8 x 8.
//
// Factors become float32 on their way into threadgroup memory, block formats with them, and all arithmetic is
// float32: that of every chip since the M1, where bf16 is slow and float16 has not the range of bf16. An
// element is a sum over k in ascending order, in eights, and what is beyond the factors counts as 0: its bits
// depend neither on the shape of the tile nor on the other rows.
#pragma once

#include "grid.h"
#include "operand.h"
#include "tiles.h"

// Where a thread is.
struct TilePlace {
  uint index, simdgroup, lane;
};

// Elements i to i + 3 of a tensor as float32, of which the first `count` are there; the others are 0.
// `isAligned`: the tensor begins at a multiple of sixteen bytes.
inline void bringFour(const device uint8_t* data, int32_t dtype, bool isAligned, int64_t i, int64_t count,
                      thread float* four) {
  if (count >= 4 && i % 4 == 0 && isAligned && dtype == kBf16) {
    const uint2 bits = *(const device uint2*)(data + 2 * i);
    four[0] = as_type<float>(bits.x << 16);
    four[1] = as_type<float>(bits.x & 0xffff0000u);
    four[2] = as_type<float>(bits.y << 16);
    four[3] = as_type<float>(bits.y & 0xffff0000u);
  } else if (count >= 4 && i % 4 == 0 && isAligned && dtype == kF32) {
    const uint4 bits = *(const device uint4*)(data + 4 * i);
    four[0] = as_type<float>(bits.x);
    four[1] = as_type<float>(bits.y);
    four[2] = as_type<float>(bits.z);
    four[3] = as_type<float>(bits.w);
  } else if (count >= 4 && i % 4 == 0 && isBlocks(dtype)) {
    blockFour(data, dtype, i, four);
  } else {
    for (int j = 0; j < 4; ++j) four[j] = j < count ? elementAt(data, dtype, i + j) : 0.0f;
  }
}

// A factor whose element (row, k) is data[start + row * stride + k], or data[start + k * stride + row] where
// kAlongRows; 0 where row >= rows or k >= depth.
template <bool kAlongRows>
struct MatrixFactor {
  const device uint8_t* data;
  int32_t dtype;
  bool isAligned;
  int64_t start, stride, rows, depth;

  // Four elements, along the rows or along k.
  void bring(int64_t row, int64_t k, thread float* four) const {
    const int64_t outer = kAlongRows ? k : row, inner = kAlongRows ? row : k;
    const int64_t outerEnd = kAlongRows ? depth : rows, innerEnd = kAlongRows ? rows : depth;
    bringFour(data, dtype, isAligned, start + outer * stride + inner, outer < outerEnd ? innerEnd - inner : 0,
              four);
  }
};

// A step of a factor in threadgroup memory, kRows rows and kDepth columns, where neighbours in device memory
// are neighbours too.
template <bool kAlongRows, int kRows, int kDepth>
struct StepOf {
  static constant constexpr int kStride = (kAlongRows ? kRows : kDepth) + kTilePad;

  template <class Factor>
  static void fill(threadgroup float* step, thread const Factor& factor, int64_t row, int64_t k, uint index) {
    constexpr int kFours = (kAlongRows ? kRows : kDepth) / 4, kOuter = kAlongRows ? kDepth : kRows;
    for (int i = int(index); i < kFours * kOuter; i += int(kTileThreads)) {
      const int outer = i / kFours, inner = i % kFours * 4;
      float four[4];
      factor.bring(row + (kAlongRows ? inner : outer), k + (kAlongRows ? outer : inner), four);
      for (int j = 0; j < 4; ++j) step[outer * kStride + inner + j] = four[j];
    }
  }
};

// The 8 x 8 elements from (row, k) of a step on; with rows and columns exchanged where k is to go down.
template <bool kAlongRows>
inline void takeMatrix(thread simdgroup_float8x8& matrix, const threadgroup float* step, int stride, int row,
                       int k, bool isExchanged) {
  simdgroup_load(matrix, step + (kAlongRows ? k * stride + row : row * stride + k), ulong(stride), ulong2(0),
                 kAlongRows != isExchanged);
}

// The sums of a tile, a simdgroup its own part. Loops over them are unrolled: a simdgroup's matrices lie in
// registers, which no index reaches.
template <class Shape>
struct TileSums {
  simdgroup_float8x8 at[Shape::kDown][Shape::kAcross];

  void clear() {
#pragma clang loop unroll(full)
    for (int i = 0; i < Shape::kDown; ++i) {
#pragma clang loop unroll(full)
      for (int j = 0; j < Shape::kAcross; ++j) at[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    }
  }
};

// Where the part of a simdgroup begins in its tile.
template <class Shape>
inline int firstRow(TilePlace place) {
  return int(place.simdgroup) / Shape::kColumnGroups * (8 * Shape::kDown);
}
template <class Shape>
inline int firstColumn(TilePlace place) {
  return int(place.simdgroup) % Shape::kColumnGroups * (8 * Shape::kAcross);
}

// sums += left right^T of a step in threadgroup memory, over its first `depth` columns. Matrices beyond
// `rows` and `columns` of the tile are left out.
template <class Shape, bool kLeftAlongRows, bool kRightAlongRows>
inline void addStep(thread TileSums<Shape>& sums, const threadgroup float* left, int leftStride,
                    const threadgroup float* right, int rightStride, int64_t depth, int64_t rows,
                    int64_t columns, TilePlace place) {
  const int top = firstRow<Shape>(place), side = firstColumn<Shape>(place);
  for (int k = 0; k < Shape::kDepth && k < depth; k += 8) {
    simdgroup_float8x8 a[Shape::kDown], b[Shape::kAcross];
#pragma clang loop unroll(full)
    for (int i = 0; i < Shape::kDown; ++i)
      if (top + 8 * i < rows) takeMatrix<kLeftAlongRows>(a[i], left, leftStride, top + 8 * i, k, false);
#pragma clang loop unroll(full)
    for (int j = 0; j < Shape::kAcross; ++j)
      if (side + 8 * j < columns)
        takeMatrix<kRightAlongRows>(b[j], right, rightStride, side + 8 * j, k, true);
#pragma clang loop unroll(full)
    for (int i = 0; i < Shape::kDown; ++i) {
#pragma clang loop unroll(full)
      for (int j = 0; j < Shape::kAcross; ++j)
        if (top + 8 * i < rows && side + 8 * j < columns)
          simdgroup_multiply_accumulate(sums.at[i][j], a[i], b[j], sums.at[i][j]);
    }
  }
}

// sums += left right^T over k from `begin` to `end`, of the tile whose first elements are `row` of left and
// `column` of right. All threads call it. `memory`: Shape::kFloats, which others may read until a barrier.
template <class Shape, bool kLeftAlongRows, bool kRightAlongRows, class Left, class Right>
inline void addProduct(thread TileSums<Shape>& sums, thread const Left& left, int64_t row,
                       thread const Right& right, int64_t column, int64_t begin, int64_t end,
                       threadgroup float* memory, TilePlace place) {
  using LeftStep = StepOf<kLeftAlongRows, Shape::kRows, Shape::kDepth>;
  using RightStep = StepOf<kRightAlongRows, Shape::kColumns, Shape::kDepth>;
  threadgroup float* const other = memory + Shape::kLeftFloats;
  for (int64_t k = begin; k < end; k += Shape::kDepth) {
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all have used what was there
    LeftStep::fill(memory, left, row, k, place.index);
    RightStep::fill(other, right, column, k, place.index);
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the step is there
    addStep<Shape, kLeftAlongRows, kRightAlongRows>(sums, memory, LeftStep::kStride, other,
                                                    RightStep::kStride, end - k, left.rows - row,
                                                    right.rows - column, place);
  }
}

// write(row, column, sum) for each of the tile's sums at less than `rows` and `columns`, by the simdgroup
// that has it. All threads call it.
template <class Shape, class Write>
inline void forSums(thread const TileSums<Shape>& sums, int64_t rows, int64_t columns,
                    threadgroup float* memory, thread const Write& write, TilePlace place) {
  constexpr int kWidth = 8 * Shape::kAcross, kStride = kWidth + kTilePad;
  const int top = firstRow<Shape>(place), side = firstColumn<Shape>(place);
  threadgroup float* const own = memory + int(place.simdgroup) * 8 * kStride;
  threadgroup_barrier(mem_flags::mem_threadgroup);  // all have used the last step
#pragma clang loop unroll(full)
  for (int i = 0; i < Shape::kDown; ++i) {
    if (top + 8 * i >= rows || side >= columns) continue;
#pragma clang loop unroll(full)
    for (int j = 0; j < Shape::kAcross; ++j) simdgroup_store(sums.at[i][j], own + 8 * j, kStride);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    for (int e = int(place.lane); e < 8 * kWidth; e += 32) {
      const int r = top + 8 * i + e / kWidth, c = side + e % kWidth;
      if (r < rows && c < columns) write(r, c, own[e / kWidth * kStride + e % kWidth]);
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
}

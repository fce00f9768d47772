// Products of matrices of any dtype, a tile a threadgroup, on a simdgroup's matrices of 8 x 8.
//
// A file of kernels in tiles is compiled twice. With IBERT_BF16_TILES factors become bf16 on their way into
// threadgroup memory, block formats with them, and bf16 matrices are multiplied: for activations in bf16 on
// chips that compute in it (tile_choice.h). Without, factors become float32: that of every chip since the M1,
// where bf16 is slow and float16 has not the range of bf16. Sums are float32 in either, and products exact.
// An element is a sum over k in ascending order, in eights, and what is beyond the factors counts as 0: its
// bits depend neither on the shape of the tile nor on the other rows.
#pragma once

#include "four_values.h"
#include "grid.h"
#include "operand.h"
#include "tiles.h"

// Where a thread is.
struct TilePlace {
  uint index, simdgroup, lane;
};

// An element of a factor in threadgroup memory, and four of them. A bf16 one is its sixteen bits there, and
// becomes a number within a matrix alone.
#ifdef IBERT_BF16_TILES
typedef bfloat TileNumber;
typedef ushort TileElement;
typedef ushort4 TileFour;
inline TileElement tileElement(float value) {
  return as_type<ushort>(bfloat(value));
}
inline TileFour tileFour(ushort4 bits) {
  return bits;
}
#else
typedef float TileNumber;
typedef float TileElement;
typedef float4 TileFour;
inline TileElement tileElement(float value) {
  return value;
}
inline TileFour tileFour(ushort4 bits) {
  return valuesOf(bits);
}
#endif
typedef simdgroup_matrix<TileNumber, 8, 8> TileMatrix;
inline TileFour tileFour(float4 values) {
  return {tileElement(values.x), tileElement(values.y), tileElement(values.z), tileElement(values.w)};
}
// Elements in the place of a float: steps of bf16 go twice as deep in the same memory.
constant constexpr int kTilePacked = int(sizeof(float) / sizeof(TileElement));

// Elements i to i + 3 of a tensor, of which the first `count` are there; the others are 0. `isAligned`: the
// tensor begins at a multiple of sixteen bytes.
inline TileFour bringFour(const device uint8_t* data, int32_t dtype, bool isAligned, int64_t i,
                          int64_t count) {
  float four[4];
  if (count >= 4 && i % 4 == 0 && isAligned && dtype == kBf16)
    return tileFour(loadFour((const device ushort*)data + i, true));
  if (count >= 4 && i % 4 == 0 && isAligned && dtype == kF32) return tileFour(fourValues(data, dtype, i));
  if (count >= 4 && i % 4 == 0 && isBlocks(dtype)) {
    blockFour(data, dtype, i, four);
  } else {
    for (int j = 0; j < 4; ++j) four[j] = j < count ? elementAt(data, dtype, i + j) : 0.0f;
  }
  const float4 values = {four[0], four[1], four[2], four[3]};
  return tileFour(values);
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
  TileFour bring(int64_t row, int64_t k) const {
    const int64_t outer = kAlongRows ? k : row, inner = kAlongRows ? row : k;
    const int64_t outerEnd = kAlongRows ? depth : rows, innerEnd = kAlongRows ? rows : depth;
    return bringFour(data, dtype, isAligned, start + outer * stride + inner,
                     outer < outerEnd ? innerEnd - inner : 0);
  }
};

// A step of a factor in threadgroup memory, kRows rows and kDepth columns, where neighbours in device memory
// are neighbours too.
template <bool kAlongRows, int kRows, int kDepth>
struct StepOf {
  static constant constexpr int kStride = kAlongRows ? kRows + kTilePad : kDepth + kTilePad * kTilePacked;

  template <class Factor>
  static void fill(threadgroup TileElement* step, thread const Factor& factor, int64_t row, int64_t k,
                   uint index) {
    constexpr int kFours = (kAlongRows ? kRows : kDepth) / 4, kOuter = kAlongRows ? kDepth : kRows;
    for (int i = int(index); i < kFours * kOuter; i += int(kTileThreads)) {
      const int outer = i / kFours, inner = i % kFours * 4;
      *(threadgroup TileFour*)(step + outer * kStride + inner) =
          factor.bring(row + (kAlongRows ? inner : outer), k + (kAlongRows ? outer : inner));
    }
  }
};

// The 8 x 8 elements from (row, k) of a step on; with rows and columns exchanged where k is to go down.
template <bool kAlongRows>
inline void takeMatrix(thread TileMatrix& matrix, const threadgroup TileElement* step, int stride, int row,
                       int k, bool isExchanged) {
  const threadgroup TileElement* from = step + (kAlongRows ? k * stride + row : row * stride + k);
  simdgroup_load(matrix, (const threadgroup TileNumber*)from, ulong(stride), ulong2(0),
                 kAlongRows != isExchanged);
}

// Columns of a step.
template <class Shape>
constexpr int stepDepth() {
  return Shape::kDepth * kTilePacked;
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
inline void addStep(thread TileSums<Shape>& sums, const threadgroup TileElement* left, int leftStride,
                    const threadgroup TileElement* right, int rightStride, int64_t depth, int64_t rows,
                    int64_t columns, TilePlace place) {
  const int top = firstRow<Shape>(place), side = firstColumn<Shape>(place);
  for (int k = 0; k < stepDepth<Shape>() && k < depth; k += 8) {
    TileMatrix a[Shape::kDown], b[Shape::kAcross];
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
  using LeftStep = StepOf<kLeftAlongRows, Shape::kRows, stepDepth<Shape>()>;
  using RightStep = StepOf<kRightAlongRows, Shape::kColumns, stepDepth<Shape>()>;
  threadgroup TileElement* const own = (threadgroup TileElement*)memory;
  threadgroup TileElement* const other = (threadgroup TileElement*)(memory + Shape::kLeftFloats);
  for (int64_t k = begin; k < end; k += stepDepth<Shape>()) {
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all have used what was there
    LeftStep::fill(own, left, row, k, place.index);
    RightStep::fill(other, right, column, k, place.index);
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the step is there
    addStep<Shape, kLeftAlongRows, kRightAlongRows>(sums, own, LeftStep::kStride, other, RightStep::kStride,
                                                    end - k, left.rows - row, right.rows - column, place);
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

// Tiles of bf16 in shared memory, as mma.sync reads them. A row is kColumns elements in chunks of sixteen
// bytes, and chunk c of row i lies in place c ^ (i % 8) of its row, so that the eight rows of a matrix that
// ldmatrix reads at once lie in different banks, and so do the eight that a quarter of a warp writes.
#pragma once

#include "ptx.h"
#include "vector.h"

namespace ibert::cuda {

constexpr int kChunk = 8;  // elements of sixteen bytes

// A matrix of bf16 in global memory: rows `stride` elements apart, of which a tile may cover more than there
// are.
struct Matrix {
  const Bf16* data;
  int64_t stride;
  int64_t rows, columns;
  bool aligned;  // the data and the stride are multiples of sixteen bytes
};

inline Matrix matrixOf(const void* data, int64_t rows, int64_t columns, int64_t stride) {
  return {static_cast<const Bf16*>(data), stride, rows, columns,
          reinterpret_cast<uintptr_t>(data) % 16 == 0 && stride % kChunk == 0};
}

// The address of a chunk of a tile.
template <int kColumns>
__device__ __forceinline__ uint32_t chunkOf(uint32_t tile, int row, int chunk) {
  static_assert(kColumns % 64 == 0, "eight chunks a row at least, or rows share banks");
  return tile + row * (kColumns * 2) + ((chunk ^ (row & 7)) << 4);
}

// Eight elements of bf16 in their order, shifted in from the last to the first: no array that is indexed at
// run time.
struct ChunkBuilder {
  unsigned long long low = 0, high = 0;
  __device__ __forceinline__ void add(Bf16 element) {
    high = high << 16 | low >> 48;
    low = low << 16 | __bfloat16_as_ushort(element);
  }
  __device__ __forceinline__ uint4 words() const {
    return make_uint4(unsigned(low), unsigned(low >> 32), unsigned(high), unsigned(high >> 32));
  }
};

// The eight elements from (row, column) on, zero where there are none, of a matrix that is not aligned.
__device__ __forceinline__ uint4 chunkOneByOne(const Matrix& from, int64_t row, int64_t column) {
  ChunkBuilder chunk;
  if (row >= 0 && row < from.rows) {
    const Bf16* data = from.data + row * from.stride;
#pragma unroll 1
    for (int64_t at = column + kChunk - 1; at >= column; --at)
      chunk.add(at < from.columns ? data[at] : __ushort_as_bfloat16(0));
  }
  return chunk.words();
}

// Brings chunk `chunk` of tile row `row` from (fromRow, column of the chunk) of the matrix; zeros where it
// has none (also for a negative fromRow). Asynchronous where the matrix is aligned: commitCopies() and
// waitForCopies() belong to it. `memory`: the block's shared memory as a pointer, for the other case; `tile`
// its address plus `offset`.
template <int kColumns>
__device__ __forceinline__ void bringChunk(char* memory, int offset, int row, int chunk, const Matrix& from,
                                           int64_t fromRow, int64_t fromColumn) {
  if (from.aligned) {
    const bool inside = fromRow >= 0 && fromRow < from.rows && fromColumn < from.columns;
    const int64_t left = from.columns - fromColumn;
    const int given = !inside ? 0 : left < kChunk ? int(left) * 2 : 16;
    copyAsync<16>(chunkOf<kColumns>(sharedAddress(memory) + offset, row, chunk),
                  from.data + (inside ? fromRow * from.stride + fromColumn : 0), given);
  } else {
    *reinterpret_cast<uint4*>(memory + chunkOf<kColumns>(offset, row, chunk)) =
        chunkOneByOne(from, fromRow, fromColumn);
  }
}

// Calls body(row, chunk) for the thread's chunks of a tile. A loop, not unrolled: registers are for the sums.
template <int kRows, int kColumns, int kThreads, class Body>
__device__ __forceinline__ void forChunks(const Body& body) {
  constexpr int kChunks = kColumns / kChunk;
  static_assert(kRows * kChunks % kThreads == 0);
#pragma unroll 1
  for (int at = threadIdx.x; at < kRows * kChunks; at += kThreads) body(at / kChunks, at % kChunks);
}

// Brings a tile of kRows rows: row r from rowOf(r) of the matrix, or zero where that is -1, and columns from
// `column` on.
template <int kRows, int kColumns, int kThreads, class RowOf>
__device__ __forceinline__ void bringRows(char* memory, int offset, const Matrix& from, int64_t column,
                                          const RowOf& rowOf) {
  forChunks<kRows, kColumns, kThreads>(
      [&](int r, int c) { bringChunk<kColumns>(memory, offset, r, c, from, rowOf(r), column + c * kChunk); });
}

// The same from row `row` on.
template <int kRows, int kColumns, int kThreads>
__device__ __forceinline__ void bringTile(char* memory, int offset, const Matrix& from, int64_t row,
                                          int64_t column) {
  bringRows<kRows, kColumns, kThreads>(memory, offset, from, column, [&](int r) { return row + r; });
}

// The same from a (rows, columns) matrix of another dtype, rounded to bf16 on its way.
template <int kRows, int kColumns, int kThreads>
__device__ __forceinline__ void bringCodes(char* memory, int offset, const View& from, int64_t rows,
                                           int64_t columns, int64_t row, int64_t column) {
  forChunks<kRows, kColumns, kThreads>([&](int r, int c) {
    const int64_t n = row + r, k = column + c * kChunk;
    auto* to = reinterpret_cast<uint4*>(memory + chunkOf<kColumns>(offset, r, c));
    if (from.columns > 0 && n < rows &&
        k < columns) {  // packed blocks: columns are whole ones, the rows aligned
      withPackedBlocks(from.dtype, [&](auto* blocks) {
        using Blocks = Pointed<decltype(blocks)>;
        Vector values;
        Blocks::template eight<true>(values.at,
                                     static_cast<const char*>(from.data) + n * Blocks::rowBytes(from.columns),
                                     static_cast<int>(k), from.columns);
        storeVector(reinterpret_cast<Bf16*>(to), values);
      });
      return;
    }
    ChunkBuilder built;
#pragma unroll 1
    for (int i = kChunk - 1; i >= 0; --i)
      built.add(__float2bfloat16_rn(n < rows && k + i < columns ? from.at(n * columns + k + i) : 0.0f));
    *to = built.words();
  });
}

// A weight as tiles read it: bf16 as it lies, which makes a kernel kDirect, or any other dtype.
struct Weight {
  Matrix matrix;
  View codes;
};

inline Weight weightOf(const Tensor& tensor) {
  return {matrixOf(tensor.data, tensor.shape[0], tensor.shape[1], tensor.shape[1]), view(tensor)};
}

template <bool kDirect, int kRows, int kColumns, int kThreads>
__device__ __forceinline__ void bringWeight(char* memory, int offset, const Weight& from, int64_t row,
                                            int64_t column) {
  if constexpr (kDirect)
    bringTile<kRows, kColumns, kThreads>(memory, offset, from.matrix, row, column);
  else
    bringCodes<kRows, kColumns, kThreads>(memory, offset, from.codes, from.matrix.rows, from.matrix.columns,
                                          row, column);
}

// The operand a of mma(), rows [row, row + 16) and columns [16 step, 16 step + 16) of a tile.
template <int kColumns>
__device__ __forceinline__ void loadA(uint32_t (&a)[4], uint32_t tile, int row, int step) {
  const int lane = threadIdx.x % 32;
  loadMatrices(a, chunkOf<kColumns>(tile, row + lane % 16, step * 2 + lane / 16));
}
// The same of the transposed tile: element (i, k) of a is tile row 16 step + k, column `column` + i.
template <int kColumns>
__device__ __forceinline__ void loadTransposedA(uint32_t (&a)[4], uint32_t tile, int column, int step) {
  const int lane = threadIdx.x % 32;
  loadMatrices<4, true>(
      a, chunkOf<kColumns>(tile, step * 16 + lane % 8 + lane / 16 * 8, column / kChunk + lane / 8 % 2));
}

// The operands b of two mma(): tile rows [row, row + 16) are columns of b, as in x W^T. b[0], b[1] are the
// first eight's, b[2], b[3] the others'.
template <int kColumns>
__device__ __forceinline__ void loadB(uint32_t (&b)[4], uint32_t tile, int row, int step) {
  const int lane = threadIdx.x % 32;
  loadMatrices(b, chunkOf<kColumns>(tile, row + lane % 8 + lane / 16 * 8, step * 2 + lane / 8 % 2));
}
// The same of the transposed tile, as in p v: element (k, j) of b is tile row 16 step + k, column `column` +
// j.
template <int kColumns>
__device__ __forceinline__ void loadTransposedB(uint32_t (&b)[4], uint32_t tile, int column, int step) {
  const int lane = threadIdx.x % 32;
  loadMatrices<4, true>(b, chunkOf<kColumns>(tile, step * 16 + lane % 16, column / kChunk + lane / 16));
}

}  // namespace ibert::cuda

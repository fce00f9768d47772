// Products of matrices of any dtype, of sixteen elements a thread, with sums over k in ascending order: the
// bits of an element do not depend on which other ones are computed.
#pragma once

#include "grid.h"
#include "operand.h"

// Elements a thread has in each direction.
constant constexpr int kEdge = 4;

// Element (row, k) is element row * rowStride + k * kStride of data.
struct Factor {
  const device uint8_t* data;
  int32_t dtype;
  int64_t rows, rowStride, kStride;
};

struct Sums {
  float at[kEdge][kEdge];
};

// at[i][j] += sum over k of a(row + i, k) b(column + j, k); beyond the last row the last one stands in.
inline void addProduct(thread Sums& sums, Factor a, int64_t row, Factor b, int64_t column, int64_t count) {
  int64_t starts[2 * kEdge];
  for (int i = 0; i < kEdge; ++i) {
    starts[i] = (row + i < a.rows ? row + i : a.rows - 1) * a.rowStride;
    starts[kEdge + i] = (column + i < b.rows ? column + i : b.rows - 1) * b.rowStride;
  }
  for (int64_t k = 0; k < count; ++k) {
    float left[kEdge], right[kEdge];
    for (int i = 0; i < kEdge; ++i) {
      left[i] = valueAt(a.data, a.dtype, starts[i] + k * a.kStride);
      right[i] = elementAt(b.data, b.dtype, starts[kEdge + i] + k * b.kStride);
    }
    for (int i = 0; i < kEdge; ++i)
      for (int j = 0; j < kEdge; ++j) sums.at[i][j] += left[i] * right[j];
  }
}

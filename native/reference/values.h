// Every dtype as float64: how the reference reads its operands and rounds its results.
#pragma once

#include <cstdint>
#include <vector>

#include "host/thread_pool.h"
#include "tensor.h"

namespace ibert::reference {

// Rows of a tensor as float64; a tensor of higher rank is flattened to (elements / last dimension, last
// dimension).
struct Matrix {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<double> values;

  Matrix() = default;
  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), values(rows * columns) {}
  double* row(int64_t index) { return values.data() + index * columns; }
  const double* row(int64_t index) const { return values.data() + index * columns; }
};

double fromBf16(uint16_t bits);
double fromF16(uint16_t bits);
// Round to nearest, ties to even, once from float64. A NaN stays a NaN, what is too large becomes infinite.
uint16_t toBf16(double value);
uint16_t toF16(double value);

bool canRead(DType dtype);   // all dtypes
bool canWrite(DType dtype);  // single elements: f64 f32 bf16 f16

// Elements [first, first + count) of a row-major tensor. `first` and `count` are whole blocks of a block
// format; of those, only q8_0 can be written.
void readRange(const Tensor& tensor, int64_t first, int64_t count, double* values);
void writeRange(const Tensor& tensor, int64_t first, int64_t count, const double* values);

// One element of a plain dtype.
double readAt(const Tensor& tensor, int64_t index);
void writeAt(const Tensor& tensor, int64_t index, double value);

Matrix read(const Tensor& tensor, host::ThreadPool& pool);
void write(const Tensor& tensor, const Matrix& matrix, host::ThreadPool& pool);

// sum of a[i] * b[i]. Eight partial sums, so that the compiler may use vectors without changing the result.
double dot(const double* a, const double* b, int64_t count);

}  // namespace ibert::reference

// From the dtypes of activations, known at run time, to kernels compiled for them.
#pragma once

#include "../../tensor.h"
#include "simd.h"

namespace ibert::cpu::IBERT_ISA {

// Calls body with a null pointer of the element type: float or Bf16.
template <class Body>
inline void withType(DType dtype, Body&& body) {
  if (dtype == DType::BF16) {
    body(static_cast<Bf16*>(nullptr));
  } else {
    body(static_cast<float*>(nullptr));
  }
}
template <class Body>
inline void withTypes(DType first, DType second, Body&& body) {
  withType(first, [&](auto* a) { withType(second, [&](auto* b) { body(a, b); }); });
}
template <class Body>
inline void withTypes(DType first, DType second, DType third, Body&& body) {
  withTypes(first, second, [&](auto* a, auto* b) { withType(third, [&](auto* c) { body(a, b, c); }); });
}

// Rows to give one task so that a task is worth its scheduling: about 6 K elements.
inline int64_t rowsPerTask(int64_t columns) {
  const int64_t rows = (6144 + columns - 1) / (columns > 0 ? columns : 1);
  return rows < 1 ? 1 : rows;
}

// Calls body(row) for every row in [0, rows), in parallel by groups of rows.
template <class Pool, class Body>
inline void forRows(Pool& pool, int64_t rows, int64_t columns, Body&& body) {
  const int64_t group = rowsPerTask(columns);
  pool.parallelFor((rows + group - 1) / group, [&](int64_t task, int) {
    const int64_t end = (task + 1) * group < rows ? (task + 1) * group : rows;
    for (int64_t row = task * group; row < end; ++row) body(row);
  });
}

}  // namespace ibert::cpu::IBERT_ISA

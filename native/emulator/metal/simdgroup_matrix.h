// Metal's matrices of 8 x 8, spread over a simdgroup, whose products are added in float32. For metal_stdlib.
//
// All 32 lanes call each of these functions together, with the same arguments, else it is a violation: Metal
// leaves open what comes of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "emulator/metal/bfloat.h"
#include "emulator/metal/half.h"
#include "emulator/metal/simdgroup.h"
#include "emulator/place.h"

namespace metal {

// Elements are reached by load, store and products only: which lane holds which is not Metal's promise.
template <class T, int kColumns, int kRows>
class simdgroup_matrix {
  static_assert(kColumns == 8 && kRows == 8);
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, half> || std::is_same_v<T, bfloat>);

 public:
  simdgroup_matrix() = default;
  explicit simdgroup_matrix(T value) : elements{value, value} {}

 private:
  friend struct MatrixElements;
  T elements[2];
};
// For the functions below.
struct MatrixElements {
  template <class Matrix>
  static auto& of(Matrix& matrix) {
    return matrix.elements;
  }
};
using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;

// The size is named, as in Metal.
template <class T, int kColumns, int kRows = kColumns>
simdgroup_matrix<T, kColumns, kRows> make_filled_simdgroup_matrix(T value) {
  return simdgroup_matrix<T, kColumns, kRows>(value);
}

// The origin of a matrix in what is pointed at: only 0 is modelled, and anything else does not compile.
struct ulong2 {
  consteval ulong2(unsigned long both) {
    if (both != 0) throw "only the origin 0 is modelled";
  }
};

// `stride`: elements from a row to the next. Each lane touches its own two elements, so an exchange through
// memory needs a barrier on either side, as between any threads.
template <class T>
void simdgroup_load(simdgroup_matrix<T, 8, 8>& matrix, const T* from, size_t stride = 8, ulong2 = 0,
                    bool transposed = false) {
  ibert::emulator::meetAtMatrix("simdgroup_load", {from, sizeof(T), stride, transposed});
  const unsigned lane = ibert::emulator::laneNow();
  const size_t row = ibert::emulator::matrixRow(lane), column = ibert::emulator::matrixColumn(lane);
  for (size_t i = 0; i < 2; ++i)
    MatrixElements::of(matrix)[i] =
        transposed ? from[(column + i) * stride + row] : from[row * stride + column + i];
}
template <class T>
void simdgroup_store(const simdgroup_matrix<T, 8, 8>& matrix, T* to, size_t stride = 8, ulong2 = 0,
                     bool transposed = false) {
  ibert::emulator::meetAtMatrix("simdgroup_store", {to, sizeof(T), stride, transposed});
  const unsigned lane = ibert::emulator::laneNow();
  const size_t row = ibert::emulator::matrixRow(lane), column = ibert::emulator::matrixColumn(lane);
  for (size_t i = 0; i < 2; ++i)
    (transposed ? to[(column + i) * stride + row] : to[row * stride + column + i]) =
        MatrixElements::of(matrix)[i];
}

// Whether a variable of this type holds what compilers put where nobody set anything.
template <class T>
bool isNeverSet(const T& element) {
  if constexpr (sizeof(T) == 4)
    return __builtin_bit_cast(uint32_t, element) == ibert::emulator::kNeverSetWord;
  else
    return __builtin_bit_cast(uint16_t, element) == uint16_t(ibert::emulator::kNeverSetWord);
}

// d = a b + c. d may be c.
template <class A, class B>
void simdgroup_multiply_accumulate(simdgroup_float8x8& d, const simdgroup_matrix<A, 8, 8>& a,
                                   const simdgroup_matrix<B, 8, 8>& b, const simdgroup_float8x8& c) {
  ibert::emulator::SimdgroupProduct operands;
  operands.isSet = true;
  for (unsigned i = 0; i < 2; ++i) {
    const A& left = MatrixElements::of(a)[i];
    const B& right = MatrixElements::of(b)[i];
    if (isNeverSet(left) || isNeverSet(right)) operands.isSet = false;
    operands.a[i] = float(left);
    operands.b[i] = float(right);
    operands.c[i] = MatrixElements::of(c)[i];
  }
  ibert::emulator::multiplySimdgroup(operands);
  for (unsigned i = 0; i < 2; ++i) MatrixElements::of(d)[i] = operands.d[i];
}
// d = a b
template <class A, class B>
void simdgroup_multiply(simdgroup_float8x8& d, const simdgroup_matrix<A, 8, 8>& a,
                        const simdgroup_matrix<B, 8, 8>& b) {
  simdgroup_multiply_accumulate(d, a, b, simdgroup_float8x8(0.0f));
}

}  // namespace metal

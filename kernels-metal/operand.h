// Operands of any dtype as float32 values, read and written one at a time: what the twins are made of. A bf16
// value is sixteen bits here, converted by them, since not every chip has the type.
#pragma once

#include "block_formats.h"
#include "dtypes.h"

inline float valueOfBf16(uint16_t bits) {
  return as_type<float>(uint32_t(bits) << 16);
}
// To nearest even; a NaN stays one.
inline uint16_t bf16Of(float value) {
  const uint32_t bits = as_type<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return uint16_t(bits >> 16 | 0x40u);
  return uint16_t((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// Element i of an activation or a statistic, in f32 or bf16.
inline float valueAt(const device uint8_t* data, int32_t dtype, int64_t i) {
  if (dtype == kBf16) return valueOfBf16(((const device uint16_t*)data)[i]);
  return ((const device float*)data)[i];
}
// Of any dtype but f64.
inline float elementAt(const device uint8_t* data, int32_t dtype, int64_t i) {
  if (dtype == kF32 || dtype == kBf16) return valueAt(data, dtype, i);
  if (dtype == kF16) return float(((const device half*)data)[i]);
  return blockElement(data, dtype, i);
}
// Into f32, bf16 or f16, to nearest even.
inline void setAt(device uint8_t* data, int32_t dtype, int64_t i, float value) {
  if (dtype == kBf16) {
    ((device uint16_t*)data)[i] = bf16Of(value);
  } else if (dtype == kF16) {
    ((device half*)data)[i] = half(value);
  } else {
    ((device float*)data)[i] = value;
  }
}

// A value of an index tensor, or `otherwise` where it names no place: a wrong one is on record, and must not
// lead out of bounds.
inline int64_t inside(int64_t value, int64_t low, int64_t high, int64_t otherwise) {
  return value >= low && value < high ? value : otherwise;
}

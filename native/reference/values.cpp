#include "values.h"

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "blocks.h"

namespace ibert::reference {

namespace {

// Rounds to a binary format of `precision` significant bits whose smallest subnormal is 2^minExponent.
// Scaling by a power of two is exact, and nearbyint rounds ties to even, so this rounds once.
double roundTo(double value, int precision, int minExponent) {
  if (value == 0 || !std::isfinite(value)) return value;
  int exponent;
  std::frexp(value, &exponent);
  const int quantum = std::max(exponent - precision, minExponent);
  return std::ldexp(std::nearbyint(std::ldexp(value, -quantum)), quantum);
}

template <class T>
T bitsOf(const void* data, int64_t index) {
  T bits;
  std::memcpy(&bits, static_cast<const std::byte*>(data) + index * sizeof(T), sizeof(T));
  return bits;
}

[[noreturn]] void unreadable(DType dtype, const char* verb) {
  const DTypeInfo* info = dtypeInfo(dtype);
  throw std::runtime_error(std::string("the reference cannot ") + verb + " elements of dtype " +
                           (info ? info->name : std::to_string(static_cast<int>(dtype))));
}

}  // namespace

double fromBf16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

// sign, 5 bits of exponent (bias 15), 10 bits of fraction
double fromF16(uint16_t bits) {
  const double sign = bits & 0x8000 ? -1.0 : 1.0;
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  if (exponent == 31) return fraction ? std::nan("") : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

uint16_t toBf16(double value) {
  if (std::isnan(value)) return std::signbit(value) ? 0xFFC0 : 0x7FC0;
  const double rounded = roundTo(value, 8, -133);
  const float narrow = std::fabs(rounded) < 0x1p128 ? static_cast<float>(rounded)
                                                    : static_cast<float>(std::copysign(HUGE_VAL, value));
  uint32_t bits;
  std::memcpy(&bits, &narrow, sizeof bits);
  return static_cast<uint16_t>(bits >> 16);
}

uint16_t toF16(double value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return sign | 0x7E00;
  const double size = std::fabs(roundTo(value, 11, -24));
  if (size >= 65536) return sign | 0x7C00;
  if (size < 0x1p-14) return sign | static_cast<uint16_t>(std::ldexp(size, 24));
  int exponent;
  const double fraction = std::frexp(size, &exponent);  // in [0.5, 1)
  return sign |
         static_cast<uint16_t>(((exponent + 14) << 10) + (static_cast<int>(std::ldexp(fraction, 11)) - 1024));
}

bool canRead(DType dtype) {
  return dtypeInfo(dtype) != nullptr;
}

bool canWrite(DType dtype) {
  return dtype == DType::F64 || dtype == DType::F32 || dtype == DType::BF16 || dtype == DType::F16;
}

double readAt(const Tensor& tensor, int64_t index) {
  switch (tensor.dtype) {
    case DType::F64:
      return bitsOf<double>(tensor.data, index);
    case DType::F32:
      return bitsOf<float>(tensor.data, index);
    case DType::BF16:
      return fromBf16(bitsOf<uint16_t>(tensor.data, index));
    case DType::F16:
      return fromF16(bitsOf<uint16_t>(tensor.data, index));
    case DType::I32:
      return bitsOf<int32_t>(tensor.data, index);
    case DType::U8:
      return bitsOf<uint8_t>(tensor.data, index);
    default:
      unreadable(tensor.dtype, "read single");
  }
}

void writeAt(const Tensor& tensor, int64_t index, double value) {
  switch (tensor.dtype) {
    case DType::F64:
      tensor.as<double>()[index] = value;
      return;
    case DType::F32:
      tensor.as<float>()[index] = static_cast<float>(value);
      return;
    case DType::BF16:
      tensor.as<uint16_t>()[index] = toBf16(value);
      return;
    case DType::F16:
      tensor.as<uint16_t>()[index] = toF16(value);
      return;
    default:
      unreadable(tensor.dtype, "write");
  }
}

void readRange(const Tensor& tensor, int64_t first, int64_t count, double* values) {
  const DTypeInfo* info = dtypeInfo(tensor.dtype);
  if (!info) unreadable(tensor.dtype, "read");
  if (!info->quantized) {
    for (int64_t i = 0; i < count; ++i) values[i] = readAt(tensor, first + i);
    return;
  }
  const auto* block = tensor.as<const uint8_t>() + first / info->blockElements * info->blockBytes;
  for (int64_t i = 0; i < count; i += info->blockElements, block += info->blockBytes) {
    dequantizeBlock(tensor.dtype, block, values + i);
  }
}

void writeRange(const Tensor& tensor, int64_t first, int64_t count, const double* values) {
  if (tensor.dtype == DType::Q8_0) {
    auto* block = tensor.as<uint8_t>() + first / 32 * 34;
    for (int64_t i = 0; i < count; i += 32, block += 34) quantizeQ8_0(values + i, block);
    return;
  }
  for (int64_t i = 0; i < count; ++i) writeAt(tensor, first + i, values[i]);
}

Matrix read(const Tensor& tensor, host::ThreadPool& pool) {
  const int64_t columns = tensor.rank > 0 ? tensor.shape[tensor.rank - 1] : 1;
  Matrix matrix(columns > 0 ? tensor.elements() / columns : 0, columns);
  pool.parallelFor(matrix.rows,
                   [&](int64_t row, int) { readRange(tensor, row * columns, columns, matrix.row(row)); });
  return matrix;
}

void write(const Tensor& tensor, const Matrix& matrix, host::ThreadPool& pool) {
  pool.parallelFor(matrix.rows, [&](int64_t row, int) {
    writeRange(tensor, row * matrix.columns, matrix.columns, matrix.row(row));
  });
}

double dot(const double* a, const double* b, int64_t count) {
  constexpr int kLanes = 8;
  double partial[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) partial[lane] += a[i + lane] * b[i + lane];
  }
  double sum = 0;
  for (; i < count; ++i) sum += a[i] * b[i];
  for (int lane = 0; lane < kLanes; ++lane) sum += partial[lane];
  return sum;
}

}  // namespace ibert::reference

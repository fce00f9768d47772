#include "compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "reference/values.h"

namespace ibert::tools {

namespace {

std::string text(double value) {
  if (std::isnan(value)) return "not a number";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%g", value);
  return buffer;
}

// The value as the tensor's dtype holds it.
double rounded(const Tensor& shape, double value) {
  if (!reference::canWrite(shape.dtype)) return value;
  uint64_t memory = 0;
  Tensor one = shape;
  one.data = &memory;
  reference::writeAt(one, 0, value);
  return reference::readAt(one, 0);
}

}  // namespace

Difference compare(const Tensor& shape, const std::vector<std::byte>& actual,
                   const std::vector<std::byte>& expected, bool exact) {
  Tensor a = shape, b = shape;
  a.data = const_cast<std::byte*>(actual.data());
  b.data = const_cast<std::byte*>(expected.data());
  if (reference::canWrite(shape.dtype)) b.dtype = DType::F64;
  const int64_t count = shape.elements();
  std::vector<double> x(count), y(count);
  double error = 0, size = 0;
  reference::readRange(a, 0, count, x.data());
  reference::readRange(b, 0, count, y.data());
  for (int64_t i = 0; i < count; ++i) {
    if (exact) y[i] = rounded(shape, y[i]);
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) {
      if (x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]))) {
        x[i] = y[i] = 0;
        continue;
      }
      const std::string place = std::string("[").append(std::to_string(i));
      return {HUGE_VAL, HUGE_VAL, place + "] is " + text(x[i]) + ", expected " + text(y[i])};
    }
    error += (x[i] - y[i]) * (x[i] - y[i]);
    size += y[i] * y[i];
  }
  if (error == 0) return {0, 0, ""};
  if (size == 0) return {HUGE_VAL, HUGE_VAL, " is not 0 everywhere"};
  const double mean = std::sqrt(size / static_cast<double>(count));
  double largest = 0;
  for (int64_t i = 0; i < count; ++i)
    largest = std::max(largest, std::fabs(x[i] - y[i]) / (std::fabs(y[i]) + mean));
  return {error / size, largest, ""};
}

}  // namespace ibert::tools

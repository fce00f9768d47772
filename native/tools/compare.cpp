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

}  // namespace

Difference compare(const Tensor& shape, const std::vector<std::byte>& actual,
                   const std::vector<std::byte>& expected) {
  Tensor a = shape, b = shape;
  a.data = const_cast<std::byte*>(actual.data());
  b.data = const_cast<std::byte*>(expected.data());
  double error = 0, size = 0, largest = 0;
  const int64_t count = shape.elements();
  for (int64_t i = 0; i < count; ++i) {
    const double x = reference::readAt(a, i), y = reference::readAt(b, i);
    if (!std::isfinite(x) || !std::isfinite(y)) {
      if (x == y || (std::isnan(x) && std::isnan(y))) continue;
      return {HUGE_VAL, HUGE_VAL, "[" + std::to_string(i) + "] is " + text(x) + ", expected " + text(y)};
    }
    error += (x - y) * (x - y);
    size += y * y;
    largest = std::max(largest, std::fabs(x - y));
  }
  if (error == 0) return {0, 0, ""};
  if (size == 0) return {HUGE_VAL, HUGE_VAL, "is not 0 everywhere"};
  return {error / size, largest / std::sqrt(size / static_cast<double>(count)), ""};
}

}  // namespace ibert::tools

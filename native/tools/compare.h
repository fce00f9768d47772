// How far an output is from the reference's.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tensor.h"

namespace ibert::tools {

struct Difference {
  double nmse;       // sum((a - b)^2) / sum(b^2)
  double largest;    // max |a - b| / sqrt(mean(b^2))
  std::string what;  // set when an element is NaN or infinite on one side only, and names it
};

// `shape` gives dtype and size; equal infinities and two NaN are no difference.
Difference compare(const Tensor& shape, const std::vector<std::byte>& actual,
                   const std::vector<std::byte>& expected);

}  // namespace ibert::tools

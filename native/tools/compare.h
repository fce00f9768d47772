// How far an output is from the reference's.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tensor.h"

namespace ibert::tools {

struct Difference {
  double nmse;       // sum((a - b)^2) / sum(b^2)
  double largest;    // max |a - b| / (|b| + sqrt(mean(b^2)))
  std::string what;  // set when an element is NaN or infinite on one side only, and names it
};

// `shape` gives dtype and size of `actual`; `expected` has float64 where that is a floating dtype. With
// `exact`, the expected values are rounded to the dtype first. Equal infinities and two NaN are no
// difference.
Difference compare(const Tensor& shape, const std::vector<std::byte>& actual,
                   const std::vector<std::byte>& expected, bool exact);

}  // namespace ibert::tools

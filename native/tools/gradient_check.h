// A gradient that a backend computed in its own dtypes, held against central finite differences of the
// forward op as the float64 reference computes it from the same operands.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "case.h"
#include "session.h"

namespace ibert::tools {

// Sums that do not feel each other: element (row, column) of x is in group ofX, of y in group ofY, and a
// change of x shows in the y of its own group alone. So one run of the forward op tells a derivative for each
// group. -1: in none.
struct Groups {
  using OfElement = std::function<int64_t(int64_t row, int64_t column)>;
  int64_t count;
  OfElement ofX, ofY;
};

// Row t of y depends on row t of x.
Groups byRow(const Tensor& x);

struct GradientCheck {
  Op op;
  std::string label;  // of the gradient
  Bound bound;
  double nmse = 0;     // of elements, or of sums of all elements with random signs, whichever is worse
  double largest = 0;  // of the elements that were asked for, as Difference::largest

  bool ok() const { return nmse <= bound.nmse && largest <= bound.largest; }
};

class GradientChecker {
 public:
  GradientChecker(Session& session, uint64_t seed) : session_(session), random_(seed) {}

  // Runs an op on the backend, on operands in host memory: its outputs are written back to them. `owner` has
  // their memory. Throws when the op fails, damages memory or is not supported.
  template <class Struct>
  void run(const Case& owner, const Struct& args) {
    Case test{};
    Maker(test, 0).arguments(args);
    test.packed = owner.packed;
    run(test);
  }

  // `y` is what the reference makes of `x` each time that `forward` is called, both in float64; the loss is
  // sum(y * dy), and `gradient` what the backend says of its derivative. Where a term is added to y before
  // the loss, `added` is x's factor in it.
  struct Problem {
    const Tensor &x, &gradient, &y, &dy;
    Groups groups;
    std::function<void()> forward;
    const Tensor* added = nullptr;
  };
  void check(Op op, const std::string& label, Bound bound, const Problem& problem);

  const std::vector<GradientCheck>& checks() const { return checks_; }

 private:
  void run(const Case& test);

  Session& session_;
  Random random_;
  std::vector<GradientCheck> checks_;
};

}  // namespace ibert::tools

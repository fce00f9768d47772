// A case: one op with concrete operands in host memory, and how far a backend may be from the reference.
#pragma once

#include <cstring>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "ops.h"
#include "random.h"

namespace ibert::tools {

// How far an output may be from the reference's, which is not rounded to the output's dtype.
struct Bound {
  double nmse;     // sum((a - b)^2) / sum(b^2)
  double largest;  // max |a - b| / (|b| + sqrt(mean(b^2))): what the mean would hide, one wrong element among
                   // thousands
};

// The very bits of the reference's value, rounded once to the output's dtype.
constexpr Bound kExact{0, 0};
// float32 arithmetic: sums of some hundred to some thousand terms stay near 1e-13.
constexpr Bound kFloat32{1e-11, 1e-4};
// float32 arithmetic where scores or logits of some tens carry their rounding error, 30 * 6e-8, into an
// exponential.
constexpr Bound kSteep32{1e-9, 1e-3};
// Rounding to bf16 costs 2.2e-6 on average (an error uniform within half a unit of 8 bits), and at
// most 1.5e-5 where an output has but one element. Forward attention may round its
// probabilities as well.
constexpr Bound kRounded16{1.6e-5, 0.02};
// bf16 units multiply bf16 operands: beside y itself, W, A, x A^T and B are rounded once each on their way
// into it, as in PyTorch's autocast. That is 1.1e-5 on average and more for small outputs. A forgotten or
// repeated row, column or term is beyond 1e-3 at all shapes of the suite.
constexpr Bound kOperands16{3e-5, 0.05};
// A float32 loss of some units whose weight was rounded to bf16: an error in a logit is one in the loss.
constexpr Bound kRoundedLoss{1e-6, 3e-3};

struct Case {
  Op op;
  std::vector<std::byte> arguments;  // the op's struct; tensors point to host memory, all row-major
  std::map<const void*, DType>
      packed;  // weights to hand over packed, by their data, and the dtype to pack to
  std::map<std::string, Bound> bounds;  // by output name, where the rule (boundOf) does not fit
  std::string error;                    // not empty: the op must fail with a text that holds this
  std::deque<std::vector<std::byte>> memory;
};

// The bound of an output: integers are exact; bf16 outputs and all outputs of a case that says so are
// kRounded16.
Bound boundOf(const Case& test, const std::string& output, DType dtype);

// The same case with its floating outputs in float64, so that the reference rounds nothing. It reads the
// operands of `test`, which must outlive it.
Case widened(const Case& test);

// Makes operands. Tensors that share memory are the same tensor to the op (the aliases that the op table
// allows).
class Maker {
 public:
  Maker(Case& result, uint64_t seed) : random(seed), case_(result) {}

  Random random;

  Tensor empty(DType dtype, std::initializer_list<int64_t> shape);
  // A copy in float64.
  Tensor wide(const Tensor& tensor);
  // Any dtype that the reference writes, q8_0 among them.
  Tensor normal(DType dtype, std::initializer_list<int64_t> shape, double deviation = 1, double mean = 0);
  Tensor uniform(DType dtype, std::initializer_list<int64_t> shape);
  Tensor values(DType dtype, std::initializer_list<int64_t> shape, const std::vector<double>& values);
  Tensor integers(std::initializer_list<int64_t> shape, const std::vector<int32_t>& values);
  Tensor indices(std::initializer_list<int64_t> shape, int64_t low, int64_t high);
  // A weight of any dtype whose rows give products of unit variance with unit inputs.
  Tensor weight(DType dtype, int64_t rows, int64_t columns);
  // The same, handed over packed (as `target`, which may dequantise).
  Tensor packedWeight(DType dtype, int64_t rows, int64_t columns) {
    return packedWeight(dtype, rows, columns, dtype);
  }
  Tensor packedWeight(DType dtype, int64_t rows, int64_t columns, DType target) {
    return packed(weight(dtype, rows, columns), target);
  }
  Tensor packed(const Tensor& tensor, DType target) {
    case_.packed[tensor.data] = target;
    return tensor;
  }

  template <class Struct>
  void arguments(const Struct& args) {
    case_.op = opOf<Struct>();
    case_.arguments.resize(sizeof(Struct));
    std::memcpy(case_.arguments.data(), &args, sizeof(Struct));
  }
  // Computes the struct's outputs here and now: operands of a backward op that come from its forward op.
  template <class Struct>
  void reference(const Struct& args) {
    runReference(opOf<Struct>(), &args);
  }
  void bound(const std::string& output, Bound bound) { case_.bounds[output] = bound; }
  void mustFail(const std::string& text) { case_.error = text; }

 private:
  static void runReference(Op op, const void* arguments);

  Case& case_;
};

// A row of the suite. Operands are made when the case is run.
struct CaseSpec {
  Op op;  // the op that the case judges
  std::string label;
  std::function<void(Maker&)> make;
};

Case makeCase(const CaseSpec& spec, uint64_t seed);

Ints ints(std::initializer_list<int64_t> values);

}  // namespace ibert::tools

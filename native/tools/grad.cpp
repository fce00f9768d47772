// `ibert-kernels grad`: every backward op against central finite differences of its forward op, in float64.
//
// With L = sum(y * dy) for a random dy, the backward op's answer must be dL/dx. A step of h = 1e-5 leaves an
// error of about h^2 + 1e-16 / h = 1e-10, so that the bound of 1e-7 on the relative error tells a wrong term
// from rounding.
#include <cmath>
#include <cstdio>

#include "commands.h"
#include "json.h"
#include "reference/values.h"

namespace ibert::tools {

namespace {

constexpr double kStep = 1e-5;
constexpr double kBound = 1e-7;
constexpr DType kF64 = DType::F64;

struct Check {
  Op op;
  std::string label;
  double error;  // |numeric - analytic| / |analytic|, Euclidean norms

  bool ok() const { return error <= kBound; }
};

class Checker {
 public:
  Checker(Session& session, const Options& options) : session_(session), options_(options) {}

  // Runs an op on host tensors: its outputs are written back to them.
  template <class Struct>
  void run(const Struct& args) {
    Case test{};
    Maker(test, 0).arguments(args);
    Operands operands(session_, test);
    if (!operands.unsupported().empty()) throw CannotRun(operands.unsupported());
    operands.enqueue();
    operands.synchronize();
    for (const Field& field : opSchema(test.op).fields) {
      if (field.type != FieldType::Tensor || field.role == Role::In || field.role == Role::InOptional)
        continue;
      const auto& tensor = *reinterpret_cast<const Tensor*>(test.arguments.data() + field.offset);
      if (!tensor) continue;
      const std::vector<std::byte> bytes = operands.bytes(field.name);
      std::memcpy(tensor.data, bytes.data(), bytes.size());
    }
  }

  // `loss` is a function of x; `gradient` is what the backward op says its derivative is.
  template <class Loss>
  void check(Op op, const std::string& label, const Tensor& x, const Tensor& gradient, Loss&& loss) {
    double error = 0, size = 0;
    for (int64_t i = 0; i < x.elements(); ++i) {
      double& value = x.as<double>()[i];
      const double kept = value;
      value = kept + kStep;
      const double above = loss();
      value = kept - kStep;
      const double below = loss();
      value = kept;
      const double analytic = gradient.as<double>()[i], numeric = (above - below) / (2 * kStep);
      error += (numeric - analytic) * (numeric - analytic);
      size += analytic * analytic;
    }
    checks.push_back({op, label, std::sqrt(error / size)});
  }

  bool wants(Op op) const { return options_.wants(op); }
  uint64_t seed() const { return options_.seed; }

  std::vector<Check> checks;

 private:
  Session& session_;
  const Options& options_;
};

double inner(const Tensor& a, const Tensor& b) {
  return reference::dot(a.as<double>(), b.as<double>(), a.elements());
}

void rmsNorm(Checker& checker, Maker& make) {
  RmsNormForward forward{};
  forward.x = make.normal(kF64, {4, 9});
  forward.weight = make.normal(kF64, {9}, 0.3, 1);
  forward.y = make.empty(kF64, {4, 9});
  forward.rstd = make.empty(kF64, {4});
  forward.eps = 1e-2;  // large enough to be seen
  RmsNormBackward backward{};
  backward.dy = make.normal(kF64, {4, 9});
  backward.x = forward.x;
  backward.weight = forward.weight;
  backward.rstd = forward.rstd;
  backward.dResidual = make.normal(kF64, {4, 9});
  backward.dx = make.empty(kF64, {4, 9});
  checker.run(forward);
  checker.run(backward);
  checker.check(Op::rmsNormBackward, "dx", forward.x, backward.dx, [&] {
    checker.run(forward);
    return inner(forward.y, backward.dy) + inner(forward.x, backward.dResidual);
  });
}

// q, k, v stacked, no LoRA on k.
void loraLinear(Checker& checker, Maker& make) {
  const int64_t T = 5, K = 7, N = 11, r = 2, R = 4;
  LoraLinearForward forward{};
  forward.x = make.normal(kF64, {T, K});
  forward.weight = make.normal(kF64, {N, K});
  forward.loraA = make.normal(kF64, {1, R, K});
  forward.loraB = make.normal(kF64, {1, N, r});
  forward.y = make.empty(kF64, {T, N});
  forward.xa = make.empty(kF64, {T, R});
  forward.segments = ints({5, 8, 11});
  forward.slots = ints({1, -1, 0});
  forward.scale = 1.7;
  LoraLinearBackward backward{};
  backward.dy = make.normal(kF64, {T, N});
  backward.weight = forward.weight;
  backward.x = forward.x;
  backward.xa = forward.xa;
  backward.loraA = forward.loraA;
  backward.loraB = forward.loraB;
  backward.dx = make.empty(kF64, {T, K});
  backward.dLoraA = make.empty(kF64, {R, K});  // zeros: added to
  backward.dLoraB = make.empty(kF64, {N, r});
  backward.segments = forward.segments;
  backward.slots = forward.slots;
  backward.scale = forward.scale;
  checker.run(forward);
  checker.run(backward);
  const auto loss = [&] {
    checker.run(forward);
    return inner(forward.y, backward.dy);
  };
  checker.check(Op::loraLinearBackward, "dx", forward.x, backward.dx, loss);
  checker.check(Op::loraLinearBackward, "dLoraA", forward.loraA, backward.dLoraA, loss);
  checker.check(Op::loraLinearBackward, "dLoraB", forward.loraB, backward.dLoraB, loss);
}

// The gradient of a rotation is the inverse rotation of dy.
void rope(Checker& checker, Maker& make) {
  const RopeTable table{make.integers({3}, {0, 5, 70}),
                        make.values(kF64, {2, 3}, {1, 0.2, 0.04, 0, 1e-9, 2e-9}), make.empty(kF64, {3, 6}),
                        1};
  const Tensor scale = make.normal(kF64, {3});
  checker.run(table);
  const Tensor x = make.normal(kF64, {3, 14}), dy = make.normal(kF64, {3, 14});
  const Tensor y = make.empty(kF64, {3, 14}), dx = make.empty(kF64, {3, 14});
  std::memcpy(dx.data, dy.data, 3 * 14 * sizeof(double));
  checker.run(Rope{dx, table.cosSin, scale, 2, 6, 1, 1});
  checker.check(Op::rope, "inverse", x, dx, [&] {
    std::memcpy(y.data, x.data, 3 * 14 * sizeof(double));
    checker.run(Rope{y, table.cosSin, scale, 2, 6, 0, 1});
    return inner(y, dy);
  });
}

void attention(Checker& checker, Maker& make) {
  const int64_t T = 8, heads = 4, kvHeads = 2, D = 3, columns = (heads + 2 * kvHeads) * D;
  const Tensor offsets = make.integers({4}, {0, 1, 3, 8});
  AttentionForward forward{make.normal(kF64, {T, columns}),
                           offsets,
                           make.empty(kF64, {T, heads * D}),
                           make.empty(kF64, {T, heads}),
                           heads,
                           kvHeads,
                           D,
                           0.6};
  const AttentionBackward backward{
      make.normal(kF64, {T, heads * D}), forward.qkv, forward.y, forward.lse, offsets,
      make.empty(kF64, {T, columns}),    heads,       kvHeads,   D,           0.6};
  checker.run(forward);
  checker.run(backward);
  checker.check(Op::attentionBackward, "dqkv", forward.qkv, backward.dqkv, [&] {
    checker.run(forward);
    return inner(forward.y, backward.dy);
  });
}

void swiglu(Checker& checker, Maker& make) {
  const SwigluForward forward{make.normal(kF64, {3, 10}, 2), make.empty(kF64, {3, 5})};
  const SwigluBackward backward{make.normal(kF64, {3, 5}), forward.gateUp, make.empty(kF64, {3, 10})};
  checker.run(backward);
  checker.check(Op::swigluBackward, "dGateUp", forward.gateUp, backward.dGateUp, [&] {
    checker.run(forward);
    return inner(forward.y, backward.dy);
  });
}

void crossEntropy(Checker& checker, Maker& make) {
  LinearCrossEntropy args{};
  args.x = make.normal(kF64, {4, 5});
  args.weight = make.normal(kF64, {9, 5});
  args.targets = make.integers({4}, {0, -1, 8, 3});
  args.loss = make.empty(kF64, {4});
  args.dx = make.empty(kF64, {4, 5});
  args.gradScale = 0.3;
  const Tensor dx = make.empty(kF64, {4, 5}), scale = make.values(kF64, {4}, {0.3, 0.3, 0.3, 0.3});
  for (const bool weighted : {false, true}) {
    if (weighted) args.tokenWeight = make.values(kF64, {4}, {-2, 1, 0, 0.5});
    checker.run(args);
    std::memcpy(dx.data, args.dx.data, 20 * sizeof(double));  // the runs below write args.dx again
    checker.check(Op::linearCrossEntropy, weighted ? "dx, weighted" : "dx", args.x, dx, [&] {
      checker.run(args);
      return inner(args.loss, scale);
    });
  }
}

void report(const std::vector<Check>& checks, bool asJson) {
  if (asJson) std::printf("{\"bound\": %s, \"checks\": [", json(kBound).c_str());
  const char* separator = "";
  for (const Check& check : checks) {
    const char* name = opSchema(check.op).name;
    if (asJson) {
      std::printf("%s{\"op\": %s, \"gradient\": %s, \"ok\": %s, \"relativeError\": %s}", separator,
                  json(name).c_str(), json(check.label).c_str(), check.ok() ? "true" : "false",
                  json(check.error).c_str());
      separator = ", ";
    } else {
      std::printf("%s %-20s %-8s relative error %.2e (bound %.0e)\n", check.ok() ? "ok  " : "FAIL", name,
                  check.label.c_str(), check.error, kBound);
    }
  }
  if (asJson) std::printf("]}\n");
}

}  // namespace

int grad(const Options& options) {
  const auto session = openSession(options.backend.empty() ? "reference" : options.backend, options.threads);
  Checker checker(*session, options);
  const std::pair<Op, void (*)(Checker&, Maker&)> gradients[] = {
      {Op::rmsNormBackward, rmsNorm},
      {Op::loraLinearBackward, loraLinear},
      {Op::rope, rope},
      {Op::attentionBackward, attention},
      {Op::swigluBackward, swiglu},
      {Op::linearCrossEntropy, crossEntropy},
  };
  for (const auto& [op, run] : gradients) {
    if (!checker.wants(op)) continue;
    Case owner{};  // of the operands' memory
    Maker make(owner, checker.seed());
    run(checker, make);
  }
  if (checker.checks.empty()) throw UsageError("that op has no gradient");
  report(checker.checks, options.json);
  for (const Check& check : checker.checks) {
    if (!check.ok()) return kFailed;
  }
  return kOk;
}

}  // namespace ibert::tools

// `ibert-kernels grad`: every backward op against central finite differences of its forward op.
//
// With L = sum(y * dy) for a random dy, the backward op's answer must be dL/dx. The differences are the
// float64 reference's, of operands as the backend's dtypes hold them (gradient_check.h), and exact to about
// 1e-10. What the forward op leaves for the backward op (rstd, lse, x A^T, y) is the backend's own.
//
// A backend that has float64 is held to 1e-7, which tells a wrong term from rounding. Any other computes in
// float32 and in bf16, as training does, and may be as far off as the suite allows for that (case.h): by
// norms 3e-6 in float32, 4e-3 where bf16 results are rounded, 5.5e-3 where bf16 factors are multiplied. What
// is kept in between is rounded too, and within the last: each of y and x A^T is one more factor of 2.2e-6.
#include <cmath>
#include <cstdio>

#include "commands.h"
#include "gradient_check.h"
#include "json.h"
#include "reference/values.h"

namespace ibert::tools {

namespace {

constexpr DType kF64 = DType::F64;

// One op's operands in one dtype of activations: what it accumulates in is float32 or float64.
struct Setting {
  GradientChecker& checker;
  Case owner{};
  Maker make;
  DType act;

  Setting(GradientChecker& checker, uint64_t seed, DType act)
      : checker(checker), make(owner, seed), act(act) {}
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

  bool isWide() const { return act == kF64; }
  DType acc() const { return isWide() ? kF64 : DType::F32; }
  // Frozen, and bf16 as in every model (graph_calls.cpp).
  Tensor weight(int64_t rows, int64_t columns) {
    return isWide() ? make.normal(kF64, {rows, columns}) : make.packedWeight(DType::BF16, rows, columns);
  }
  // `multiplies`: the op multiplies operands that it rounds to bf16.
  Bound bound(bool multiplies) const {
    if (isWide()) return {1e-14, 1e-5};
    if (act == DType::F32) return kFloat32;
    return multiplies ? kOperands16 : kRounded16;
  }
  template <class Struct>
  void run(const Struct& args) {
    checker.run(owner, args);
  }
  void check(Op op, const std::string& label, bool multiplies, const GradientChecker::Problem& problem) {
    checker.check(op, isWide() ? label : dtypeInfo(act)->name + (" " + label), bound(multiplies), problem);
  }
};

// The last norm and, in the layers, one that reads the residual stream, which is float32.
void rmsNorm(Setting& at) {
  const int64_t T = at.isWide() ? 4 : 5, D = at.isWide() ? 9 : 257;
  for (const bool isStream : {false, true}) {
    if (isStream && at.act != DType::BF16) continue;
    RmsNormForward forward{};
    forward.x = at.make.normal(isStream ? at.acc() : at.act, {T, D});
    forward.weight = at.make.normal(at.acc(), {D}, 0.3, 1);
    forward.y = at.make.empty(at.act, {T, D});
    forward.rstd = at.make.empty(at.acc(), {T});
    forward.eps = 1e-2;  // large enough to be seen
    RmsNormBackward backward{};
    backward.dy = at.make.normal(at.act, {T, D});
    backward.x = forward.x;
    backward.weight = forward.weight;
    backward.rstd = forward.rstd;
    if (!isStream) backward.dResidual = at.make.normal(at.act, {T, D});
    backward.dx = at.make.empty(at.act, {T, D});
    at.run(forward);
    at.run(backward);
    RmsNormForward wide = forward;
    wide.x = at.make.wide(forward.x);
    wide.y = at.make.empty(kF64, {T, D});
    wide.rstd = {};
    at.check(Op::rmsNormBackward, isStream ? "dx, x in f32" : "dx", false,
             {wide.x, backward.dx, wide.y, backward.dy, byRow(wide.x), [&] { at.make.reference(wide); },
              isStream ? nullptr : &backward.dResidual});
  }
}

// q, k, v stacked, no LoRA on k.
void loraLinear(Setting& at) {
  const int64_t T = at.isWide() ? 5 : 33, K = at.isWide() ? 7 : 129, N = at.isWide() ? 11 : 100,
                r = at.isWide() ? 2 : 8, R = 2 * r, slot = N / 2, last = N - N / 4;
  LoraLinearForward forward{};
  forward.x = at.make.normal(at.act, {T, K});
  forward.weight = at.weight(N, K);
  forward.loraA = at.make.normal(at.acc(), {1, R, K}, 1 / std::sqrt(static_cast<double>(K)));
  forward.loraB = at.make.normal(at.acc(), {1, N, r});
  forward.y = at.make.empty(at.act, {T, N});
  forward.xa = at.make.empty(at.act, {T, R});
  forward.segments = ints({slot, last, N});
  forward.slots = ints({1, -1, 0});
  forward.scale = 1.7;
  LoraLinearBackward backward{};
  backward.dy = at.make.normal(at.act, {T, N});
  backward.weight = forward.weight;
  backward.x = forward.x;
  backward.xa = forward.xa;
  backward.loraA = forward.loraA;
  backward.loraB = forward.loraB;
  backward.dx = at.make.empty(at.act, {T, K});
  backward.dLoraA = at.make.empty(at.acc(), {R, K});  // zeros: added to
  backward.dLoraB = at.make.empty(at.acc(), {N, r});
  backward.segments = forward.segments;
  backward.slots = forward.slots;
  backward.scale = forward.scale;
  at.run(forward);
  at.run(backward);
  LoraLinearForward wide = forward;
  wide.x = at.make.wide(forward.x);
  wide.loraA = at.make.wide(forward.loraA);
  wide.loraB = at.make.wide(forward.loraB);
  wide.y = at.make.empty(kF64, {T, N});
  wide.xa = {};
  const auto run = [&] { at.make.reference(wide); };
  const Groups bySlot{2, [r](int64_t row, int64_t) { return row / r; },
                      [slot, last](int64_t, int64_t n) -> int64_t {
                        return n < slot ? 1 : n < last ? -1 : 0;
                      }};
  const Groups byColumn{N, [](int64_t row, int64_t) { return row; }, [](int64_t, int64_t n) { return n; }};
  const Op op = Op::loraLinearBackward;
  at.check(op, "dx", true, {wide.x, backward.dx, wide.y, backward.dy, byRow(wide.x), run});
  at.check(op, "dLoraA", true, {wide.loraA, backward.dLoraA, wide.y, backward.dy, bySlot, run});
  at.check(op, "dLoraB", true, {wide.loraB, backward.dLoraB, wide.y, backward.dy, byColumn, run});
}

// The gradient of a rotation is the inverse rotation of dy.
void rope(Setting& at) {
  const RopeTable table{at.make.integers({3}, {0, 5, 70}),
                        at.make.values(at.acc(), {2, 3}, {1, 0.2, 0.04, 0, 1e-9, 2e-9}),
                        at.make.empty(at.acc(), {3, 6}), 1};
  const Tensor scale = at.make.normal(at.acc(), {3});
  at.run(table);
  const Tensor x = at.make.normal(kF64, {3, 14}), y = at.make.empty(kF64, {3, 14});
  const Tensor dx = at.make.normal(at.act, {3, 14}), dy = at.make.wide(dx);
  at.run(Rope{dx, table.cosSin, scale, 2, 6, 1, 1});
  at.check(Op::rope, "inverse", false, {x, dx, y, dy, byRow(x), [&] {
                                          std::memcpy(y.data, x.data, 3 * 14 * sizeof(double));
                                          at.make.reference(Rope{y, table.cosSin, scale, 2, 6, 0, 1});
                                        }});
}

struct AttentionShape {
  const char* label;
  std::vector<int32_t> offsets;
  int64_t heads, kvHeads, D;
};

void attentionOf(Setting& at, const AttentionShape& shape) {
  const std::vector<int32_t>& offsets = shape.offsets;
  const int64_t heads = shape.heads, kvHeads = shape.kvHeads, D = shape.D, T = offsets.back(),
                columns = (heads + 2 * kvHeads) * D, ofOne = heads / kvHeads;
  const double scale = at.isWide() ? 0.6 : 1 / std::sqrt(static_cast<double>(D));
  const AttentionForward forward{at.make.normal(at.act, {T, columns}),
                                 at.make.integers({static_cast<int64_t>(offsets.size())}, offsets),
                                 at.make.empty(at.act, {T, heads * D}),
                                 at.make.empty(at.acc(), {T, heads}),
                                 heads,
                                 kvHeads,
                                 D,
                                 scale};
  const AttentionBackward backward{
      at.make.normal(at.act, {T, heads * D}), forward.qkv, forward.y, forward.lse, forward.offsets,
      at.make.empty(at.act, {T, columns}),    heads,       kvHeads,   D,           scale};
  at.run(forward);
  at.run(backward);
  AttentionForward wide = forward;
  wide.qkv = at.make.wide(forward.qkv);
  wide.y = at.make.empty(kF64, {T, heads * D});
  wide.lse = at.make.empty(kF64, {T, heads});
  // By sequence and by key-value head, whose queries stand first in a row.
  const auto sequenceOf = [&offsets](int64_t t) {
    int64_t s = 0;
    while (offsets[s + 1] <= t) ++s;
    return s;
  };
  const auto ofHead = [=](int64_t head) { return head < heads ? head / ofOne : (head - heads) % kvHeads; };
  const auto group = [=](int64_t t, int64_t column) { return sequenceOf(t) * kvHeads + ofHead(column / D); };
  at.check(Op::attentionBackward, std::string("dqkv") + shape.label, true,
           {wide.qkv, backward.dqkv, wide.y, backward.dy,
            Groups{static_cast<int64_t>(offsets.size() - 1) * kvHeads, group, group},
            [&] { at.make.reference(wide); }});
}

// Heads as small models have them, and as fast kernels do.
void attention(Setting& at) {
  if (at.isWide()) return attentionOf(at, {"", {0, 1, 3, 8}, 4, 2, 3});
  attentionOf(at, {" of 16", {0, 1, 3, 34, 67}, 4, 2, 16});
  attentionOf(at, {" of 64", {0, 35, 35, 52}, 2, 1, 64});
}

void swiglu(Setting& at) {
  const int64_t T = at.isWide() ? 3 : 5, F = at.isWide() ? 5 : 65;
  SwigluForward forward{at.make.normal(at.act, {T, 2 * F}, 2), at.make.empty(kF64, {T, F})};
  const SwigluBackward backward{at.make.normal(at.act, {T, F}), forward.gateUp,
                                at.make.empty(at.act, {T, 2 * F})};
  at.run(backward);
  forward.gateUp = at.make.wide(backward.gateUp);
  at.check(Op::swigluBackward, "dGateUp", false,
           {forward.gateUp, backward.dGateUp, forward.y, backward.dy, byRow(forward.y),
            [&] { at.make.reference(forward); }});
}

void crossEntropy(Setting& at) {
  const int64_t T = at.isWide() ? 4 : 33, D = at.isWide() ? 5 : 64, V = at.isWide() ? 9 : 100;
  LinearCrossEntropy args{};
  args.x = at.make.normal(at.act, {T, D});
  args.weight = at.weight(V, D);
  args.targets = at.make.indices({T}, 0, V);
  for (int64_t t = 1; t < T; t += 3) args.targets.as<int32_t>()[t] = -1;
  args.targets.as<int32_t>()[0] = 0;
  args.targets.as<int32_t>()[T - 2] = static_cast<int32_t>(V) - 1;
  args.loss = at.make.empty(at.acc(), {T});
  args.dx = at.make.empty(at.act, {T, D});
  args.gradScale = 0.3;
  LinearCrossEntropy wide = args;
  wide.x = at.make.wide(args.x);
  wide.loss = at.make.empty(kF64, {T});
  wide.dx = {};
  const Tensor scale = at.make.values(kF64, {T}, std::vector<double>(T, args.gradScale));
  for (const bool weighted : {false, true}) {
    if (weighted) {  // by either sign and by nothing
      args.tokenWeight = wide.tokenWeight = at.make.normal(at.acc(), {T});
      reference::writeAt(args.tokenWeight, T - 2, 0);
    }
    at.run(args);
    at.check(Op::linearCrossEntropy, weighted ? "dx, weighted" : "dx", true,
             {wide.x, args.dx, wide.loss, scale, byRow(wide.x), [&] { at.make.reference(wide); }});
  }
}

// Whether the backend has the dtype.
bool has(const Session& session, DType act) {
  Case owner{};
  Maker make(owner, 0);
  const SwigluBackward args{make.empty(act, {1, 1}), make.empty(act, {1, 2}), make.empty(act, {1, 2})};
  return session.whyUnsupported(Op::swigluBackward, &args).empty();
}

void report(const std::vector<GradientCheck>& checks, bool asJson) {
  if (asJson) std::printf("{\"checks\": [");
  const char* separator = "";
  for (const GradientCheck& check : checks) {
    const char* name = opSchema(check.op).name;
    const double error = std::sqrt(check.nmse), bound = std::sqrt(check.bound.nmse);
    if (asJson) {
      std::printf(
          "%s\n{\"op\": %s, \"gradient\": %s, \"ok\": %s, \"relativeError\": %s, \"bound\": %s, \"largest\": "
          "%s, \"largestBound\": %s}",
          separator, json(name).c_str(), json(check.label).c_str(), check.ok() ? "true" : "false",
          json(error).c_str(), json(bound).c_str(), json(check.largest).c_str(),
          json(check.bound.largest).c_str());
      separator = ",";
    } else {
      std::printf("%s %-20s %-17s relative error %.2e (bound %.1e), largest %.2e (bound %.0e)\n",
                  check.ok() ? "ok  " : "FAIL", name, check.label.c_str(), error, bound, check.largest,
                  check.bound.largest);
    }
  }
  if (asJson) std::printf("]}\n");
}

}  // namespace

int grad(const Options& options) {
  const auto session = openSession(options.backend.empty() ? "reference" : options.backend, options.threads);
  const std::vector<DType> dtypes =
      has(*session, kF64) ? std::vector{kF64} : std::vector{DType::F32, DType::BF16};
  GradientChecker checker(*session, options.seed);
  const std::pair<Op, void (*)(Setting&)> gradients[] = {
      {Op::rmsNormBackward, rmsNorm},
      {Op::loraLinearBackward, loraLinear},
      {Op::rope, rope},
      {Op::attentionBackward, attention},
      {Op::swigluBackward, swiglu},
      {Op::linearCrossEntropy, crossEntropy},
  };
  for (const auto& [op, check] : gradients) {
    for (const DType act : dtypes) {
      if (!options.wants(op)) continue;
      Setting setting(checker, options.seed, act);
      check(setting);
    }
  }
  if (checker.checks().empty()) throw UsageError("that op has no gradient");
  report(checker.checks(), options.json);
  for (const GradientCheck& check : checker.checks()) {
    if (!check.ok()) return kFailed;
  }
  return kOk;
}

}  // namespace ibert::tools

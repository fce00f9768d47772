// The reference against values worked out by hand, so that the oracle itself is not taken on trust.
#include "check.h"
#include "tools/case.h"

namespace ibert::tests {

namespace {

using tools::Case;
using tools::ints;
using tools::Maker;

constexpr DType kF64 = DType::F64;
const double kLn2 = std::log(2.0), kLn3 = std::log(3.0), kLn5 = std::log(5.0);

void expectValues(const Tensor& tensor, const std::vector<double>& expected, const std::string& what) {
  expect(tensor.elements() == static_cast<int64_t>(expected.size()), what + ": number of values");
  for (size_t i = 0; i < expected.size(); ++i) {
    expectNear(tensor.as<double>()[i], expected[i], 1e-12, what + "[" + std::to_string(i) + "]");
  }
}

void testGather(Maker& make) {
  const Tensor table = make.values(kF64, {3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor ids = make.integers({4}, {2, 0, 2, 1}), y = make.empty(kF64, {4, 2});
  make.reference(Embedding{ids, table, y});
  expectValues(y, {5, 6, 1, 2, 5, 6, 3, 4}, "embedding");
  const Tensor target = make.empty(kF64, {4, 2});
  make.reference(GatherRows{table, ids, target});
  expectValues(target, {5, 6, 1, 2, 5, 6, 3, 4}, "gatherRows");
  expectError([&] { make.reference(Embedding{make.integers({4}, {0, 1, 3, 0}), table, y}); },
              "embedding: ids[2] is 3", "an id outside the table");
}

// mean(x^2) = 30 / 4
void testNorm(Maker& make) {
  const Tensor x = make.values(kF64, {1, 4}, {1, 2, 3, 4}), weight = make.values(kF64, {4}, {1, 1, 2, 0.5});
  const Tensor y = make.empty(kF64, {1, 4}), rstd = make.empty(kF64, {1});
  make.reference(RmsNormForward{x, weight, y, rstd, 0});
  const double r = 1 / std::sqrt(7.5);
  expectValues(rstd, {r}, "rstd");
  expectValues(y, {r, 2 * r, 6 * r, 2 * r}, "rmsNormForward");
  make.reference(RmsNormForward{x, weight, y, rstd, 2.5});
  expectValues(rstd, {1 / std::sqrt(10.0)}, "rstd with eps");
}

void testLinear(Maker& make) {
  LoraLinearForward args{};
  args.x = make.values(kF64, {1, 2}, {1, 2});
  args.weight = make.values(kF64, {3, 2}, {1, 0, 0, 1, 1, 1});
  args.loraA = make.values(kF64, {1, 1, 2}, {1, 1});
  args.loraB = make.values(kF64, {1, 3, 1}, {1, 0, -1});
  args.y = make.empty(kF64, {1, 3});
  args.xa = make.empty(kF64, {1, 1});
  args.scale = 2;
  make.reference(args);
  expectValues(args.xa, {3}, "xa");
  expectValues(args.y, {1 + 6, 2, 3 - 6}, "loraLinearForward");

  args.bias = make.values(kF64, {3}, {10, 20, 30});
  make.reference(args);
  expectValues(args.y, {17, 22, 27}, "loraLinearForward with a bias");
  args.bias = {};
  make.reference(args);

  args.residual = args.y;  // 7, 2, -3
  make.reference(args);
  expectValues(args.y, {14, 4, -6}, "loraLinearForward onto its residual");

  LoraLinearBackward back{};
  back.dy = make.values(kF64, {1, 3}, {1, 2, 3});
  back.weight = args.weight;
  back.x = args.x;
  back.xa = args.xa;
  back.loraA = args.loraA;
  back.loraB = args.loraB;
  back.dx = make.empty(kF64, {1, 2});
  back.dLoraA = make.values(kF64, {1, 2}, {100, 100});
  back.dLoraB = make.values(kF64, {3, 1}, {100, 100, 100});
  back.scale = 2;
  make.reference(back);
  expectValues(back.dx, {4 - 4, 5 - 4}, "dx");  // dy B = 1 - 3
  expectValues(back.dLoraA, {100 - 4, 100 - 8}, "dLoraA");
  expectValues(back.dLoraB, {106, 112, 118}, "dLoraB");
}

// Rows 0 and 2 of W have slots 1 and 0, row 1 none; the second token has no adapter, the third the second
// one.
void testSegments(Maker& make) {
  LoraLinearForward args{};
  args.x = make.values(kF64, {3, 1}, {1, 1, 2});
  args.weight = make.values(kF64, {3, 1}, {0, 0, 0});
  args.loraA = make.values(kF64, {2, 2, 1}, {1, 10, 100, 1000});
  args.loraB = make.values(kF64, {2, 3, 1}, {1, 1, 1, 1, 1, 1});
  args.adapterOfRow = make.integers({3}, {0, -1, 1});
  args.y = make.empty(kF64, {3, 3});
  args.segments = ints({1, 2, 3});
  args.slots = ints({1, -1, 0});
  args.scale = 1;
  make.reference(args);
  expectValues(args.y, {10, 0, 1, 0, 0, 0, 2000, 0, 200}, "segments and adapters");
}

void testRope(Maker& make) {
  const Tensor positions = make.integers({1}, {50}), table = make.empty(kF64, {1, 4});
  const Tensor frequencies = make.values(kF64, {2, 2}, {1, 0.0078125, 0, 0.0021875});  // 1 and 1 / 100
  make.reference(RopeTable{positions, frequencies, table, 1});
  const double c0 = std::cos(50.0), s0 = std::sin(50.0), c1 = std::cos(0.5), s1 = std::sin(0.5);
  expectValues(table, {c0, c1, s0, s1}, "ropeTable");
  const Tensor x = make.values(kF64, {1, 6}, {1, 0, 0, 1, 7, 8});
  make.reference(Rope{x, table, {}, 1, 4, 0, 0});
  expectValues(x, {c0, -s1, s0, c1, 7, 8}, "rope");
  make.reference(Rope{x, table, {}, 1, 4, 1, 0});
  expectValues(x, {1, 0, 0, 1, 7, 8}, "rope and back");
  make.reference(RopeTable{positions, frequencies, table, 3});
  expectValues(table, {3 * c0, 3 * c1, 3 * s0, 3 * s1}, "ropeTable with a magnitude");
  const Tensor two = make.values(kF64, {1, 4}, {1, 0, 1, 0}), turn = make.values(kF64, {1, 2}, {0, 1});
  make.reference(Rope{two, turn, make.values(kF64, {1}, {5}), 2, 2, 0, 1});
  expectValues(two, {0, 5, 0, 1}, "rope with scaled q heads");
}

// Two sequences. In the first, the second token's scores are 0 and ln 3: weights 1/4 and 3/4.
void testAttention(Maker& make) {
  AttentionForward args{};
  args.qkv = make.values(kF64, {3, 3}, {9, 0, 4, 1, kLn3, 8, 5, 5, 6});
  args.offsets = make.integers({3}, {0, 2, 3});
  args.y = make.empty(kF64, {3, 1});
  args.lse = make.empty(kF64, {3, 1});
  args.heads = args.kvHeads = args.headDim = 1;
  args.scale = 1;
  make.reference(args);
  expectValues(args.y, {4, 1 + 6, 6}, "attentionForward");
  expectValues(args.lse, {0, std::log(4.0), 25}, "lse");

  AttentionBackward back{};
  back.dy = make.values(kF64, {3, 1}, {0, 1, 0});
  back.qkv = args.qkv;
  back.y = args.y;
  back.lse = args.lse;
  back.offsets = args.offsets;
  back.dqkv = make.empty(kF64, {3, 3});
  back.heads = back.kvHeads = back.headDim = 1;
  back.scale = 1;
  make.reference(back);
  // ds = p (v - y): -3/4 and 3/4; dq = ds k, dk = ds q, dv = p.
  expectValues(back.dqkv, {0, -0.75, 0.25, 0.75 * kLn3, 0.75, 0.75, 0, 0, 0}, "attentionBackward");
}

// Blocks of one place, in swapped order: the same numbers as above.
void testPaged(Maker& make) {
  const Tensor k = make.empty(kF64, {3, 1, 1, 1}), v = make.empty(kF64, {3, 1, 1, 1});
  const Tensor qkv = make.values(kF64, {3, 3}, {9, 0, 4, 1, kLn3, 8, 5, 5, 6});
  make.reference(KvCacheWrite{qkv, make.integers({3}, {2, 0, -1}), k, v, 1, 1, 1});
  expectValues(k, {kLn3, 0, 0}, "k cache");
  expectValues(v, {8, 0, 4}, "v cache");
  const Tensor y = make.empty(kF64, {3, 1});
  make.reference(PagedAttention{qkv, k, v, make.integers({1, 2}, {2, 0}), make.integers({3}, {0, 0, 0}),
                                make.integers({3}, {0, 1, 0}), y, 1, 1, 1, 1});
  expectValues(y, {4, 7, 4}, "pagedAttention");
}

// sigmoid(ln 3) = 3/4
void testSwiglu(Maker& make) {
  const Tensor gateUp = make.values(kF64, {1, 4}, {0, kLn3, 5, 2}), y = make.empty(kF64, {1, 2});
  make.reference(SwigluForward{gateUp, y});
  expectValues(y, {0, 1.5 * kLn3}, "swigluForward");
  make.reference(SwigluBackward{make.values(kF64, {1, 2}, {1, 1}), gateUp, gateUp});
  expectValues(gateUp, {2.5, 2 * (0.75 + kLn3 * 0.1875), 0, 0.75 * kLn3}, "swigluBackward in place");
}

// Logits 0, ln 2, ln 5: probabilities 1/8, 2/8, 5/8
void testLoss(Maker& make) {
  const Tensor x = make.values(kF64, {2, 1}, {1, 1}), weight = make.values(kF64, {3, 1}, {0, kLn2, kLn5});
  const Tensor loss = make.empty(kF64, {2}), dx = make.empty(kF64, {2, 1});
  const Tensor targets = make.integers({2}, {2, -1}), logprob = make.empty(kF64, {2});
  make.reference(
      LinearCrossEntropy{x, weight, targets, make.values(kF64, {2}, {-3, 5}), loss, dx, logprob, 10});
  expectValues(loss, {-3 * std::log(1.6), 0}, "linearCrossEntropy, weighted");
  expectValues(logprob, {-std::log(1.6), 0}, "linearCrossEntropy logprob");
  expectValues(dx, {-30 * (0.25 * kLn2 + 0.625 * kLn5 - kLn5), 0}, "linearCrossEntropy dx, weighted");
  make.reference(LinearCrossEntropy{x, weight, targets, {}, loss, dx, {}, 10});
  expectValues(loss, {std::log(1.6), 0}, "linearCrossEntropy");
  expectValues(dx, {10 * (0.25 * kLn2 + 0.625 * kLn5 - kLn5), 0}, "linearCrossEntropy dx");
}

void testOptimizer(Maker& make) {
  const Tensor grad = make.values(kF64, {2}, {3, 4}), norm = make.empty(kF64, {1});
  make.reference(GradNorm{grad, norm});
  expectValues(norm, {5}, "gradNorm");
  AdamW args{};
  args.param = make.values(kF64, {2}, {1, -2});
  args.grad = grad;
  args.m = make.values(kF64, {2}, {0, 0});
  args.v = make.values(kF64, {2}, {0, 0});
  args.norm = norm;
  args.lr = 0.1, args.beta1 = 0.9, args.beta2 = 0.99, args.weightDecay = 0.01;
  args.gradScale = 0.5, args.maxNorm = 1, args.step = 1;
  make.reference(args);
  // The first step is the sign of the gradient.
  const double g = 0.5 / (2.5 + 1e-6);
  expectValues(args.m, {0.1 * 3 * g, 0.1 * 4 * g}, "m");
  expectValues(args.v, {0.01 * 9 * g * g, 0.01 * 16 * g * g}, "v");
  expectValues(args.param, {1 - 0.1 * 1.01, -2 - 0.1 * 0.98}, "param");
}

void testSample(Maker& make) {
  const Tensor logits = make.values(kF64, {1, 3}, {0, kLn2, kLn5});
  const Tensor ids = make.empty(DType::I32, {1}), logprob = make.empty(kF64, {1});
  const auto draw = [&](double uniform, double temperature, double topP, int64_t topK, Tensor mask = {}) {
    make.reference(Sample{logits, mask, make.values(kF64, {1}, {uniform}),
                          make.values(kF64, {1}, {temperature}), make.values(kF64, {1}, {topP}),
                          make.integers({1}, {static_cast<int32_t>(topK)}), ids, logprob});
    return ids.as<int32_t>()[0];
  };
  expect(draw(0, 0, 1, 0) == 2, "greedy");
  expectValues(logprob, {std::log(5.0 / 8)}, "logprob");
  expect(draw(0.62, 1, 1, 0) == 2 && draw(0.63, 1, 1, 0) == 1 && draw(0.88, 1, 1, 0) == 0,
         "inverse transform");
  expectValues(logprob, {std::log(1.0 / 8)}, "logprob of the drawn");
  expect(draw(0.71, 1, 1, 2) == 2 && draw(0.72, 1, 1, 2) == 1 && draw(0.999, 1, 1, 2) == 1,
         "top-k: 5/7 and 2/7");
  expect(draw(0.999, 1, 0.6, 0) == 2 && draw(0.999, 1, 0.63, 0) == 1, "top-p");
  expect(draw(0.83, 0.5, 1, 0) == 2 && draw(0.84, 0.5, 1, 0) == 1 && draw(0.97, 0.5, 1, 0) == 0,
         "temperature");
  expect(draw(0, 0, 1, 0, make.integers({1, 1}, {0b011})) == 1, "mask");
  expectValues(logprob, {std::log(2.0 / 3)}, "logprob over the allowed");
}

}  // namespace

}  // namespace ibert::tests

int main() {
  using namespace ibert::tests;
  ibert::tools::Case owner{};
  ibert::tools::Maker make(owner, 0);
  for (const auto test : {testGather, testNorm, testLinear, testSegments, testRope, testAttention, testPaged,
                          testSwiglu, testLoss, testOptimizer, testSample}) {
    test(make);
  }
  return report();
}

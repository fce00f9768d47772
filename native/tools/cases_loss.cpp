// Cases of linearCrossEntropy.
#include "cases.h"

namespace ibert::tools {

namespace {

struct Shape {
  int64_t T, D, V;
};

void lossCase(CaseList& list, DType act, DType weight, bool packed, Shape shape, double size = 1,
              bool dx = true) {
  const auto [T, D, V] = shape;
  std::string label = named(act, {T, D}) + " times " + named(weight, {V, D}) + (packed ? " packed" : "");
  if (size != 1) label += ", of size " + std::to_string(static_cast<int>(size));
  if (!dx) label += ", no dx";
  list.push_back({Op::linearCrossEntropy, label, [=](Maker& make) {
                    const auto [T, D, V] = shape;
                    LinearCrossEntropy args{};
                    args.x = make.normal(act, {T, D}, size);
                    args.weight = packed ? make.packedWeight(weight, V, D) : make.weight(weight, V, D);
                    args.targets = make.indices({T}, 0, V);
                    // Unsupervised rows at the start, the end and in between.
                    for (int64_t t = 0; t < T && T > 1; t += 3) args.targets.as<int32_t>()[t] = -1;
                    args.loss = make.empty(DType::F32, {T});
                    if (dx) args.dx = make.empty(act, {T, D});
                    args.gradScale = 0.25;
                    if (act == DType::F32 && size > 1) make.bound("dx", kSteep32);
                    if (act == DType::BF16)
                      make.bound("dx", kOperands16);  // softmax(logits) is an operand too
                    if (act == DType::BF16 && weight != DType::BF16) make.bound("loss", kRoundedLoss);
                    make.arguments(args);
                  }});
}

// Weights of both signs and none, and the log-probabilities.
void weightedCase(CaseList& list, DType act, Shape shape, bool dx) {
  const auto [T, D, V] = shape;
  const std::string label = named(act, {T, D}) + " times " + named(DType::BF16, {V, D}) +
                            " packed, weighted" + (dx ? "" : ", no dx");
  list.push_back({Op::linearCrossEntropy, label, [=](Maker& make) {
                    const auto [T, D, V] = shape;
                    LinearCrossEntropy args{};
                    args.x = make.normal(act, {T, D});
                    args.weight = make.packedWeight(DType::BF16, V, D);
                    args.targets = make.indices({T}, 0, V);
                    args.tokenWeight = make.normal(DType::F32, {T}, 2);
                    for (int64_t t = 0; t < T; t += 3) args.targets.as<int32_t>()[t] = -1;
                    for (int64_t t = 1; t < T; t += 4) args.tokenWeight.as<float>()[t] = 0;
                    args.loss = make.empty(DType::F32, {T});
                    args.logprob = make.empty(DType::F32, {T});
                    if (dx) args.dx = make.empty(act, {T, D});
                    args.gradScale = 0.25;
                    if (act == DType::BF16) make.bound("dx", kOperands16);
                    make.arguments(args);
                  }});
}

}  // namespace

void addLossCases(CaseList& list) {
  for (const DType act : kActivations) {
    for (const bool dx : {true, false}) {
      weightedCase(list, act, {7, 65, 257}, dx);
      weightedCase(list, act, {33, 64, 100}, dx);
    }
  }
  weightedCase(list, DType::BF16, {70, 64, 513}, true);
  list.push_back({Op::linearCrossEntropy, "a weight that is not finite", [](Maker& make) {
                    LinearCrossEntropy args{};
                    args.x = make.normal(DType::F32, {3, 64});
                    args.weight = make.packedWeight(DType::F32, 10, 64);
                    args.targets = make.integers({3}, {1, 2, 3});
                    args.tokenWeight = make.values(DType::F32, {3}, {1, HUGE_VAL, 1});
                    args.loss = make.empty(DType::F32, {3});
                    args.gradScale = 1;
                    make.arguments(args);
                    make.mustFail("tokenWeight[1]");
                  }});
  for (const DType act : kActivations) {
    for (const DType weight : {DType::F32, DType::BF16, DType::F16}) {
      lossCase(list, act, weight, true, {7, 65, 257});
      lossCase(list, act, weight, false, {4, 33, 127});
    }
    for (const DType weight : kBlockFormats) lossCase(list, act, weight, true, {5, 256, 129});
    for (const int64_t size : {1, 31, 33, 65, 127, 257}) {
      lossCase(list, act, DType::BF16, true, {size, 64, 100});
      lossCase(list, act, DType::BF16, true, {5, size, 100});
      lossCase(list, act, DType::BF16, true, {5, 64, size});
    }
    lossCase(list, act, DType::BF16, true, {33, 576, 4099});
    lossCase(list, act, DType::BF16, true, {33, 576, 4099}, 1, false);
    lossCase(list, act, DType::BF16, true, {9, 64, 513}, 30);  // logits of some tens: exp must not overflow
    lossCase(list, act, DType::Q4_1, true, {1, 576, 2049});
  }
  // A vocabulary of more than one part of the sum of dx (kernels-cuda/linear_cross_entropy.cu).
  lossCase(list, DType::BF16, DType::BF16, true, {5, 24, 20000});
  for (const int32_t target : {100, -2}) {
    list.push_back({Op::linearCrossEntropy, "target " + std::to_string(target) + " of 100", [=](Maker& make) {
                      LinearCrossEntropy args{};
                      args.x = make.normal(DType::BF16, {3, 64});
                      args.weight = make.packedWeight(DType::BF16, 100, 64);
                      args.targets = make.integers({3}, {99, target, 0});
                      args.loss = make.empty(DType::F32, {3});
                      args.gradScale = 1;
                      make.arguments(args);
                      make.mustFail(std::to_string(target));
                    }});
  }
}

}  // namespace ibert::tools

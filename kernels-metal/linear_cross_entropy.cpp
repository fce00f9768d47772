#include "linear_cross_entropy.h"

#include <algorithm>

#include "register.h"

namespace ibert::metal {

namespace {

constexpr int64_t kEdge = 4;  // as product.h has it
constexpr int64_t kLogitBytes = int64_t{64} << 20, kFloat = sizeof(float);

int64_t rowsOfChunk(const LinearCrossEntropy& args) {
  const int64_t fit = kLogitBytes / (kFloat * std::max<int64_t>(args.weight.shape[0], 1));
  return std::min(args.x.shape[0], std::max<int64_t>(fit / kEdge * kEdge, kEdge));
}

int64_t workspace(const LinearCrossEntropy& args, Machine) {
  return rowsOfChunk(args) * args.weight.shape[0] * kFloat;
}

void run(const LinearCrossEntropy& args, Context& context) {
  const int64_t T = args.x.shape[0], chunk = rowsOfChunk(args);
  LossParameters p{};
  p.D = args.x.shape[1];
  p.V = args.weight.shape[0];
  p.gradScale = static_cast<float>(args.gradScale);
  p.hasWeights = static_cast<bool>(args.tokenWeight);
  p.hasLogprob = static_cast<bool>(args.logprob);
  p.x = numberOf(args.x);
  p.weight = numberOf(args.weight);
  p.dx = numberOf(args.dx);
  const Operand logits = context.scratch(0);
  const auto threads = [&](int64_t columns) {
    return ceilDivide(p.rows, kEdge) * ceilDivide(columns, kEdge);
  };
  for (p.first = 0; p.first < T; p.first += chunk) {
    p.rows = std::min(T - p.first, chunk);
    context.elements("lossLogits", threads(p.V), {&args.x, &args.weight, logits}, p);
    context.rows("lossRows", p.rows, {&args.targets, &args.tokenWeight, logits, &args.loss, &args.logprob}, p,
                 kFewThreads * kFloat);
    if (args.dx) context.elements("lossGradient", threads(p.D), {logits, &args.weight, &args.dx}, p);
  }
}

}  // namespace

void registerLinearCrossEntropy(KernelTable& table) {
  table.set<LinearCrossEntropy, run>(kTwin);
  table.setWorkspace<LinearCrossEntropy, workspace>();
}

}  // namespace ibert::metal

// The language-model head and its loss. Here one row's logits are in memory at a time.
#include <cmath>

#include "reference.h"

namespace ibert::reference {

namespace {

// dloss/dlogit = softmax(logits) - onehot(target)
void linearCrossEntropy(const LinearCrossEntropy& args, Context& context) {
  const int64_t T = args.x.shape[0], D = args.x.shape[1], V = args.weight.shape[0];
  const Matrix weight = read(args.weight, context.pool), x = read(args.x, context.pool);
  context.pool.parallelFor(T, [&](int64_t t, int) {
    const int64_t target = indexAt(args.targets, t);
    const double tokenWeight = args.tokenWeight ? readAt(args.tokenWeight, t) : 1;
    std::vector<double> dx(D), logits(V);
    double loss = 0, logprob = 0;
    if (target >= 0) {
      double highest = -HUGE_VAL, sum = 0;
      for (int64_t v = 0; v < V; ++v) {
        logits[v] = dot(x.row(t), weight.row(v), D);
        highest = std::max(highest, logits[v]);
      }
      for (int64_t v = 0; v < V; ++v) sum += std::exp(logits[v] - highest);
      const double lse = highest + std::log(sum);
      logprob = logits[target] - lse;
      if (tokenWeight != 0) loss = -tokenWeight * logprob;
      for (int64_t v = 0; v < V && args.dx && tokenWeight != 0; ++v) {
        const double dLogit =
            args.gradScale * tokenWeight * (std::exp(logits[v] - lse) - (v == target ? 1 : 0));
        for (int64_t i = 0; i < D; ++i) dx[i] += dLogit * weight.row(v)[i];
      }
    }
    writeAt(args.loss, t, loss);
    if (args.logprob) writeAt(args.logprob, t, logprob);
    if (args.dx) writeRange(args.dx, t * D, D, dx.data());
  });
}

}  // namespace

void registerCrossEntropy(KernelTable& table) {
  table.set<LinearCrossEntropy, linearCrossEntropy>(kPath);
}

}  // namespace ibert::reference

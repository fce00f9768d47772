// linearCrossEntropy: logprob[t] = (x W^T)[t][target] - logsumexp((x W^T)[t]), loss = -tokenWeight * logprob,
// and the gradient of gradScale * loss with respect to x. Rows go in chunks, so that the logits are never
// whole in memory.
#include <metal_stdlib>
using namespace metal;

#include "group_sum.h"
#include "linear_cross_entropy.h"
#include "product.h"

inline float weightOf(const device float* tokenWeight, constant LossParameters& p, int64_t t) {
  return p.hasWeights ? tokenWeight[t] : 1.0f;
}
// -1 where the logits of row t are not asked for.
inline int64_t targetOf(const device int32_t* targets, const device float* tokenWeight,
                        constant LossParameters& p, int64_t t) {
  const int64_t target = inside(targets[t], 0, p.V, -1);
  return weightOf(tokenWeight, p, t) != 0 || p.hasLogprob ? target : -1;
}

// x W^T of a chunk. logits: (rows, V)
KERNEL lossLogits(const device uint8_t* x [[buffer(0)]], const device uint8_t* weight [[buffer(1)]],
                  device float* logits [[buffer(2)]], constant LossParameters& p [[buffer(3)]], PLACE) {
  const int64_t i = elementOf(group, index), columns = (p.V + kEdge - 1) / kEdge;
  const int64_t row = i / columns * kEdge, column = i % columns * kEdge;
  if (row >= p.rows) return;
  Sums sums = {};
  addProduct(sums, Factor{x, p.x, p.first + p.rows, p.D, 1}, p.first + row,
             Factor{weight, p.weight, p.V, p.D, 1}, column, p.D);
  for (int64_t t = row; t < row + kEdge && t < p.rows; ++t)
    for (int64_t v = column; v < column + kEdge && v < p.V; ++v)
      logits[t * p.V + v] = sums.at[t - row][v - column];
}

// A row a threadgroup. Leaves gradScale * tokenWeight * (softmax - onehot) in the row of logits, 0 where
// nothing is asked for.
KERNEL lossRows(const device int32_t* targets [[buffer(0)]], const device float* tokenWeight [[buffer(1)]],
                device float* logits [[buffer(2)]], device float* loss [[buffer(3)]],
                device float* logprob [[buffer(4)]], constant LossParameters& p [[buffer(5)]],
                threadgroup float* partial THREADGROUP(0), PLACE) {
  const int64_t t = p.first + group.x, target = targetOf(targets, tokenWeight, p, t);
  device float* row = logits + group.x * p.V;
  if (target < 0) {
    for (int64_t v = index; v < p.V; v += kFewThreads) row[v] = 0;
    if (index != 0) return;
    loss[t] = 0;
    if (p.hasLogprob) logprob[t] = 0;
    return;
  }
  float own = -INFINITY;
  for (int64_t v = index; v < p.V; v += kFewThreads) own = metal::fmax(own, row[v]);
  const float highest = groupHighest(own, partial, index, kFewThreads);
  float sum = 0;
  for (int64_t v = index; v < p.V; v += kFewThreads) sum += precise::exp(row[v] - highest);
  const float below = row[target] - highest;
  const float total = groupSum(sum, partial, index, kFewThreads), ofTarget = below - precise::log(total);
  const float factor = weightOf(tokenWeight, p, t), scale = p.gradScale * factor;
  if (index == 0) {
    loss[t] = factor == 0 ? 0.0f : -factor * ofTarget;
    if (p.hasLogprob) logprob[t] = ofTarget;
  }
  for (int64_t v = index; v < p.V; v += kFewThreads) {
    const float probability = precise::exp(row[v] - highest) / total;
    row[v] = scale == 0 ? 0.0f : scale * (v == target ? probability - 1 : probability);
  }
}

// dx of a chunk.
KERNEL lossGradient(const device uint8_t* gradient [[buffer(0)]], const device uint8_t* weight [[buffer(1)]],
                    device uint8_t* dx [[buffer(2)]], constant LossParameters& p [[buffer(3)]], PLACE) {
  const int64_t i = elementOf(group, index), columns = (p.D + kEdge - 1) / kEdge;
  const int64_t row = i / columns * kEdge, column = i % columns * kEdge;
  if (row >= p.rows) return;
  Sums sums = {};
  addProduct(sums, Factor{gradient, kF32, p.rows, p.V, 1}, row, Factor{weight, p.weight, p.D, 1, p.D}, column,
             p.V);
  for (int64_t t = row; t < row + kEdge && t < p.rows; ++t)
    for (int64_t k = column; k < column + kEdge && k < p.D; ++k)
      setAt(dx, p.dx, (p.first + t) * p.D + k, sums.at[t - row][k - column]);
}

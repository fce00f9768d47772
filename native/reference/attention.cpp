// Causal grouped-query attention over packed sequences, forward and backward.
#include <cmath>

#include "reference.h"

namespace ibert::reference {

namespace {

// The first token of the sequence of every token.
std::vector<int64_t> sequenceStarts(const Tensor& offsets, int64_t T) {
  const int32_t* at = offsets.as<const int32_t>();
  std::vector<int64_t> start(T);
  for (int64_t s = 0; s + 1 < offsets.shape[0]; ++s) {
    for (int64_t t = at[s]; t < at[s + 1]; ++t) start[t] = at[s];
  }
  return start;
}

// A row of qkv is [q heads | k heads | v heads]; query head h reads key and value head h / (heads / kvHeads).
struct Heads {
  int64_t heads, kvHeads, headDim;

  int64_t columns() const { return (heads + 2 * kvHeads) * headDim; }
  int64_t q(int64_t head) const { return head * headDim; }
  int64_t k(int64_t head) const { return (heads + head / (heads / kvHeads)) * headDim; }
  int64_t v(int64_t head) const { return k(head) + kvHeads * headDim; }
};

void attentionForward(const AttentionForward& args, Context& context) {
  const Heads at{args.heads, args.kvHeads, args.headDim};
  const int64_t T = args.qkv.shape[0], D = args.headDim;
  const std::vector<int64_t> start = sequenceStarts(args.offsets, T);
  const Matrix qkv = read(args.qkv, context.pool);
  context.pool.parallelFor(T * args.heads, [&](int64_t task, int) {
    const int64_t t = task / args.heads, head = task % args.heads;
    std::vector<double> score(t + 1), y(D);
    double highest = -HUGE_VAL, sum = 0;
    for (int64_t j = start[t]; j <= t; ++j) {
      score[j] = args.scale * dot(qkv.row(t) + at.q(head), qkv.row(j) + at.k(head), D);
      highest = std::max(highest, score[j]);
    }
    for (int64_t j = start[t]; j <= t; ++j) sum += std::exp(score[j] - highest);
    const double lse = highest + std::log(sum);
    for (int64_t j = start[t]; j <= t; ++j) {
      const double p = std::exp(score[j] - lse);
      for (int64_t i = 0; i < D; ++i) y[i] += p * qkv.row(j)[at.v(head) + i];
    }
    writeRange(args.y, (t * args.heads + head) * D, D, y.data());
    writeAt(args.lse, t * args.heads + head, lse);
  });
}

// With p = exp(scale q k - lse) and dp = dy . v: ds = p (dp - dy . y); dv += p dy, dq += scale ds k, dk +=
// scale ds q. One task is one key-value head, whose rows of dk and dv sum over its query heads in a fixed
// order.
void attentionBackward(const AttentionBackward& args, Context& context) {
  const Heads at{args.heads, args.kvHeads, args.headDim};
  const int64_t T = args.qkv.shape[0], D = args.headDim, group = args.heads / args.kvHeads;
  const std::vector<int64_t> start = sequenceStarts(args.offsets, T);
  const Matrix qkv = read(args.qkv, context.pool), dy = read(args.dy, context.pool),
               y = read(args.y, context.pool);
  const Matrix lse = read(args.lse, context.pool);
  Matrix dqkv(T, at.columns());
  context.pool.parallelFor(args.kvHeads, [&](int64_t kvHead, int) {
    for (int64_t head = kvHead * group; head < (kvHead + 1) * group; ++head) {
      for (int64_t t = 0; t < T; ++t) {
        const double* q = qkv.row(t) + at.q(head);
        const double* g = dy.row(t) + head * D;
        const double delta = dot(g, y.row(t) + head * D, D);
        for (int64_t j = start[t]; j <= t; ++j) {
          const double* k = qkv.row(j) + at.k(head);
          const double p = std::exp(args.scale * dot(q, k, D) - lse.row(t)[head]);
          const double ds = args.scale * p * (dot(g, qkv.row(j) + at.v(head), D) - delta);
          for (int64_t i = 0; i < D; ++i) {
            dqkv.row(t)[at.q(head) + i] += ds * k[i];
            dqkv.row(j)[at.k(head) + i] += ds * q[i];
            dqkv.row(j)[at.v(head) + i] += p * g[i];
          }
        }
      }
    }
  });
  write(args.dqkv, dqkv, context.pool);
}

}  // namespace

void registerAttention(KernelTable& table) {
  table.set<AttentionForward, attentionForward>(kPath);
  table.set<AttentionBackward, attentionBackward>(kPath);
}

}  // namespace ibert::reference

// Causal grouped-query attention within packed sequences. (Dao et al. 2022) A threadgroup for each token and
// head: its threads share out the keys for the softmax; then, for some keys at a time, they compute their
// weights and share out the columns. Sums go in a fixed order: no atomics.
#include <metal_stdlib>
using namespace metal;

#include "attention.h"
#include "softmax.h"
#include "span.h"

inline float scoreOf(const device uint8_t* qkv, constant AttentionParameters& p, int64_t t, int64_t j,
                     int64_t head) {
  const Heads at = p.at;
  const int64_t columns = columnsOf(at);
  return p.scale * dotOf(qkv, p.qkv, t * columns + head * at.D, qkv, p.qkv,
                         j * columns + keyColumn(at, kvHeadOf(at, head)), at.D);
}

// qkv: (T, (heads + 2 kvHeads) D), offsets: (S), y: (T, heads D), lse: (T, heads)
KERNEL attentionForward(const device uint8_t* qkv [[buffer(0)]], const device int32_t* offsets [[buffer(1)]],
                        device uint8_t* y [[buffer(2)]], device float* lse [[buffer(3)]],
                        constant AttentionParameters& p [[buffer(4)]],
                        threadgroup float* memory THREADGROUP(0), PLACE) {
  const Heads at = p.at;
  const int64_t t = group.x / at.heads, head = group.x % at.heads, columns = columnsOf(at);
  const int64_t begin = sequenceOf(offsets, p.S, t, p.T).begin, value = valueColumn(at, kvHeadOf(at, head));

  Softmax own = {kLowest, 0};
  for (int64_t j = begin + index; j <= t; j += kFewThreads)
    own = joined(own, Softmax{scoreOf(qkv, p, t, j, head), 1});
  const Softmax all = groupSoftmax(own, memory, index);
  const float total = all.highest + precise::log(all.sum);
  if (index == 0) lse[group.x] = total;

  for (int64_t first = 0; first < at.D; first += kFewThreads) {
    const int64_t column = first + index;
    float sum = 0;
    for (int64_t j = begin; j <= t; j += kFewThreads) {
      const int64_t mine = j + index, count = t - j < kFewThreads ? t - j + 1 : kFewThreads;
      if (mine <= t) memory[index] = precise::exp(scoreOf(qkv, p, t, mine, head) - total);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (int64_t i = 0; i < count && column < at.D; ++i)
        sum += memory[i] * valueAt(qkv, p.qkv, (j + i) * columns + value + column);
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    if (column < at.D) setAt(y, p.y, int64_t(group.x) * at.D + column, sum);
  }
}

// Backward: with p = exp(scale q k - lse), dp = dy . v and delta = dy . y, ds = scale p (dp - delta); dq =
// sum ds k, dk = sum ds q, dv = sum p dy. delta: (T, heads), an element a thread.
KERNEL attentionDelta(const device uint8_t* dy [[buffer(0)]], const device uint8_t* y [[buffer(1)]],
                      device float* delta [[buffer(2)]], constant AttentionParameters& p [[buffer(3)]],
                      PLACE) {
  const int64_t i = elementOf(group, index);
  if (i < p.T * p.at.heads) delta[i] = dotOf(dy, p.dy, i * p.at.D, y, p.y, i * p.at.D, p.at.D);
}

inline float probabilityOf(const device uint8_t* qkv, const device float* lse,
                           constant AttentionParameters& p, int64_t t, int64_t j, int64_t head) {
  return precise::exp(scoreOf(qkv, p, t, j, head) - lse[t * p.at.heads + head]);
}
inline float scoreGradient(float probability, const device uint8_t* dy, const device uint8_t* qkv,
                           const device float* delta, constant AttentionParameters& p, int64_t t, int64_t j,
                           int64_t head) {
  const int64_t row = t * p.at.heads + head;
  const float dp = dotOf(dy, p.dy, row * p.at.D, qkv, p.qkv,
                         j * columnsOf(p.at) + valueColumn(p.at, kvHeadOf(p.at, head)), p.at.D);
  return p.scale * probability * (dp - delta[row]);
}

// dq: a threadgroup for each token and head.
KERNEL attentionQueries(const device uint8_t* dy [[buffer(0)]], const device uint8_t* qkv [[buffer(1)]],
                        const device float* lse [[buffer(2)]], const device float* delta [[buffer(3)]],
                        const device int32_t* offsets [[buffer(4)]], device uint8_t* dqkv [[buffer(5)]],
                        constant AttentionParameters& p [[buffer(6)]], threadgroup float* ds THREADGROUP(0),
                        PLACE) {
  const Heads at = p.at;
  const int64_t t = group.x / at.heads, head = group.x % at.heads, columns = columnsOf(at);
  const int64_t begin = sequenceOf(offsets, p.S, t, p.T).begin, key = keyColumn(at, kvHeadOf(at, head));
  for (int64_t first = 0; first < at.D; first += kFewThreads) {
    const int64_t column = first + index;
    float sum = 0;
    for (int64_t j = begin; j <= t; j += kFewThreads) {
      const int64_t mine = j + index, count = t - j < kFewThreads ? t - j + 1 : kFewThreads;
      if (mine <= t)
        ds[index] =
            scoreGradient(probabilityOf(qkv, lse, p, t, mine, head), dy, qkv, delta, p, t, mine, head);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (int64_t i = 0; i < count && column < at.D; ++i)
        sum += ds[i] * valueAt(qkv, p.qkv, (j + i) * columns + key + column);
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    if (column < at.D) setAt(dqkv, p.dqkv, t * columns + head * at.D + column, sum);
  }
}

// dk and dv: a threadgroup for each token and key-value head, over the queries of its group's heads that see
// it.
KERNEL attentionKeys(const device uint8_t* dy [[buffer(0)]], const device uint8_t* qkv [[buffer(1)]],
                     const device float* lse [[buffer(2)]], const device float* delta [[buffer(3)]],
                     const device int32_t* offsets [[buffer(4)]], device uint8_t* dqkv [[buffer(5)]],
                     constant AttentionParameters& p [[buffer(6)]], threadgroup float* weights THREADGROUP(0),
                     PLACE) {
  const Heads at = p.at;
  const int64_t j = group.x / at.kvHeads, kvHead = group.x % at.kvHeads, columns = columnsOf(at);
  const int64_t end = sequenceOf(offsets, p.S, j, p.T).end, queries = at.heads / at.kvHeads;
  for (int64_t first = 0; first < at.D; first += kFewThreads) {
    const int64_t column = first + index;
    float dk = 0, dv = 0;
    for (int64_t head = kvHead * queries; head < (kvHead + 1) * queries; ++head) {
      for (int64_t t = j; t < end; t += kFewThreads) {
        const int64_t mine = t + index, count = end - t < kFewThreads ? end - t : kFewThreads;
        if (mine < end) {
          const float probability = probabilityOf(qkv, lse, p, mine, j, head);
          weights[2 * index] = probability;
          weights[2 * index + 1] = scoreGradient(probability, dy, qkv, delta, p, mine, j, head);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (int64_t i = 0; i < count && column < at.D; ++i) {
          dv += weights[2 * i] * valueAt(dy, p.dy, ((t + i) * at.heads + head) * at.D + column);
          dk += weights[2 * i + 1] * valueAt(qkv, p.qkv, (t + i) * columns + head * at.D + column);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
      }
    }
    if (column < at.D) {
      setAt(dqkv, p.dqkv, j * columns + keyColumn(at, kvHead) + column, dk);
      setAt(dqkv, p.dqkv, j * columns + valueColumn(at, kvHead) + column, dv);
    }
  }
}

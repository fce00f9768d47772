// The twins over the paged cache (paged_rows.h). Slot s is place s % W of block s / W.
#include <metal_stdlib>
using namespace metal;

#include "group_sum.h"
#include "paged_rows.h"
#include "softmax.h"

constant constexpr int64_t kCodes = 32;  // elements of a q8_0 block, which has a scale in f16 and them

// Values [at, at + 32) of a row as a block of q8_0, as the op table defines it.
inline void writeCodes(const device uint8_t* from, int32_t dtype, int64_t at, device uint8_t* cache,
                       int64_t to) {
  float largest = 0;
  for (int64_t i = 0; i < kCodes && !metal::isnan(largest); ++i) {
    const float size = metal::fabs(valueAt(from, dtype, at + i));
    if (!(size <= largest)) largest = size;
  }
  const half stored = half(largest / 127.0f);
  const float scale = float(stored);
  const bool usable = scale > 0 && scale <= 65504.0f;
  device uint8_t* block = cache + to / kCodes * (2 + kCodes);
  *(device half*)block = stored;
  for (int64_t i = 0; i < kCodes; ++i) {
    const float code = usable ? metal::rint(valueAt(from, dtype, at + i) / scale) : 0.0f;
    block[2 + i] = uint8_t(int8_t(metal::fmin(metal::fmax(code, -127.0f), 127.0f)));
  }
}

inline void writeRow(const device uint8_t* from, int32_t dtype, int64_t at, device uint8_t* cache,
                     int32_t cacheType, int64_t to, int64_t D, uint index) {
  if (cacheType == kQ8_0) {
    for (int64_t i = index * kCodes; i < D; i += kFewThreads * kCodes)
      writeCodes(from, dtype, at + i, cache, to + i);
  } else {
    for (int64_t i = index; i < D; i += kFewThreads)
      setAt(cache, cacheType, to + i, valueAt(from, dtype, at + i));
  }
}

// A threadgroup for each row and key-value head. Of two rows with one slot the later stays, so that a row
// writes only when none after it has its slot.
KERNEL kvCacheWrite(const device uint8_t* qkv [[buffer(0)]], const device int32_t* slots [[buffer(1)]],
                    device uint8_t* kCache [[buffer(2)]], device uint8_t* vCache [[buffer(3)]],
                    constant PagedParameters& p [[buffer(4)]], threadgroup float* memory THREADGROUP(0),
                    PLACE) {
  const int64_t t = group.x / p.at.kvHeads, kvHead = group.x % p.at.kvHeads;
  const int64_t slot = inside(slots[t], 0, p.B * p.W, -1);
  float later = 0;
  for (int64_t s = t + 1 + index; s < p.T; s += kFewThreads) {
    if (slots[s] == slot) later = 1;
  }
  if (groupHighest(later, memory, index, kFewThreads) > 0 || slot < 0) return;
  const int64_t to = cacheRow(p, slot / p.W, kvHead, slot % p.W) * p.at.D, row = t * columnsOf(p.at);
  writeRow(qkv, p.qkv, row + keyColumn(p.at, kvHead), kCache, p.kCache, to, p.at.D, index);
  writeRow(qkv, p.qkv, row + valueColumn(p.at, kvHead), vCache, p.vCache, to, p.at.D, index);
}

// A threadgroup for each row and head, as attentionForward's. y: (T, heads D)
KERNEL pagedAttention(const device uint8_t* qkv [[buffer(0)]], const device uint8_t* kCache [[buffer(1)]],
                      const device uint8_t* vCache [[buffer(2)]], const device int32_t* table [[buffer(3)]],
                      const device int32_t* rowSequence [[buffer(4)]],
                      const device int32_t* rowPosition [[buffer(5)]], device uint8_t* y [[buffer(6)]],
                      constant PagedParameters& p [[buffer(7)]], threadgroup float* memory THREADGROUP(0),
                      PLACE) {
  const Heads at = p.at;
  const int64_t t = group.x / at.heads, head = group.x % at.heads, kvHead = kvHeadOf(at, head);
  const int64_t sequence = inside(rowSequence[t], 0, p.S, 0), last = inside(rowPosition[t], 0, p.M * p.W, -1);
  const int64_t query = t * columnsOf(at) + head * at.D;

  Softmax own = {kLowest, 0};
  for (int64_t j = index; j <= last; j += kFewThreads) {
    const int64_t key = rowOf(table, p, sequence, kvHead, j) * at.D;
    own = joined(own, Softmax{p.scale * dotOf(qkv, p.qkv, query, kCache, p.kCache, key, at.D), 1});
  }
  const Softmax all = groupSoftmax(own, memory, index);

  for (int64_t first = 0; first < at.D; first += kFewThreads) {
    const int64_t column = first + index;
    float sum = 0;
    for (int64_t j = 0; j <= last; j += kFewThreads) {
      const int64_t mine = j + index, count = last - j < kFewThreads ? last - j + 1 : kFewThreads;
      if (mine <= last) {
        const int64_t key = rowOf(table, p, sequence, kvHead, mine) * at.D;
        const float score = p.scale * dotOf(qkv, p.qkv, query, kCache, p.kCache, key, at.D);
        memory[index] = precise::exp(score - all.highest) / all.sum;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (int64_t i = 0; i < count && column < at.D; ++i)
        sum +=
            memory[i] * elementAt(vCache, p.vCache, rowOf(table, p, sequence, kvHead, j + i) * at.D + column);
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    if (column < at.D) setAt(y, p.y, int64_t(group.x) * at.D + column, sum);
  }
}

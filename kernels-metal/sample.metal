// sample: draws one id a row, greedily or by inverse transform over the top-k, top-p renormalised softmax in
// descending order of the logits, equal ones in ascending order of their ids.
#include <metal_stdlib>
using namespace metal;

#include "grid.h"
#include "group_sum.h"
#include "operand.h"
#include "sample.h"

// Weights, at most 1, are whole numbers of this unit, so that their sums are exact in any order: 2^17 of them
// have 51 bits.
constant constexpr float kUnit = 17179869184.0f;  // 2^34
constant constexpr int kKeyBits = 32, kIdBits = 24, kDigitBits = 3;

struct Row {
  const device float* logits;
  const device int32_t* mask;  // read where hasMask is not 0
  int64_t V;
  int32_t hasMask;
  float highest, perUnit;  // 1 / temperature
};
inline float logitAt(Row row, int64_t id) {
  if (row.hasMask && (uint32_t(row.mask[id / 32]) >> (id % 32) & 1u) == 0) return -INFINITY;
  return row.logits[id];
}
inline uint64_t weightOf(Row row, float logit) {
  return uint64_t(precise::exp((logit - row.highest) * row.perUnit) * kUnit);
}
// Ascending where the logits descend.
inline uint32_t keyOf(float logit) {
  const uint32_t bits = as_type<uint32_t>(logit == 0 ? 0.0f : logit);
  return bits >> 31 ? bits : ~bits & 0x7fffffffu;
}
inline uint64_t placeOf(Row row, int64_t id) {
  return uint64_t(keyOf(logitAt(row, id))) << kIdBits | uint64_t(id);
}

// mass * share, rounded down or up, of a share of [0, 1] with 32 bits; of another one, which is on record,
// any.
inline uint64_t shareOf(uint64_t mass, float share, bool up) {
  const float within = metal::fmin(metal::fmax(share, 0.0f), 1.0f);
  const uint64_t part = uint64_t(within * 4294967296.0f), high = mass >> 32, low = mass & 0xffffffffu;
  const uint64_t rest = low * part;
  return high * part + (rest >> 32) + (up && (rest & 0xffffffffu) != 0 ? 1 : 0);
}

// How many candidates, and what they weigh together.
struct Mass {
  uint64_t weight;
  uint count;
};
inline Mass plus(Mass a, Mass b) {
  return {a.weight + b.weight, a.count + b.count};
}

// What threads share, of which each has some bins of its own: element [bin][thread].
struct Bins {
  threadgroup uint64_t* weights;
  threadgroup uint* counts;
};
inline Mass massAt(Bins bins, int i) {
  return {bins.weights[i], bins.counts[i]};
}
inline void setMass(Bins bins, int i, Mass mass) {
  bins.weights[i] = mass.weight;
  bins.counts[i] = mass.count;
}
// Behind the threads' bins lie those of sixteen parts of the threads, and of all.
constant constexpr int kPartBins = kDigits * kDrawThreads, kAllBins = kPartBins + kDigits * kDrawParts;
inline Bins binsOf(threadgroup uint64_t* memory) {
  constexpr int kAll = kAllBins + kDigits;
  return {memory, (threadgroup uint*)(memory + kAll)};
}
// The first `count` bins of all threads together, by the threads between barriers; they are there behind
// another one.
inline void addBins(Bins bins, int count, uint index) {
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const int bin = int(index) / kDrawParts, part = int(index) % kDrawParts;
  if (bin < count) {
    Mass all = {0, 0};
    for (int i = part; i < kDrawThreads; i += kDrawParts)
      all = plus(all, massAt(bins, bin * kDrawThreads + i));
    setMass(bins, kPartBins + int(index), all);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (int(index) < count) {
    Mass all = {0, 0};
    for (int i = 0; i < kDrawParts; ++i)
      all = plus(all, massAt(bins, kPartBins + int(index) * kDrawParts + i));
    setMass(bins, kAllBins + int(index), all);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
}

// Of the candidates of the row whose place is at most `last`, in all threads.
inline Mass massUpTo(Row row, uint64_t last, threadgroup uint64_t* memory, uint index) {
  const Bins bins = binsOf(memory);
  Mass own = {0, 0};
  for (int64_t v = index; v < row.V; v += kDrawThreads) {
    const float logit = logitAt(row, v);
    if (logit == -INFINITY || placeOf(row, v) > last) continue;
    own = plus(own, Mass{weightOf(row, logit), 1});
  }
  setMass(bins, int(index), own);
  addBins(bins, 1, index);
  const Mass all = massAt(bins, kAllBins);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return all;
}

// The first place, up to `last`, at which `limit` candidates are taken or their mass reaches `target`, digit
// by digit: how many candidates have which next digit, and what they weigh, says in which of them it lies.
// Each thread counts by itself, so that no atomics are needed. Where one candidate is left, it is that.
inline uint64_t placeWhere(Row row, uint64_t last, uint64_t target, uint64_t limit,
                           threadgroup uint64_t* memory, uint index) {
  const Bins bins = binsOf(memory);
  threadgroup uint64_t* found = (threadgroup uint64_t*)(bins.counts + kAllBins + kDigits);
  uint64_t place = 0;
  Mass before = {0, 0};
  for (int shift = (kKeyBits + kIdBits - 1) / kDigitBits * kDigitBits; shift >= 0; shift -= kDigitBits) {
    for (int i = 0; i < kDigits; ++i) setMass(bins, i * kDrawThreads + int(index), Mass{0, 0});
    for (int64_t v = index; v < row.V; v += kDrawThreads) {
      const float logit = logitAt(row, v);
      if (logit == -INFINITY) continue;
      const uint64_t candidate = placeOf(row, v);
      // The digits that were found must be its own.
      if (candidate > last || (candidate ^ place) >> shift >> kDigitBits != 0) continue;
      const int own = int(uint(candidate >> shift) % kDigits) * kDrawThreads + int(index);
      setMass(bins, own, plus(massAt(bins, own), Mass{weightOf(row, logit), 1}));
    }
    addBins(bins, kDigits, index);
    // In every thread.
    int digit = 0;
    Mass taken = before;
    for (int d = 0; d < kDigits; ++d) {
      const Mass here = massAt(bins, kAllBins + d), after = plus(before, here);
      if (here.count == 0) continue;
      digit = d;
      taken = before;
      if (after.count >= limit || after.weight >= target) break;
      before = after;
    }
    before = taken;
    place |= uint64_t(digit) << shift;
    const bool isOne = massAt(bins, kAllBins + digit).count == 1;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (!isOne) continue;
    for (int64_t v = index; v < row.V; v += kDrawThreads) {
      if (logitAt(row, v) == -INFINITY) continue;
      const uint64_t candidate = placeOf(row, v);
      if (candidate <= last && (candidate ^ place) >> shift == 0) *found = candidate;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    place = *found;
    break;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return place;
}

inline int64_t drawOf(Row row, float uniform, float topP, int32_t topK, threadgroup uint64_t* memory,
                      uint index) {
  uint64_t last = ~uint64_t(0) >> 1;
  const uint64_t noLimit = last;
  Mass kept = massUpTo(row, last, memory, index);
  if (topK > 0 && uint64_t(topK) < kept.count) {
    last = placeWhere(row, last, noLimit, uint64_t(topK), memory, index);
    kept = massUpTo(row, last, memory, index);
  }
  if (topP < 1) {
    const uint64_t target = shareOf(kept.weight, topP, true);
    last = placeWhere(row, last, target > 0 ? target : 1, noLimit, memory, index);
    kept = massUpTo(row, last, memory, index);
  }
  // The first whose mass exceeds the point.
  const uint64_t point = shareOf(kept.weight, uniform, false) + 1;
  last = placeWhere(row, last, point, noLimit, memory, index);
  return int64_t(last & ((uint64_t(1) << kIdBits) - 1));
}

// The lowest of all threads, by way of parts of them.
inline int64_t drawFirst(int64_t value, threadgroup int64_t* partial, uint index) {
  partial[index] = value;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  int64_t first = kNoPlace;
  for (int i = int(index); index < uint(kDrawParts) && i < kDrawThreads; i += kDrawParts)
    first = partial[i] < first ? partial[i] : first;
  return groupFirst(first, partial + kDrawThreads, index, uint(kDrawParts));
}

// A row a threadgroup. ids that could not be drawn become negative: drawFaults looks for them.
KERNEL drawRows(const device float* logits [[buffer(0)]], const device int32_t* mask [[buffer(1)]],
                const device float* uniform [[buffer(2)]], const device float* temperature [[buffer(3)]],
                const device float* topP [[buffer(4)]], const device int32_t* topK [[buffer(5)]],
                device int32_t* ids [[buffer(6)]], device float* logprob [[buffer(7)]],
                constant SampleParameters& p [[buffer(8)]], threadgroup uint64_t* memory THREADGROUP(0),
                PLACE) {
  const int64_t b = group.x;
  Row row = {logits + b * p.V, mask + b * p.words, p.V, p.hasMask, 0, 0};
  int64_t bad = kNoPlace;
  uint64_t best = ~uint64_t(0) >> 1;
  for (int64_t v = index; v < p.V; v += kDrawThreads) {
    const float logit = logitAt(row, v);
    if (bad == kNoPlace && (metal::isnan(logit) || logit == INFINITY)) bad = v;
    if (logit == -INFINITY) continue;
    const uint64_t place = placeOf(row, v);
    if (place < best) best = place;
  }
  threadgroup int64_t* places = (threadgroup int64_t*)memory;
  bad = drawFirst(bad, places, index);
  const int64_t first = drawFirst(int64_t(best), places, index);
  if (bad != kNoPlace || first == kNoPlace) {
    if (index != 0) return;
    ids[b] = bad != kNoPlace ? -1 - int32_t(bad) : -0x7fffffff - 1;
    if (p.hasLogprob) logprob[b] = 0;
    return;
  }
  int64_t id = first & ((int64_t(1) << kIdBits) - 1);
  row.highest = row.logits[id];
  const float heat = p.hasTemperature ? temperature[b] : 0.0f;
  if (heat > 0) {
    row.perUnit = metal::fmin(1 / heat, 3.40282347e38f);
    id = inside(drawOf(row, uniform[b], p.hasTopP ? topP[b] : 1.0f, p.hasTopK ? topK[b] : 0, memory, index),
                0, p.V, id);
  }
  float sum = 0;
  for (int64_t v = index; v < p.V && p.hasLogprob; v += kDrawThreads)
    sum += precise::exp(logitAt(row, v) - row.highest);
  sum = simd_sum(sum);
  threadgroup float* sums = (threadgroup float*)memory;
  if (lane == 0) sums[simdgroup] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float total = 0;
  for (int i = 0; i < kDrawThreads / 32; ++i) total += sums[i];
  if (index != 0) return;
  ids[b] = int32_t(id);
  if (p.hasLogprob) logprob[b] = row.logits[id] - row.highest - precise::log(total);
}

// Rows that could not be drawn: records the first of them, and gives all an id that is one. By one
// threadgroup.
KERNEL drawFaults(device int32_t* ids [[buffer(0)]], device FaultRecord* fault [[buffer(1)]],
                  constant SampleParameters& p [[buffer(2)]], threadgroup int64_t* partial THREADGROUP(0),
                  PLACE) {
  int64_t mine = kNoPlace;
  for (int64_t b = index; b < p.B && mine == kNoPlace; b += kFewThreads)
    if (ids[b] < 0) mine = b;
  const int64_t first = groupFirst(mine, partial, index, kFewThreads);
  if (first == kNoPlace) return;
  if (index == 0 && fault->op < 0) {
    const int64_t id = ids[first];
    const bool none = id == -0x7fffffff - 1;
    fault->op = p.number;
    fault->field = 0;  // logits
    fault->kind = none ? kNoneAllowedKind : kNotFiniteKind;
    fault->index = none ? first : first * p.V - 1 - id;
    fault->isFloat = 0;
    fault->bits = 0;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
  for (int64_t b = index; b < p.B; b += kFewThreads)
    if (ids[b] < 0) ids[b] = 0;
}

// Around an op: the first value of an index tensor that breaks a rule of native/frame/indices.h, before it,
// and, where somebody looks for where a NaN began, the first element of an output that is not finite, after
// it. By one threadgroup; nothing where a fault is on record already.
#include <metal_stdlib>
using namespace metal;

#include "checks.h"
#include "grid.h"
#include "group_sum.h"

inline bool breaks(const device int32_t* values, int64_t i, constant RuleParameters& p) {
  if (p.rule == kWithinRule) {
    const float number = as_type<float>(values[i]);
    return !(number >= p.least && number <= p.most);
  }
  const int64_t value = values[i];
  if (p.rule == kRangeRule) return value < p.low || value >= p.high;
  if (i == 0 && value != 0) return true;
  if (i > 0 && value < values[i - 1]) return true;
  return i == p.count - 1 && value != p.high;
}

// Rules go in order, one launch each: those behind a broken one may lead out of bounds, and do not look.
KERNEL checkRule(const device int32_t* values [[buffer(0)]], const device int32_t* rowSequence [[buffer(1)]],
                 const device int32_t* rowPosition [[buffer(2)]], device FaultRecord* record [[buffer(3)]],
                 constant RuleParameters& p [[buffer(4)]], threadgroup int64_t* partial THREADGROUP(0),
                 PLACE) {
  if (record->op >= 0) return;
  int64_t mine = kNoPlace;
  if (p.rule != kBlocksRule) {
    for (int64_t i = index; i < p.count && mine == kNoPlace; i += kFewThreads)
      if (breaks(values, i, p)) mine = i;
  } else {
    for (int64_t t = index; t < p.rows && mine == kNoPlace; t += kFewThreads) {
      // Where the row before is of the same sequence, its entries are that row's to check.
      const int64_t sequence = rowSequence[t];
      const bool follows = t > 0 && rowSequence[t - 1] == sequence;
      const int64_t end = rowPosition[t] / p.places + 1;
      for (int64_t entry = follows ? rowPosition[t - 1] / p.places + 1 : 0; entry < end && mine == kNoPlace;
           ++entry) {
        const int64_t block = values[sequence * p.width + entry];
        if (block < 0 || block >= p.high) mine = t * p.width + entry;
      }
    }
  }
  const int64_t first = groupFirst(mine, partial, index, kFewThreads);
  if (first == kNoPlace || index != 0) return;
  const int64_t at = p.rule == kBlocksRule ? rowSequence[first / p.width] * p.width + first % p.width : first;
  record->op = p.number;
  record->field = p.field;
  record->kind = kBrokenRule;
  record->index = at;
  record->isFloat = p.rule == kWithinRule;
  record->bits = values[at];
}

// All exponent bits set: an infinity or a NaN.
KERNEL checkFinite(const device uint16_t* values [[buffer(0)]], device FaultRecord* record [[buffer(1)]],
                   constant FiniteParameters& p [[buffer(2)]], threadgroup int64_t* partial THREADGROUP(0),
                   PLACE) {
  if (record->op >= 0) return;
  int64_t mine = kNoPlace;
  for (int64_t i = index; i < p.count && mine == kNoPlace; i += kFewThreads) {
    const uint32_t bits = p.isWide ? ((const device uint32_t*)values)[i] >> 16 : values[i];
    if ((bits & 0x7f80u) == 0x7f80u) mine = i;
  }
  const int64_t first = groupFirst(mine, partial, index, kFewThreads);
  if (first == kNoPlace || index != 0) return;
  record->op = p.number;
  record->field = p.field;
  record->kind = kNotFiniteKind;
  record->index = first;
  record->isFloat = 0;
  record->bits = 0;
}

// Before an op: the first value of its index tensors that breaks a rule of frame/indices.h, by one block. The
// same as frame::findFault, which host backends use.
#include "host/checks.h"
#include "host/first.h"
#include "host/runtime.h"

namespace ibert::cuda {

namespace {

// A rule and the tensor that it is of.
struct DeviceRule {
  frame::Rule rule;
  int32_t field;
  const int32_t* values;
  int64_t count, low, high;
  float least, most;

  __device__ float number(int64_t i) const { return reinterpret_cast<const float*>(values)[i]; }
};

struct DeviceRules {
  int count;
  DeviceRule rules[frame::kMostIndexRules];
  // Of Rule::Blocks: rows, and entries of the table for each sequence.
  const int32_t* rowSequence;
  const int32_t* rowPosition;
  int64_t rows, width, places;
};

__device__ bool breaksOffsets(const DeviceRule& rule, int64_t i) {
  if (i == 0 && rule.values[0] != 0) return true;
  if (i > 0 && rule.values[i] < rule.values[i - 1]) return true;
  return i == rule.count - 1 && rule.values[i] != rule.high;
}

// The first broken place of this thread: an index, or row * width + entry for Rule::Blocks.
__device__ int64_t firstOfThread(const DeviceRules& all, const DeviceRule& rule) {
  if (rule.rule != frame::Rule::Blocks) {
    for (int64_t i = threadIdx.x; i < rule.count; i += kFirstThreads) {
      if (rule.rule == frame::Rule::Within) {
        if (rule.number(i) >= rule.least && rule.number(i) <= rule.most) continue;
        return i;
      }
      const int64_t value = rule.values[i];
      if (rule.rule == frame::Rule::Range ? value < rule.low || value >= rule.high : breaksOffsets(rule, i))
        return i;
    }
    return kNone;
  }
  for (int64_t t = threadIdx.x; t < all.rows; t += kFirstThreads) {
    // Where the row before is of the same sequence, its entries are that row's to check.
    const int64_t sequence = all.rowSequence[t];
    const bool follows = t > 0 && all.rowSequence[t - 1] == sequence;
    const int64_t begin = follows ? all.rowPosition[t - 1] / all.places + 1 : 0;
    const int64_t end = all.rowPosition[t] / all.places + 1;
    for (int64_t entry = begin; entry < end; ++entry) {
      const int64_t block = rule.values[sequence * all.width + entry];
      if (block < 0 || block >= rule.high) return t * all.width + entry;
    }
  }
  return kNone;
}

// Rules in order; those behind a broken one may lead out of bounds.
__global__ void __launch_bounds__(kFirstThreads)
    indexCheck(DeviceRules all, int64_t number, frame::Fault* record) {
  DYNAMIC_SHARED(memory);
  if (record->op >= 0) return;
  for (int i = 0; i < all.count; ++i) {
    const DeviceRule& rule = all.rules[i];
    const int64_t first = firstOfBlock(firstOfThread(all, rule), memory);
    if (first == kNone) continue;
    if (threadIdx.x == 0) {
      const int64_t index = rule.rule == frame::Rule::Blocks
                                ? all.rowSequence[first / all.width] * all.width + first % all.width
                                : first;
      const double value =
          rule.rule == frame::Rule::Within ? static_cast<double>(rule.number(index)) : rule.values[index];
      *record = {number, rule.field, 0, index, value};
    }
    return;
  }
}

}  // namespace

bool checkIndices(Op op, const void* arguments, int64_t number, frame::Fault* record, cudaStream_t stream) {
  const frame::IndexRules rules = frame::indexRules(op, arguments);
  if (rules.count == 0) return false;
  DeviceRules all{};
  all.count = rules.count;
  for (int i = 0; i < rules.count; ++i) {
    const frame::IndexRule& rule = rules.rules[i];
    all.rules[i] = {rule.rule, rule.field, rule.tensor->as<const int32_t>(), rule.tensor->elements(),
                    rule.low,  rule.high,  static_cast<float>(rule.least),   static_cast<float>(rule.most)};
    if (rule.rule != frame::Rule::Blocks) continue;
    const auto& args = *static_cast<const PagedAttention*>(arguments);
    all.rowSequence = args.rowSequence.as<const int32_t>();
    all.rowPosition = args.rowPosition.as<const int32_t>();
    all.rows = args.rowSequence.elements();
    all.width = args.blockTable.shape[1];
    all.places = args.kCache.shape[2];
  }
  require(launch(indexCheck, dim3(1), dim3(kFirstThreads), kFirstShared, stream, all, number, record),
          "index check");
  return true;
}

}  // namespace ibert::cuda

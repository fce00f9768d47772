// What the values of index tensors, and of settings by row, may be: one list for all backends. A host reads
// the tensors before the kernel runs; a device's kernels stay in bounds whatever they find, and record the
// first fault; the message is made here.
#pragma once

#include <cstdint>
#include <string>

#include "../schema.h"

namespace ibert::frame {

enum class Rule : int32_t {
  Range,    // low <= value < high
  Offsets,  // ascends from 0 to `high`: the starts of packed sequences and their end
  Blocks,   // Range, of the entries of a block table that the rows' positions reach
  Within,   // least <= value <= most, of float32 or float64; no NaN
};

struct IndexRule {
  Rule rule;
  int32_t field;  // into the schema's fields
  const Tensor* tensor;
  int64_t low, high;
  double least, most;  // of Rule::Within
};

constexpr int kMostIndexRules = 4;

struct IndexRules {
  int count = 0;
  IndexRule rules[kMostIndexRules];
};

// The rules of an op's operands, in the order in which they are checked.
IndexRules indexRules(Op op, const void* arguments);

// A value that breaks a rule. Of several the one with the lowest op, then field, then index is reported.
struct Fault {
  int64_t op;     // number of the op in its stream
  int32_t field;  // into the schema's fields
  int32_t kind;   // 0: the value breaks its rule; a backend may have kinds of its own
  int64_t index;  // into the tensor's elements
  double value;
};

// The first fault of an op whose operands lie in memory of the host. Returns false when there is none.
bool findFault(Op op, const void* arguments, Fault* fault);

// "embedding: ids[2] is 99, not in [0, 50)"
std::string faultText(Op op, const void* arguments, const Fault& fault);

}  // namespace ibert::frame

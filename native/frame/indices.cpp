#include "indices.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>

namespace ibert::frame {

namespace {

int32_t fieldAt(Op op, size_t offset) {
  const auto& fields = opSchema(op).fields;
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [offset](const Field& field) { return field.offset == offset; });
  return static_cast<int32_t>(found - fields.begin());
}

// The struct's tensor `name`, if it is there: its number in the schema is found once.
#define IBERT_ADD(args, name, ...)                                                \
  [&] {                                                                           \
    using Struct = std::remove_cvref_t<decltype(args)>;                           \
    static const int32_t field = fieldAt(opOf<Struct>(), offsetof(Struct, name)); \
    if ((args).name) result.rules[result.count++] = {__VA_ARGS__};                \
  }()
#define IBERT_RULE(kind, args, name, low, high) \
  IBERT_ADD(args, name, Rule::kind, field, &(args).name, (low), (high), 0, 0)
#define IBERT_WITHIN(args, name, least, most) \
  IBERT_ADD(args, name, Rule::Within, field, &(args).name, 0, 0, (least), (most))

constexpr double kMostFloat = std::numeric_limits<float>::max();

template <class Struct>
const Struct& as(const void* arguments) {
  return *static_cast<const Struct*>(arguments);
}

// Of an index or a float.
double valueAt(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype) {
    case DType::F64:
      return tensor.as<const double>()[i];
    case DType::F32:
      return tensor.as<const float>()[i];
    default:
      return tensor.as<const int32_t>()[i];
  }
}

int64_t firstNotWithin(const IndexRule& rule) {
  for (int64_t i = 0; i < rule.tensor->elements(); ++i) {
    const double value = valueAt(*rule.tensor, i);
    if (!(value >= rule.least && value <= rule.most)) return i;
  }
  return -1;
}

int64_t firstOutside(const int32_t* values, int64_t count, int64_t low, int64_t high) {
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] < low || values[i] >= high) return i;
  }
  return -1;
}

int64_t firstBadOffset(const int32_t* values, int64_t count, int64_t tokens) {
  if (values[0] != 0) return 0;
  for (int64_t s = 1; s < count; ++s) {
    if (values[s] < values[s - 1]) return s;
  }
  return values[count - 1] == tokens ? -1 : count - 1;
}

// Rows of one sequence follow each other, so that each block is looked at about once.
int64_t firstBadBlock(const PagedAttention& args, int64_t blocks) {
  const int64_t width = args.blockTable.shape[1], places = args.kCache.shape[2];
  const int32_t* table = args.blockTable.as<const int32_t>();
  int64_t sequence = -1, checked = 0;
  for (int64_t t = 0; t < args.rowSequence.elements(); ++t) {
    const int64_t own = args.rowSequence.as<const int32_t>()[t];
    if (own != sequence) checked = 0;
    sequence = own;
    const int64_t end = args.rowPosition.as<const int32_t>()[t] / places + 1;
    for (; checked < end; ++checked) {
      const int32_t block = table[sequence * width + checked];
      if (block < 0 || block >= blocks) return sequence * width + checked;
    }
  }
  return -1;
}

int64_t firstBroken(const IndexRule& rule, const void* arguments) {
  if (rule.rule == Rule::Within) return firstNotWithin(rule);
  const int32_t* values = rule.tensor->as<const int32_t>();
  const int64_t count = rule.tensor->elements();
  switch (rule.rule) {
    case Rule::Range:
      return firstOutside(values, count, rule.low, rule.high);
    case Rule::Offsets:
      return firstBadOffset(values, count, rule.high);
    case Rule::Blocks:
      return firstBadBlock(as<PagedAttention>(arguments), rule.high);
    case Rule::Within:
      break;
  }
  return -1;
}

std::string notIn(int64_t low, int64_t high) {
  return "not in [" + std::to_string(low) + ", " + std::to_string(high) + ")";
}

std::string offsetsText(int64_t tokens) {
  return "but offsets ascend from 0 to the number of tokens, " + std::to_string(tokens);
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

std::string textOf(const IndexRule& rule) {
  if (rule.rule == Rule::Offsets) return offsetsText(rule.high);
  if (rule.rule != Rule::Within) return notIn(rule.low, rule.high);
  // Whatever is finite.
  if (rule.least == -kMostFloat) return "but must be finite";
  return "not in [" + number(rule.least) + ", " + number(rule.most) + "]";
}

}  // namespace

IndexRules indexRules(Op op, const void* arguments) {
  IndexRules result;
  switch (op) {
    case Op::embedding: {
      const auto& args = as<Embedding>(arguments);
      IBERT_RULE(Range, args, ids, 0, args.table.shape[0]);
      break;
    }
    case Op::loraLinearForward: {
      const auto& args = as<LoraLinearForward>(arguments);
      if (args.loraA) IBERT_RULE(Range, args, adapterOfRow, -1, args.loraA.shape[0]);
      break;
    }
    case Op::attentionForward: {
      const auto& args = as<AttentionForward>(arguments);
      IBERT_RULE(Offsets, args, offsets, 0, args.qkv.shape[0]);
      break;
    }
    case Op::attentionBackward: {
      const auto& args = as<AttentionBackward>(arguments);
      IBERT_RULE(Offsets, args, offsets, 0, args.qkv.shape[0]);
      break;
    }
    case Op::kvCacheWrite: {
      const auto& args = as<KvCacheWrite>(arguments);
      IBERT_RULE(Range, args, slots, -1, args.kCache.shape[0] * args.kCache.shape[2]);
      break;
    }
    case Op::pagedAttention: {
      const auto& args = as<PagedAttention>(arguments);
      IBERT_RULE(Range, args, rowSequence, 0, args.blockTable.shape[0]);
      IBERT_RULE(Range, args, rowPosition, 0, args.blockTable.shape[1] * args.kCache.shape[2]);
      IBERT_RULE(Blocks, args, blockTable, 0, args.kCache.shape[0]);
      break;
    }
    case Op::linearCrossEntropy: {
      const auto& args = as<LinearCrossEntropy>(arguments);
      IBERT_RULE(Range, args, targets, -1, args.weight.shape[0]);
      IBERT_WITHIN(args, tokenWeight, -kMostFloat, kMostFloat);
      break;
    }
    case Op::gatherRows: {
      const auto& args = as<GatherRows>(arguments);
      IBERT_RULE(Range, args, rows, 0, args.source.shape[0]);
      break;
    }
    case Op::sample: {
      const auto& args = as<Sample>(arguments);
      IBERT_WITHIN(args, temperature, 0, kMostFloat);
      IBERT_WITHIN(args, topP, 0, 1);
      IBERT_WITHIN(args, uniform, 0, 1 - std::numeric_limits<float>::epsilon() / 2);
      IBERT_RULE(Range, args, topK, 0, int64_t{INT32_MAX} + 1);
      break;
    }
    default:
      break;
  }
  return result;
}

#undef IBERT_WITHIN
#undef IBERT_RULE
#undef IBERT_ADD

bool findFault(Op op, const void* arguments, Fault* fault) {
  const IndexRules all = indexRules(op, arguments);
  for (int i = 0; i < all.count; ++i) {
    const IndexRule& rule = all.rules[i];
    const int64_t index = firstBroken(rule, arguments);
    if (index < 0) continue;
    *fault = {0, rule.field, 0, index, valueAt(*rule.tensor, index)};
    return true;
  }
  return false;
}

std::string faultText(Op op, const void* arguments, const Fault& fault) {
  const OpSchema& schema = opSchema(op);
  const std::string place = std::string(schema.name) + ": " + schema.fields[fault.field].name + "[" +
                            std::to_string(fault.index) + "] is " + number(fault.value) + ", ";
  const IndexRules all = indexRules(op, arguments);
  for (int i = 0; i < all.count; ++i) {
    const IndexRule& rule = all.rules[i];
    if (rule.field != fault.field) continue;
    return place + textOf(rule);
  }
  return place + "which it may not be";
}

}  // namespace ibert::frame

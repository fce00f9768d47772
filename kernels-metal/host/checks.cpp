// The kernels around those of an op, and the record that they write.
#include "checks.h"

#include <cstring>

#include "stream.h"

namespace ibert::metal {

namespace {

static_assert(kRangeRule == int(frame::Rule::Range) && kOffsetsRule == int(frame::Rule::Offsets));
static_assert(kBlocksRule == int(frame::Rule::Blocks) && kWithinRule == int(frame::Rule::Within));

constexpr int64_t kMemory = kFewThreads * sizeof(int64_t);

}  // namespace

void StreamState::checkIndices(Op op, const void* arguments, int64_t number) {
  const frame::IndexRules rules = frame::indexRules(op, arguments);
  for (int i = 0; i < rules.count; ++i) {
    const frame::IndexRule& rule = rules.rules[i];
    RuleParameters parameters{};
    parameters.number = number;
    parameters.rule = static_cast<int32_t>(rule.rule);
    parameters.field = rule.field;
    parameters.count = rule.tensor->elements();
    parameters.low = rule.low;
    parameters.high = rule.high;
    parameters.least = static_cast<float>(rule.least);
    parameters.most = static_cast<float>(rule.most);
    Operand rowSequence, rowPosition;
    if (rule.rule == frame::Rule::Blocks) {
      const auto& args = *static_cast<const PagedAttention*>(arguments);
      rowSequence = Operand(&args.rowSequence);
      rowPosition = Operand(&args.rowPosition);
      parameters.rows = args.rowSequence.elements();
      parameters.width = args.blockTable.shape[1];
      parameters.places = args.kCache.shape[2];
    }
    const Operand values = rule.tensor;
    launch("checkRule", 1, kFewThreads, {values, rowSequence, rowPosition, record_}, &parameters,
           sizeof parameters, kMemory);
  }
}

void StreamState::checkOutputs(Op op, const void* arguments, int64_t number) {
  int32_t at = -1;
  for (const Field& field : opSchema(op).fields) {
    ++at;
    if (field.type != FieldType::Tensor || field.role == Role::In || field.role == Role::InOptional) continue;
    const auto& values =
        *reinterpret_cast<const Tensor*>(static_cast<const std::byte*>(arguments) + field.offset);
    if (!values || values.layout == Layout::Packed) continue;
    if (values.dtype != DType::F32 && values.dtype != DType::BF16) continue;
    const FiniteParameters parameters{number, values.elements(), at, values.dtype == DType::F32};
    launch("checkFinite", 1, kFewThreads, {&values, record_}, &parameters, sizeof parameters, kMemory);
  }
}

FaultSlots::~FaultSlots() {
  for (auto& page : pages_) gpu_.release(std::move(page));
}

std::byte* FaultSlots::take() {
  constexpr int64_t kSlots = 64, kSlotBytes = 64;
  static_assert(sizeof(FaultRecord) <= kSlotBytes);
  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    pages_.push_back(gpu_.allocate(kSlots * kSlotBytes));
    for (int64_t i = kSlots; i-- > 0;) free_.push_back(pages_.back()->address + i * kSlotBytes);
  }
  std::byte* slot = free_.back();
  gpu_.use().fill(slot, 0xff, sizeof(FaultRecord));
  free_.pop_back();
  return slot;
}

void FaultSlots::giveBack(std::byte* slot) {
  const std::lock_guard lock(mutex_);
  free_.push_back(slot);
}

frame::Fault FaultSlots::read(const std::byte* slot) const {
  FaultRecord record;
  gpu_.use().read(&record, slot, sizeof record);
  float asFloat;
  std::memcpy(&asFloat, &record.bits, sizeof asFloat);
  return {record.op, record.field, record.kind, record.index,
          record.isFloat != 0 ? static_cast<double>(asFloat) : record.bits};
}

}  // namespace ibert::metal

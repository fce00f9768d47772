#include "faults.h"

namespace ibert::frame {

namespace {

std::string textOf(Op op, const void* arguments, const Fault& fault) {
  if (fault.kind == 0) return faultText(op, arguments, fault);
  const OpSchema& schema = opSchema(op);
  if (fault.kind == kNoneAllowed) {
    return std::string(schema.name) + ": row " + std::to_string(fault.index) +
           ": no id is allowed that has a finite logit";
  }
  const Field& field = schema.fields[fault.field];
  const auto& tensor =
      *reinterpret_cast<const Tensor*>(static_cast<const std::byte*>(arguments) + field.offset);
  return std::string(schema.name) + ": " + field.name + " is not finite, first at element " +
         std::to_string(fault.index) + " of " + std::to_string(tensor.elements());
}

// Of the op at place `index`; empty where the list is shorter.
std::string textAt(const OpList& ops, int64_t index, const Fault& fault) {
  std::string text;
  ops.forEach([&](Op op, const void* arguments) {
    if (index-- > 0) return true;
    text = textOf(op, arguments, fault);
    return false;
  });
  return text;
}

}  // namespace

bool mayFail(Op op, const void* arguments) {
  return op == Op::sample || indexRules(op, arguments).count > 0;
}

int64_t CheckedOps::add(Op op, const void* arguments) {
  single_.add(op, arguments, opSchema(op).bytes);
  return static_cast<int64_t>(single_.size()) - 1;
}

void CheckedOps::add(int64_t first, std::shared_ptr<const OpList> recording) {
  recordings_.push_back({first, std::move(recording)});
}

std::string CheckedOps::text(const Fault& fault) const {
  if (fault.op < 0) return "";
  for (const Recorded& recorded : recordings_) {
    const int64_t index = fault.op - recorded.first;
    if (index >= 0 && index < static_cast<int64_t>(recorded.ops->size()))
      return textAt(*recorded.ops, index, fault);
  }
  return textAt(single_, fault.op, fault);
}

}  // namespace ibert::frame

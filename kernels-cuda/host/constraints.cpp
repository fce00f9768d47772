// Activations in float32 or bf16, sums in float32, as the op table says which operand is what. All shapes
// run.
#include <initializer_list>

#include "kernels.h"
#include "schema.h"

namespace ibert::cuda {

namespace {

using Unsupported = std::string (*)(const void*);

Unsupported& ownOf(Op op) {
  static Unsupported own[kOpCount] = {};
  return own[static_cast<int>(op)];
}

std::string only(const Field& field, const Tensor& tensor, std::initializer_list<DType> allowed) {
  std::string list;
  for (const DType dtype : allowed) {
    if (tensor.dtype == dtype) return "";
    list += (list.empty() ? "" : " or ") + std::string(dtypeInfo(dtype)->name);
  }
  return std::string(field.name) + " is " + dtypeInfo(tensor.dtype)->name + "; the CUDA kernels take " + list;
}

std::string wrongDType(const Field& field, const Tensor& tensor) {
  switch (field.kind) {
    case Kind::Act:
      return only(field, tensor, {DType::F32, DType::BF16});
    case Kind::Acc:
      return only(field, tensor, {DType::F32});
    case Kind::Cache:
      return only(field, tensor, {DType::F32, DType::BF16, DType::Q8_0});
    case Kind::Weight:
      return tensor.dtype == DType::F64 ? std::string(field.name) + " is f64" : "";
    case Kind::Index:
    case Kind::Any:
      return "";
  }
  return "";
}

template <class Struct>
std::string unsupported(const void* arguments) {
  for (const Field& field : opSchema(opOf<Struct>()).fields) {
    if (field.type != FieldType::Tensor) continue;
    const auto& tensor =
        *reinterpret_cast<const Tensor*>(static_cast<const std::byte*>(arguments) + field.offset);
    if (!tensor) continue;
    if (const std::string why = wrongDType(field, tensor); !why.empty()) return why;
  }
  const Unsupported own = ownOf(opOf<Struct>());
  return own == nullptr ? "" : own(arguments);
}

template <class Struct>
void constrain(KernelTable& table) {
  Unsupported& registered = table.kernels[static_cast<int>(opOf<Struct>())].unsupported;
  ownOf(opOf<Struct>()) = registered;
  registered = unsupported<Struct>;
}

}  // namespace

void registerConstraints(KernelTable& table) {
#define IBERT_CONSTRAIN(Struct, name, doc) constrain<Struct>(table);
  IBERT_OPS(IBERT_CONSTRAIN)
#undef IBERT_CONSTRAIN
}

}  // namespace ibert::cuda

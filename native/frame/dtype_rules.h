// What the kernels of a GPU take: activations in float32 or bf16, sums in float32, as the op table says which
// operand is what. All shapes run.
#pragma once

#include <initializer_list>
#include <string>

#include "../schema.h"
#include "kernel.h"

namespace ibert::frame {

template <class Context>
class DTypeRules {
 public:
  // Before what the ops of the table say themselves. `kernels`: whose they are, for messages.
  static void enter(KernelTable<Context>& table, const char* kernels) {
    kernelsOf() = kernels;
#define IBERT_ENTER(Struct, name, doc) enter<Struct>(table);
    IBERT_OPS(IBERT_ENTER)
#undef IBERT_ENTER
  }

 private:
  using Unsupported = std::string (*)(const void*);

  static const char*& kernelsOf() {
    static const char* kernels;
    return kernels;
  }
  static Unsupported& ownOf(Op op) {
    static Unsupported own[kOpCount] = {};
    return own[static_cast<int>(op)];
  }

  static std::string only(const Field& field, const Tensor& tensor, std::initializer_list<DType> allowed) {
    std::string list;
    for (const DType dtype : allowed) {
      if (tensor.dtype == dtype) return "";
      list += (list.empty() ? "" : " or ") + std::string(dtypeInfo(dtype)->name);
    }
    return std::string(field.name) + " is " + dtypeInfo(tensor.dtype)->name + "; " + kernelsOf() + " take " +
           list;
  }

  static std::string wrong(const Field& field, const Tensor& tensor) {
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
  static std::string unsupported(const void* arguments) {
    for (const Field& field : opSchema(opOf<Struct>()).fields) {
      if (field.type != FieldType::Tensor) continue;
      const auto& tensor =
          *reinterpret_cast<const Tensor*>(static_cast<const std::byte*>(arguments) + field.offset);
      if (!tensor) continue;
      if (const std::string why = wrong(field, tensor); !why.empty()) return why;
    }
    const Unsupported own = ownOf(opOf<Struct>());
    return own == nullptr ? "" : own(arguments);
  }

  template <class Struct>
  static void enter(KernelTable<Context>& table) {
    Unsupported& registered = table.kernels[static_cast<int>(opOf<Struct>())].unsupported;
    ownOf(opOf<Struct>()) = registered;
    registered = unsupported<Struct>;
  }
};

}  // namespace ibert::frame

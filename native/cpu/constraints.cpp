#include "constraints.h"

#include <initializer_list>

#include "fail.h"
#include "packed.h"

namespace ibert::cpu {

namespace {

std::string activations(std::initializer_list<Named> tensors) { return onlyDTypes(tensors, {DType::F32, DType::BF16}); }
std::string sums(std::initializer_list<Named> tensors) { return onlyDTypes(tensors, {DType::F32}); }

std::string packed(const char* name, const Tensor& weight) {
  if (weight.layout != Layout::Packed) {
    return std::string(name) + " is row-major; the CPU kernel takes packed weights (packWeight)";
  }
  return "";
}

std::string firstOf(std::initializer_list<std::string> reasons) {
  for (const std::string& reason : reasons) {
    if (!reason.empty()) return reason;
  }
  return "";
}

std::string packWeight(const PackWeight& op) {
  if (op.source.layout != Layout::RowMajor) return "source must be row-major";
  if (op.packed.layout != Layout::Packed) return "packed must have the packed layout";
  const DType from = op.source.dtype, to = op.packed.dtype;
  if (packedPanelBytes(from, op.source.shape[1]) < 0) {
    return std::string("source is ") + dtypeInfo(from)->name + ", which has no packed order on the CPU";
  }
  if (to != from && to != DType::BF16 && to != DType::F32) {
    return std::string("packed is ") + dtypeInfo(to)->name + "; it can be source's dtype, bf16 or f32";
  }
  return "";
}

std::string forward(const LoraLinearForward& op) {
  return firstOf({activations({{"x", &op.x}, {"residual", &op.residual}, {"y", &op.y}, {"xa", &op.xa}}),
                  sums({{"loraA", &op.loraA}, {"loraB", &op.loraB}}), packed("weight", op.weight)});
}

std::string backward(const LoraLinearBackward& op) {
  return firstOf({activations({{"dy", &op.dy}, {"x", &op.x}, {"xa", &op.xa}, {"dx", &op.dx}}),
                  sums({{"loraA", &op.loraA}, {"loraB", &op.loraB}, {"dLoraA", &op.dLoraA}, {"dLoraB", &op.dLoraB}}),
                  packed("weight", op.weight)});
}

std::string crossEntropy(const LinearCrossEntropy& op) {
  return firstOf({activations({{"x", &op.x}, {"dx", &op.dx}}), sums({{"loss", &op.loss}}), packed("weight", op.weight)});
}

std::string embedding(const Embedding& op) {
  return firstOf({activations({{"y", &op.y}}), op.table.dtype == DType::F64 ? "table is f64" : ""});
}

}  // namespace

void registerConstraints(host::KernelTable& table) {
  table.setUnsupported<PackWeight, packWeight>();
  table.setUnsupported<LoraLinearForward, forward>();
  table.setUnsupported<LoraLinearBackward, backward>();
  table.setUnsupported<LinearCrossEntropy, crossEntropy>();
  table.setUnsupported<Embedding, embedding>();
}

}  // namespace ibert::cpu

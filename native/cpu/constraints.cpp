#include "constraints.h"

#include <initializer_list>

#include "../schema.h"
#include "fail.h"
#include "packed.h"

namespace ibert::cpu {

namespace {

std::string activations(std::initializer_list<Named> tensors) {
  return onlyDTypes(tensors, {DType::F32, DType::BF16});
}
std::string sums(std::initializer_list<Named> tensors) {
  return onlyDTypes(tensors, {DType::F32});
}

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
  return firstOf({activations({{"x", &op.x},
                               {"loraA", &op.loraA},
                               {"loraB", &op.loraB},
                               {"residual", &op.residual},
                               {"y", &op.y},
                               {"xa", &op.xa}}),
                  sums({{"bias", &op.bias}}), packed("weight", op.weight)});
}

std::string backward(const LoraLinearBackward& op) {
  return firstOf(
      {activations({{"dy", &op.dy}, {"x", &op.x}, {"xa", &op.xa}, {"dx", &op.dx}}),
       sums({{"loraA", &op.loraA}, {"loraB", &op.loraB}, {"dLoraA", &op.dLoraA}, {"dLoraB", &op.dLoraB}}),
       packed("weight", op.weight)});
}

std::string crossEntropy(const LinearCrossEntropy& op) {
  return firstOf({activations({{"x", &op.x}, {"dx", &op.dx}}),
                  sums({{"loss", &op.loss}, {"tokenWeight", &op.tokenWeight}, {"logprob", &op.logprob}}),
                  packed("weight", op.weight)});
}

std::string embedding(const Embedding& op) {
  return firstOf({activations({{"y", &op.y}}), op.table.dtype == DType::F64 ? "table is f64" : ""});
}

// Activations in f32 or bf16, sums in f32, as the op table says which operand is what.
std::string plainDTypes(Op op, const void* arguments) {
  for (const Field& field : opSchema(op).fields) {
    if (field.type != FieldType::Tensor) continue;
    const Tensor& tensor =
        *reinterpret_cast<const Tensor*>(static_cast<const char*>(arguments) + field.offset);
    std::string why;
    if (field.kind == Kind::Act) why = activations({{field.name, &tensor}});
    if (field.kind == Kind::Acc) why = sums({{field.name, &tensor}});
    if (field.kind == Kind::Cache)
      why = onlyDTypes({{field.name, &tensor}}, {DType::F32, DType::BF16, DType::Q8_0});
    if (!why.empty()) return why;
  }
  return "";
}

template <class Struct>
std::string plain(const Struct& op) {
  return plainDTypes(opOf<Struct>(), &op);
}

template <class Struct>
std::string attention(const Struct& op) {
  if (op.headDim % 8 != 0 || op.headDim > 256) {
    return "headDim is " + std::to_string(op.headDim) + "; the CPU kernels take multiples of 8 up to 256";
  }
  if (!(op.scale > 0)) return "scale is " + std::to_string(op.scale) + ", but must be positive";
  return plain(op);
}

std::string adamW(const AdamW& op) {
  if (op.step < 1) return "step counts from 1, but is " + std::to_string(op.step);
  return plain(op);
}

}  // namespace

void registerConstraints(host::KernelTable& table) {
  table.setUnsupported<PackWeight, packWeight>();
  table.setUnsupported<LoraLinearForward, forward>();
  table.setUnsupported<LoraLinearBackward, backward>();
  table.setUnsupported<LinearCrossEntropy, crossEntropy>();
  table.setUnsupported<Embedding, embedding>();
  table.setUnsupported<RmsNormForward, plain<RmsNormForward>>();
  table.setUnsupported<RmsNormBackward, plain<RmsNormBackward>>();
  table.setUnsupported<RopeTable, plain<RopeTable>>();
  table.setUnsupported<Rope, plain<Rope>>();
  table.setUnsupported<AttentionForward, attention<AttentionForward>>();
  table.setUnsupported<AttentionBackward, attention<AttentionBackward>>();
  table.setUnsupported<KvCacheWrite, plain<KvCacheWrite>>();
  table.setUnsupported<PagedAttention, attention<PagedAttention>>();
  table.setUnsupported<SwigluForward, plain<SwigluForward>>();
  table.setUnsupported<SwigluBackward, plain<SwigluBackward>>();
  table.setUnsupported<GradNorm, plain<GradNorm>>();
  table.setUnsupported<AdamW, adamW>();
  table.setUnsupported<Sample, plain<Sample>>();
  table.setUnsupported<GatherRows, plain<GatherRows>>();
}

}  // namespace ibert::cpu

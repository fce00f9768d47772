#include "graph_calls.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "schema.h"

namespace ibert::tools {

namespace {

// "act" is the activations' dtype. Weights are packed, and bf16: which block formats a backend takes is its
// own affair.
struct Call {
  Op op;
  const char* dtypes;
};

constexpr Call kCalls[] = {
    {Op::embedding, "table bf16, y f32"},
    {Op::cast, "source f32, target act"},
    {Op::rmsNormForward, "x f32, y act"},
    {Op::rmsNormForward, "x act, y act"},
    {Op::rmsNormBackward, "dy act, x f32, dx act"},
    {Op::rmsNormBackward, "dy act, x act, dResidual act, dx act"},
    // q, k, v and gate, up; o and down, onto the residual stream; the head
    {Op::loraLinearForward, "x act, weight bf16, y act"},
    {Op::loraLinearForward, "x act, weight bf16, loraA f32, loraB f32, y act, xa act"},
    {Op::loraLinearForward, "x act, weight bf16, loraA f32, loraB f32, y act"},
    {Op::loraLinearForward, "x act, weight bf16, residual f32, y f32"},
    {Op::loraLinearForward, "x act, weight bf16, loraA f32, loraB f32, residual f32, y f32"},
    {Op::loraLinearForward, "x act, weight bf16, loraA f32, loraB f32, residual f32, y f32, xa act"},
    {Op::loraLinearForward, "x act, weight bf16, loraA f32, loraB f32, adapterOfRow i32, y act"},
    {Op::loraLinearForward,
     "x act, weight bf16, loraA f32, loraB f32, adapterOfRow i32, residual f32, y f32"},
    {Op::loraLinearForward, "x act, weight bf16, loraA act, loraB act, adapterOfRow i32, y act"},
    {Op::loraLinearForward,
     "x act, weight bf16, loraA act, loraB act, adapterOfRow i32, residual f32, y f32"},
    {Op::loraLinearForward, "x act, weight bf16, y f32"},
    {Op::loraLinearBackward, "dy act, weight bf16, dx act"},
    {Op::loraLinearBackward, "dy act, weight bf16, x act, xa act, loraA f32, dx act, dLoraA f32, dLoraB f32"},
    {Op::loraLinearBackward, "dy act, weight bf16, x act, xa act, loraA f32, dLoraA f32, dLoraB f32"},
    {Op::rope, "x act"},
    {Op::attentionForward, "qkv act, y act"},
    {Op::attentionBackward, "dy act, qkv act, y act, dqkv act"},
    {Op::kvCacheWrite, "qkv act, kCache act, vCache act"},
    {Op::kvCacheWrite, "qkv act, kCache bf16, vCache bf16"},
    {Op::kvCacheWrite, "qkv act, kCache f32, vCache f32"},
    {Op::kvCacheWrite, "qkv act, kCache q8_0, vCache q8_0"},
    {Op::pagedAttention, "qkv act, kCache act, vCache act, y act"},
    {Op::pagedAttention, "qkv act, kCache bf16, vCache bf16, y act"},
    {Op::pagedAttention, "qkv act, kCache f32, vCache f32, y act"},
    {Op::pagedAttention, "qkv act, kCache q8_0, vCache q8_0, y act"},
    {Op::swigluForward, "gateUp act, y act"},
    {Op::swigluBackward, "dy act, gateUp act, dGateUp act"},
    {Op::linearCrossEntropy, "x act, weight bf16"},
    {Op::linearCrossEntropy, "x act, weight bf16, dx act"},
    {Op::gatherRows, "source f32, target f32"},
    {Op::sample, "topK i32"},
    {Op::sample, "mask i32, topK i32"},
};

std::string withActivations(std::string dtypes, DType act) {
  for (size_t at = 0; (at = dtypes.find(" act", at)) != std::string::npos;) {
    dtypes.replace(at + 1, 3, dtypeInfo(act)->name);
  }
  return dtypes;
}

}  // namespace

const std::vector<GraphCall>& graphCalls() {
  static const std::vector<GraphCall> calls = [] {
    std::vector<GraphCall> list;
    for (const Call& call : kCalls) {
      for (const DType act : {DType::BF16, DType::F32}) {
        const GraphCall one{call.op, withActivations(call.dtypes, act)};
        const auto same = [&](const GraphCall& other) {
          return other.op == one.op && other.dtypes == one.dtypes;
        };
        if (std::none_of(list.begin(), list.end(), same)) list.push_back(one);
      }
    }
    return list;
  }();
  return calls;
}

bool isCall(const GraphCall& call, const Case& test) {
  if (call.op != test.op) return false;
  std::map<std::string, std::string> wanted;
  std::istringstream words(call.dtypes);
  for (std::string name, dtype; words >> name >> dtype;) {
    if (dtype.back() == ',') dtype.pop_back();
    wanted[name] = dtype;
  }
  for (const Field& field : opSchema(test.op).fields) {
    if (field.type != FieldType::Tensor) continue;
    const Tensor& tensor = *reinterpret_cast<const Tensor*>(test.arguments.data() + field.offset);
    const auto found = wanted.find(field.name);
    if (found == wanted.end()) {
      const bool varies = field.kind == Kind::Act || field.kind == Kind::Cache;
      if (tensor && (varies || (field.kind == Kind::Index && field.optional()))) return false;
      continue;
    }
    if (!tensor || found->second != dtypeInfo(tensor.dtype)->name) return false;
    if (field.kind == Kind::Weight && test.packed.count(tensor.data) == 0) return false;
  }
  return true;
}

}  // namespace ibert::tools

#include "content.h"

#include "../schema.h"
#include "fail.h"

namespace ibert::cpu {

void checkIndices(const char* op, const char* name, const Tensor& tensor, int64_t low, int64_t high) {
  const int32_t* values = tensor.as<const int32_t>();
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    if (values[i] < low || values[i] >= high) {
      fail("%s: %s[%lld] is %d, not in [%lld, %lld)", op, name, static_cast<long long>(i), values[i],
           static_cast<long long>(low), static_cast<long long>(high));
    }
  }
}

void checkOffsets(const char* op, const Tensor& offsets, int64_t tokens) {
  const int32_t* values = offsets.as<const int32_t>();
  const int64_t count = offsets.elements();
  if (count < 1) fail("%s: offsets is empty", op);
  if (values[0] != 0) fail("%s: offsets[0] is %d, the first must be 0", op, values[0]);
  for (int64_t s = 1; s < count; ++s) {
    if (values[s] < values[s - 1]) {
      fail("%s: offsets[%lld] is %d, below the one before: offsets must ascend", op, static_cast<long long>(s),
           values[s]);
    }
  }
  if (values[count - 1] != tokens) {
    fail("%s: offsets[%lld] is %d, the last must be the number of tokens, %lld", op,
         static_cast<long long>(count - 1), values[count - 1], static_cast<long long>(tokens));
  }
}

std::string plainDTypes(Op op, const void* arguments) {
  for (const Field& field : opSchema(op).fields) {
    if (field.type != FieldType::Tensor) continue;
    const Tensor& tensor = *reinterpret_cast<const Tensor*>(static_cast<const char*>(arguments) + field.offset);
    std::string why;
    if (field.kind == Kind::Act) why = onlyDTypes({{field.name, &tensor}}, {DType::F32, DType::BF16});
    if (field.kind == Kind::Acc) why = onlyDTypes({{field.name, &tensor}}, {DType::F32});
    if (!why.empty()) return why;
  }
  return "";
}

std::string adamWUnsupported(const AdamW& args) {
  if (args.step < 1) return "step counts from 1, but is " + std::to_string(args.step);
  return plainDTypes(Op::adamW, &args);
}

std::string attentionUnsupported(Op op, const void* arguments, int64_t headDim, double scale) {
  if (headDim % 8 != 0 || headDim > 256) {
    return "headDim is " + std::to_string(headDim) + "; the CPU kernels take multiples of 8 up to 256";
  }
  if (!(scale > 0)) return "scale is " + std::to_string(scale) + ", but must be positive";
  return plainDTypes(op, arguments);
}

}  // namespace ibert::cpu

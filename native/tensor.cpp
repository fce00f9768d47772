#include "tensor.h"

namespace ibert {

namespace {
// In the order of DType.
constexpr DTypeInfo kDTypes[] = {
    {"f64", 1, 8, false},   {"f32", 1, 4, false},     {"bf16", 1, 2, false},    {"f16", 1, 2, false},
    {"i32", 1, 4, false},   {"u8", 1, 1, false},      {"q8_0", 32, 34, true},   {"q4_0", 32, 18, true},
    {"q4_1", 32, 20, true}, {"q4_k", 256, 144, true}, {"q5_k", 256, 176, true}, {"q6_k", 256, 210, true},
    {"q5_0", 32, 22, true}, {"q5_1", 32, 24, true},
};
}  // namespace

const DTypeInfo* dtypeInfo(DType dtype) {
  const auto index = static_cast<size_t>(dtype);
  return index < sizeof(kDTypes) / sizeof(kDTypes[0]) ? &kDTypes[index] : nullptr;
}

int64_t rowMajorBytes(DType dtype, int64_t elements, int64_t lastDimension) {
  const DTypeInfo* info = dtypeInfo(dtype);
  if (info == nullptr || lastDimension % info->blockElements != 0) return -1;
  return elements / info->blockElements * info->blockBytes;
}

}  // namespace ibert

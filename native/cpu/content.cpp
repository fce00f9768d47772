#include "content.h"

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
      fail("%s: offsets[%lld] is %d, below the one before: offsets must ascend", op,
           static_cast<long long>(s), values[s]);
    }
  }
  if (values[count - 1] != tokens) {
    fail("%s: offsets[%lld] is %d, the last must be the number of tokens, %lld", op,
         static_cast<long long>(count - 1), values[count - 1], static_cast<long long>(tokens));
  }
}

}  // namespace ibert::cpu

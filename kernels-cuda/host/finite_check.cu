// After an op, where somebody looks for where a NaN began: the first element of its outputs that is not
// finite, by one block. Slow, and only for that.
#include "host/checks.h"
#include "host/first.h"
#include "host/runtime.h"
#include "schema.h"

namespace ibert::cuda {

namespace {

// All exponent bits set: an infinity or a NaN.
template <class Word>
__global__ void __launch_bounds__(kFirstThreads)
    finiteCheck(const Word* values, int64_t count, Word exponent, int32_t field, int64_t number,
                frame::Fault* record) {
  DYNAMIC_SHARED(memory);
  if (record->op >= 0) return;
  int64_t mine = kNone;
  for (int64_t i = threadIdx.x; i < count; i += kFirstThreads) {
    if ((values[i] & exponent) != exponent) continue;
    mine = i;
    break;
  }
  const int64_t first = firstOfBlock(mine, memory);
  if (first != kNone && threadIdx.x == 0) *record = {number, field, kNotFinite, first, 0};
}

}  // namespace

void checkOutputs(Op op, const void* arguments, int64_t number, frame::Fault* record, cudaStream_t stream) {
  int32_t at = -1;
  for (const Field& field : opSchema(op).fields) {
    ++at;
    if (field.type != FieldType::Tensor || field.role == Role::In || field.role == Role::InOptional) continue;
    const auto& tensor =
        *reinterpret_cast<const Tensor*>(static_cast<const std::byte*>(arguments) + field.offset);
    if (!tensor || tensor.layout == Layout::Packed) continue;
    cudaError_t error = cudaSuccess;
    if (tensor.dtype == DType::F32) {
      error = launch(finiteCheck<uint32_t>, dim3(1), dim3(kFirstThreads), kFirstShared, stream,
                     tensor.as<const uint32_t>(), tensor.elements(), 0x7f800000u, at, number, record);
    } else if (tensor.dtype == DType::BF16) {
      error = launch(finiteCheck<uint16_t>, dim3(1), dim3(kFirstThreads), kFirstShared, stream,
                     tensor.as<const uint16_t>(), tensor.elements(), uint16_t{0x7f80}, at, number, record);
    }
    require(error, "check of finite values");
  }
}

}  // namespace ibert::cuda

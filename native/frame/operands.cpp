#include "operands.h"

#include <stdexcept>
#include <string>

namespace ibert::frame {

int64_t tensorBytes(const Tensor& tensor, int64_t (*packedBytes)(DType, int64_t, int64_t)) {
  return tensor.layout == Layout::Packed
             ? packedBytes(tensor.dtype, tensor.shape[0], tensor.shape[1])
             : rowMajorBytes(tensor.dtype, tensor.elements(), tensor.shape[tensor.rank - 1]);
}

void requireInside(Op op, const Field& field, const Tensor& tensor, int64_t tensorBytes,
                   int64_t bufferBytes) {
  const std::string what = std::string(opSchema(op).name) + ": " + field.name;
  if (tensorBytes < 0) throw std::runtime_error(what + " has a shape that its dtype cannot have");
  if (tensor.offset < 0 || tensor.offset > bufferBytes || tensorBytes > bufferBytes - tensor.offset) {
    throw std::runtime_error(what + " (" + std::to_string(tensorBytes) + " bytes at " +
                             std::to_string(tensor.offset) + ") does not lie in its buffer of " +
                             std::to_string(bufferBytes) + " bytes");
  }
  const DTypeInfo* info = dtypeInfo(tensor.dtype);
  const int element = info->quantized ? 2 : info->blockBytes;
  if (tensor.offset % element != 0) {
    throw std::runtime_error(what + " starts at byte " + std::to_string(tensor.offset) +
                             ", which is no multiple of " + std::to_string(element));
  }
}

}  // namespace ibert::frame

#include "scratch.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    roundRows(View from, Bf16* to, int64_t rows, int64_t columns, int64_t stride) {
  for (int64_t i = firstElement(); i < rows * columns; i += elementStride())
    to[i / columns * stride + i % columns] = __float2bfloat16_rn(from.at(i));
}

}  // namespace

Matrix asBf16(const Tensor& tensor, Bf16* scratch, int64_t rows, int64_t columns, const Context& context) {
  if (tensor.dtype == DType::BF16) return matrixOf(tensor.data, rows, columns, columns);
  const int64_t stride = paddedColumns(columns);
  context.require(launch(roundRows, blocksFor(rows * columns, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, view(tensor), scratch, rows, columns, stride));
  return matrixOf(scratch, rows, columns, stride);
}

}  // namespace ibert::cuda

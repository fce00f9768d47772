#include "kernels.h"

#include "register.h"

namespace ibert::cuda {

namespace {

// The packed order of a weight is the row-major order (cast.cu).
int64_t packedBytes(DType dtype, int64_t rows, int64_t columns) {
  if (dtype == DType::F64) return -1;
  return rowMajorBytes(dtype, rows * columns, columns);
}

KernelTable filled() {
  KernelTable table{};
  table.backend = kBackendName;
  table.architecture = "sm_80";
  table.packedBytes = packedBytes;
  registerAttentionBackward(table);
  registerAttentionForward(table);
  registerCast(table);
  registerKvCacheWrite(table);
  registerLinearCrossEntropy(table);
  registerLoraLinearBackward(table);
  registerLoraLinearForward(table);
  registerOptimizer(table);
  registerPagedAttention(table);
  registerRmsNorm(table);
  registerRope(table);
  registerRows(table);
  registerSample(table);
  registerSwiglu(table);
  registerConstraints(table);
  return table;
}

}  // namespace

const KernelTable& kernels() {
  static const KernelTable table = filled();
  return table;
}

}  // namespace ibert::cuda

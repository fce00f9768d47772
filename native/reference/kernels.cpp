// All kernels of the reference.
#include "reference.h"

namespace ibert::reference {

namespace {

int64_t packedBytes(DType dtype, int64_t rows, int64_t columns) {
  return rowMajorBytes(dtype, rows * columns, columns);
}

}  // namespace

const KernelTable& kernels() {
  static const KernelTable table = [] {
    KernelTable result{};
    result.backend = "reference";
    result.architecture = kPath;
    result.packedBytes = packedBytes;
    registerGatherCastPack(result);
    registerNorm(result);
    registerLinear(result);
    registerRope(result);
    registerAttention(result);
    registerPagedAttention(result);
    registerSwiglu(result);
    registerCrossEntropy(result);
    registerOptimizer(result);
    registerSample(result);
    return result;
  }();
  return table;
}

}  // namespace ibert::reference

// The reference as a backend library: the same door that device backends use.
#include "host/backend.h"

#include "reference.h"

namespace ibert::reference {

namespace {

constexpr char kName[] = "reference";

int64_t packedBytes(DType dtype, int64_t rows, int64_t columns) {
  return rowMajorBytes(dtype, rows * columns, columns);
}

const KernelTable& kernels() {
  static const KernelTable table = [] {
    KernelTable result{};
    result.backend = kName;
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

}  // namespace

}  // namespace ibert::reference

extern "C" __attribute__((visibility("default"))) const ibert::Backend* ibertBackend() {
  return ibert::host::hostBackend<ibert::reference::kName, ibert::reference::kernels>();
}

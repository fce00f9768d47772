#include "kernels.h"

#include "frame/dtype_rules.h"
#include "register.h"

namespace ibert::cuda {

namespace {

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
  frame::DTypeRules<Context>::enter(table, "the CUDA kernels");
  return table;
}

}  // namespace

const KernelTable& kernels() {
  static const KernelTable table = filled();
  return table;
}

}  // namespace ibert::cuda

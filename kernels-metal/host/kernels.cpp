#include "kernels.h"

#include "frame/dtype_rules.h"
#include "hardware.h"
#include "register.h"

namespace ibert::metal {

namespace {

KernelTable filled() {
  KernelTable table{};
  table.backend = kBackendName;
  table.architecture = "apple7";
  table.packedBytes = packedBytes;
  registerAttention(table);
  registerCast(table);
  registerLinearCrossEntropy(table);
  registerLoraLinear(table);
  registerOptimizer(table);
  registerPagedAttention(table);
  registerRmsNorm(table);
  registerRope(table);
  registerRows(table);
  registerSample(table);
  registerSwiglu(table);
  frame::DTypeRules<Context>::enter(table, "the Metal kernels");
  return table;
}

}  // namespace

const KernelTable& kernels() {
  static const KernelTable table = filled();
  return table;
}

}  // namespace ibert::metal

#include "register.h"

namespace ibert::cpu::IBERT_ISA {

void registerAll(host::KernelTable& table) {
  registerPackWeight(table);
  registerLoraLinearForward(table);
  registerLoraLinearBackward(table);
  registerLinearCrossEntropy(table);
  registerEmbedding(table);
  registerCast(table);
  registerRmsNorm(table);
  registerRope(table);
  registerAttentionForward(table);
  registerAttentionBackward(table);
  registerPagedAttention(table);
  registerSwiglu(table);
  registerOptimizer(table);
  registerSample(table);
  registerRows(table);
}

}  // namespace ibert::cpu::IBERT_ISA

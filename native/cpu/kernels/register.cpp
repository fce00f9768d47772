#include "register.h"

namespace ibert::cpu::IBERT_ISA {

void registerAll(host::KernelTable& table) {
  registerPackWeight(table);
}

}  // namespace ibert::cpu::IBERT_ISA

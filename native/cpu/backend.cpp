// Chooses the kernels for this machine and turns them into the backend "cpu".
#include "backend.h"

#include <map>
#include <mutex>

#include "../host/backend.h"
#include "constraints.h"
#include "isa.h"
#include "packed.h"

// Each level's own registerAll, from kernels/register.cpp.
#define IBERT_DECLARE_LEVEL(level)            \
  namespace ibert::cpu::level {               \
  void registerAll(host::KernelTable& table); \
  }
IBERT_DECLARE_LEVEL(generic)
IBERT_DECLARE_LEVEL(neon)
IBERT_DECLARE_LEVEL(avx2)
IBERT_DECLARE_LEVEL(avx512)
IBERT_DECLARE_LEVEL(avx512_bf16)
IBERT_DECLARE_LEVEL(amx_emulated)
IBERT_DECLARE_LEVEL(amx_bf16)
#undef IBERT_DECLARE_LEVEL

namespace ibert::cpu {

namespace {

void registerKernels(Isa isa, host::KernelTable& table) {
  switch (isa) {
#if IBERT_HAS_neon
    case Isa::Neon:
      return neon::registerAll(table);
#endif
#if IBERT_HAS_avx2
    case Isa::Avx2:
      return avx2::registerAll(table);
#endif
#if IBERT_HAS_avx512
    case Isa::Avx512:
      return avx512::registerAll(table);
#endif
#if IBERT_HAS_avx512_bf16
    case Isa::Avx512Bf16:
      return avx512_bf16::registerAll(table);
#endif
#if IBERT_HAS_amx_emulated
    case Isa::AmxEmulated:
      return amx_emulated::registerAll(table);
#endif
#if IBERT_HAS_amx_bf16
    case Isa::AmxBf16:
      return amx_bf16::registerAll(table);
#endif
    default:
      return generic::registerAll(table);
  }
}

// One table a level, so that a test may change IBERT_CPU_ISA between two devices. Never destroyed: a process
// may exit while its streams still work.
const host::KernelTable& chooseKernels() {
  static auto& mutex = *new std::mutex;
  static auto& tables = *new std::map<Isa, host::KernelTable>;
  const Isa isa = chooseIsa();
  const std::lock_guard<std::mutex> lock(mutex);
  auto [entry, fresh] = tables.try_emplace(isa);
  if (fresh) {
    host::KernelTable& table = entry->second;
    table.backend = "cpu";
    table.architecture = isaName(isa);
    table.packedBytes = packedBytes;
    registerKernels(isa, table);
    registerConstraints(table);
  }
  return entry->second;
}

constexpr char kName[] = "cpu";

}  // namespace

const Backend* cpuBackend() {
  return host::hostBackend<kName, chooseKernels>();
}

}  // namespace ibert::cpu

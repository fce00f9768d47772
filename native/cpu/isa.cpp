#include "isa.h"

#include <cstdint>
#include <cstring>
#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "platform/environment.h"
#include "platform/processor.h"

namespace ibert::cpu {

namespace {

struct Level {
  Isa isa;
  const char* name;
  bool built;
};

// sources.cmake defines IBERT_HAS_<level> as 1 or 0.
constexpr Level kLevels[] = {
    {Isa::Generic, "generic", true},
    {Isa::Neon, "neon", IBERT_HAS_neon != 0},
    {Isa::Avx2, "avx2", IBERT_HAS_avx2 != 0},
    {Isa::Avx512, "avx512", IBERT_HAS_avx512 != 0},
    {Isa::Avx512Bf16, "avx512-bf16", IBERT_HAS_avx512_bf16 != 0},
    {Isa::AmxEmulated, "amx-emulated", IBERT_HAS_amx_emulated != 0},
    {Isa::AmxBf16, "amx-bf16", IBERT_HAS_amx_bf16 != 0},
};

#if defined(__x86_64__)

struct Features {
  bool avx2 = false, avx512 = false, avx512Bf16 = false, amxBf16 = false, intel = false;
};

uint64_t enabledState() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

bool bit(uint32_t word, int index) {
  return (word >> index) & 1;
}

Features detect() {
  Features features;
  uint32_t a = 0, b = 0, c = 0, d = 0;
  char vendor[13] = {};
  if (!__get_cpuid(0, &a, &b, &c, &d)) return features;
  std::memcpy(vendor, &b, 4);
  std::memcpy(vendor + 4, &d, 4);
  std::memcpy(vendor + 8, &c, 4);
  features.intel = std::strcmp(vendor, "GenuineIntel") == 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return features;
  const bool fma = bit(c, 12), f16c = bit(c, 29), osxsave = bit(c, 27);
  if (!osxsave) return features;
  const uint64_t state = enabledState();
  const bool ymm = (state & 0x6) == 0x6, zmm = (state & 0xe6) == 0xe6, tiles = (state & 0x60000) == 0x60000;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return features;
  const bool amx = bit(d, 24) && bit(d, 22);
  const bool vnni = bit(c, 11);
  features.avx2 = ymm && fma && f16c && bit(b, 5) && bit(b, 8);
  features.avx512 =
      features.avx2 && zmm && bit(b, 16) && bit(b, 17) && bit(b, 28) && bit(b, 30) && bit(b, 31);
  if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
    features.avx512Bf16 = features.avx512 && vnni && bit(a, 5);
  }
  features.amxBf16 = features.avx512Bf16 && amx && tiles && platform::requestTiles();
  return features;
}

const Features& features() {
  static const Features found = detect();
  return found;
}

#endif

bool runs(Isa isa) {
  switch (isa) {
    case Isa::Generic:
    case Isa::Neon:  // part of every aarch64
      return true;
#if defined(__x86_64__)
    case Isa::Avx2:
      return features().avx2;
    case Isa::Avx512:
      return features().avx512;
    case Isa::Avx512Bf16:
    case Isa::AmxEmulated:
      return features().avx512Bf16;
    case Isa::AmxBf16:
      return features().amxBf16;
#endif
    default:
      return false;
  }
}

// The emulated tiles are for tests, so they must be asked for. Intel's AVX-512 units take four times as long
// for vdpbf16ps as for an fp32 FMA (measured on Sapphire Rapids: 103 against 206 GFLOP/s a core), so that the
// f32 kernels are the faster ones there; on AMD the bf16 dot product runs at twice the fp32 rate. The vendor
// decides and not a stopwatch, because the path must be the same from run to run for results to be.
bool preferred(Isa isa) {
  if (isa == Isa::AmxEmulated) return false;
#if defined(__x86_64__)
  if (isa == Isa::Avx512Bf16) return !features().intel;
#endif
  return true;
}

std::string names(const std::vector<Isa>& isas) {
  std::string text;
  for (Isa isa : isas) text += (text.empty() ? "" : ", ") + std::string(isaName(isa));
  return text;
}

}  // namespace

const char* isaName(Isa isa) {
  for (const Level& level : kLevels) {
    if (level.isa == isa) return level.name;
  }
  return "unknown";
}

std::vector<Isa> runnableIsas() {
  std::vector<Isa> isas;
  for (const Level& level : kLevels) {
    if (level.built && runs(level.isa)) isas.push_back(level.isa);
  }
  return isas;
}

Isa chooseIsa() {
  const std::vector<Isa> isas = runnableIsas();
  const std::string forced = platform::variable("IBERT_CPU_ISA");
  if (forced.empty()) {
    Isa best = Isa::Generic;
    for (Isa isa : isas) {
      if (preferred(isa)) best = isa;
    }
    return best;
  }
  for (const Level& level : kLevels) {
    if (forced != level.name) continue;
    if (!level.built) {
      throw std::runtime_error("IBERT_CPU_ISA=" + forced + ": this build has no such kernels; it has " +
                               names(isas));
    }
    if (!runs(level.isa)) {
      throw std::runtime_error("IBERT_CPU_ISA=" + forced + ": this processor cannot run it; it runs " +
                               names(isas));
    }
    return level.isa;
  }
  throw std::runtime_error("IBERT_CPU_ISA=" + forced + ": no such instruction set; this machine runs " +
                           names(isas));
}

}  // namespace ibert::cpu

// The instruction sets that the CPU kernels are compiled for, and which of them this machine runs.
//
// A level is a set of compiler flags and a namespace (ibert::cpu::avx2, ...). Every file in kernels/ is
// compiled once a level. IBERT_CPU_ISA forces a level by name.
#pragma once

#include <vector>

namespace ibert::cpu {

// In rising order of preference within one architecture.
enum class Isa { Generic, Neon, Avx2, Avx512, Avx512Bf16, AmxEmulated, AmxBf16 };

// "generic", "neon", "avx2", "avx512", "avx512-bf16", "amx-emulated", "amx-bf16".
const char* isaName(Isa isa);

// Levels that this build contains and this machine can run, in rising order.
std::vector<Isa> runnableIsas();

// The level to use: the one that IBERT_CPU_ISA names, else the fastest. Throws std::runtime_error when the
// named one is unknown, not in this build, or beyond this machine.
Isa chooseIsa();

}  // namespace ibert::cpu

// What each kernel file offers: one function that enters its ops into the table of the level it was compiled
// for.
#pragma once

#include "../../host/kernel.h"

#if !defined(IBERT_ISA) || !defined(IBERT_ISA_NAME)
#error \
    "kernel files are compiled once an instruction set, with IBERT_ISA and IBERT_ISA_NAME (native/cpu/sources.cmake)"
#endif

namespace ibert::cpu::IBERT_ISA {

// The level's name as users see it, for Kernel::path.
inline constexpr const char* kPath = IBERT_ISA_NAME;

void registerPackWeight(host::KernelTable& table);
void registerLoraLinearForward(host::KernelTable& table);
void registerLoraLinearBackward(host::KernelTable& table);
void registerLinearCrossEntropy(host::KernelTable& table);
void registerEmbedding(host::KernelTable& table);
void registerCast(host::KernelTable& table);
void registerRmsNorm(host::KernelTable& table);
void registerRope(host::KernelTable& table);
void registerAttentionForward(host::KernelTable& table);
void registerAttentionBackward(host::KernelTable& table);
void registerPagedAttention(host::KernelTable& table);
void registerSwiglu(host::KernelTable& table);
void registerOptimizer(host::KernelTable& table);
void registerSample(host::KernelTable& table);
void registerRows(host::KernelTable& table);

}  // namespace ibert::cpu::IBERT_ISA

// What each file of kernels offers: one function that enters its ops into the table.
#pragma once

#include "kernel.h"

namespace ibert::metal {

// Of a weight in the order that packWeight gives it; -1 where there is none.
int64_t packedBytes(DType dtype, int64_t rows, int64_t columns);

void registerAttention(KernelTable& table);
void registerCast(KernelTable& table);
void registerLinearCrossEntropy(KernelTable& table);
void registerLoraLinear(KernelTable& table);
void registerOptimizer(KernelTable& table);
void registerPagedAttention(KernelTable& table);
void registerRmsNorm(KernelTable& table);
void registerRope(KernelTable& table);
void registerRows(KernelTable& table);
void registerSample(KernelTable& table);
void registerSwiglu(KernelTable& table);

}  // namespace ibert::metal

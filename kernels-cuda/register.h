// What each file of kernels offers: one function that enters its ops into the table.
#pragma once

#include "kernel.h"

namespace ibert::cuda {

void registerCast(KernelTable& table);
void registerOptimizer(KernelTable& table);
void registerRmsNorm(KernelTable& table);
void registerRows(KernelTable& table);
void registerSwiglu(KernelTable& table);

}  // namespace ibert::cuda

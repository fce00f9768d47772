// What each file of kernels offers: one function that enters its ops into the table.
#pragma once

#include "kernel.h"

namespace ibert::cuda {

void registerSwiglu(KernelTable& table);

}  // namespace ibert::cuda

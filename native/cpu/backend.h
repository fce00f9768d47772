// The backend "cpu": this project's kernels on the host processor.
#pragma once

#include "../backend.h"

namespace ibert::cpu {

// Its packed weights are one order for all instruction sets. Lives for the whole process.
const Backend* cpuBackend();

}  // namespace ibert::cpu

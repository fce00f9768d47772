// The table of all kernels.
#pragma once

#include "kernel.h"

namespace ibert::metal {

const KernelTable& kernels();

}  // namespace ibert::metal

// Which dtypes and layouts the CPU kernels take: the same at every level, so it stands apart from the kernels
// (and their instruction sets).
#pragma once

#include "../host/kernel.h"

namespace ibert::cpu {

void registerConstraints(host::KernelTable& table);

}  // namespace ibert::cpu

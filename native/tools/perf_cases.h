// Shapes that training and generation really have, for `ibert-kernels perf`.
#pragma once

#include "cases.h"

namespace ibert::tools {

struct PerfCase {
  CaseSpec spec;
  double flop;   // multiplications and additions of the op's definition
  double bytes;  // operands read once and results written once
  bool bf16;     // measured against the bf16 peak
};

std::vector<PerfCase> perfCases();

}  // namespace ibert::tools

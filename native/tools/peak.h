// What a device can do: the yardstick of `ibert-kernels perf`.
#pragma once

#include "session.h"

namespace ibert::tools {

struct Peak {
  double fp32;  // FLOP/s of fused multiply-adds on registers
  double bf16;  // FLOP/s of bf16 products with fp32 sums; that of fp32 where there is no such instruction
  double bandwidth;  // bytes/s of reading memory that no cache holds
  const char* fp32Unit;
  const char* bf16Unit;
};

// Of the session's device: by its maker's figures where the backend has them, else, where it computes on the
// host, the processor is measured with all of the device's threads busy, as a kernel would run, in about a
// second. NaN where neither is known.
Peak peakOf(const Session& session);

}  // namespace ibert::tools

// What this machine can do, measured: the yardstick of `ibert-kernels perf`.
#pragma once

namespace ibert::tools {

struct Peak {
  double fp32;  // FLOP/s of fused multiply-adds on registers
  double bf16;  // FLOP/s of bf16 products with fp32 sums; that of fp32 where there is no such instruction
  double bandwidth;  // bytes/s of reading memory that no cache holds
  const char* fp32Unit;
  const char* bf16Unit;
};

// With all of `threads` busy, as a kernel would run. Takes about a second.
Peak measurePeak(int threads);

}  // namespace ibert::tools

// Numbers that host and kernels share: of dtypes, as native/tensor.h has them, and of what a check finds.
#pragma once

#ifdef __METAL_VERSION__
#define IBERT_SHARED_CONSTANT constant constexpr
#else
#include <cstdint>
#define IBERT_SHARED_CONSTANT constexpr
#endif

IBERT_SHARED_CONSTANT int32_t kF32 = 1, kBf16 = 2, kF16 = 3, kQ8_0 = 6, kQ4_0 = 7, kQ4_1 = 8, kQ4_K = 9,
                              kQ5_K = 10, kQ6_K = 11, kQ5_0 = 12, kQ5_1 = 13;

// The first fault of a stream, as the device records it; its `op` is -1 as long as all was right.
struct FaultRecord {
  int64_t op;
  int32_t field, kind;
  int64_t index;
  int32_t isFloat, bits;  // of the value: an int32, or a float32 by its bits
};
IBERT_SHARED_CONSTANT int32_t kBrokenRule = 0, kNotFiniteKind = 1, kNoneAllowedKind = 2;

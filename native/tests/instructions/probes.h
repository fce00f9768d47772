// What is asked of an instruction, and what must come out: by the manual (the PTX ISA, the CUDA C++
// programming guide), written here without the emulator's models. So a model is held to the manual wherever
// the tests run, and a device to both.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels.h"
#include "tools/random.h"

namespace ibert::tests {

enum class Rule {
  bits,    // these words
  values,  // these float32 values: any NaN for a NaN, either zero for a zero
  sums,   // these float32 values within `allowed`: a tensor core's order of sums and its rounding are its own
  noted,  // nothing is promised; what differs is told
};

struct Probe {
  std::string name;
  Rule rule;
  std::vector<uint32_t> input;
  std::vector<uint32_t> expected;
  std::vector<double> allowed;  // sums: the error that each word may have
  // Enqueues it. scratch: kScratchWords zeros in device memory.
  std::function<cudaError_t(cudaStream_t, ConstWords in, Words scratch, Words out)> run;
};

inline constexpr size_t kScratchWords = 256;

std::vector<Probe> matrixProbes();
std::vector<Probe> copyProbes();
std::vector<Probe> warpProbes();
std::vector<Probe> conversionProbes();

// ---- What they are made with ----

class Numbers : public tools::Random {
 public:
  using Random::Random;
  uint32_t word() { return uint32_t(next() >> 32); }
  // In [low, high].
  int integer(int low, int high) { return int(Random::integer(low, int64_t(high) + 1)); }
  // In [low, high).
  double between(double low, double high) { return low + (high - low) * uniform(); }
};

std::vector<uint32_t> randomWords(size_t count, uint64_t seed);

// A 16-bit floating point format: 1 sign bit, the exponent, and so many bits of the mantissa.
struct Narrow {
  int mantissa, lowest, highest;  // exponents of normal numbers

  uint16_t encode(double value) const;  // to nearest even; NaN is 0x7fff
  double decode(uint16_t bits) const;
};
inline constexpr Narrow kBfloat16{7, -126, 127}, kHalf{10, -14, 15};

uint32_t wordOf(float value);
float floatOf(uint32_t word);

}  // namespace ibert::tests

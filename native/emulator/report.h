// What kernels did, counted: instructions, memory traffic, and how well warps' accesses fit the hardware.
// Collected while Settings::report is set, by kernel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ibert::emulator {

struct KernelReport {
  std::string kernel;
  uint64_t launches = 0, blocks = 0;
  // Of the largest block: threads, and bytes of shared memory.
  uint64_t threads = 0, sharedBytes = 0;
  // Instructions of a warp, or of a block for barriers.
  uint64_t mma = 0, ldmatrix = 0, shuffles = 0, barriers = 0;
  // Of a simdgroup, in Metal: sums and maxima, and products of 8 x 8 matrices.
  uint64_t reductions = 0, products = 0;
  // Of a thread.
  uint64_t atomics = 0, asyncCopies = 0;
  // Global memory: bytes that threads asked for, and the distinct ones of each launch, which have to cross
  // the bus.
  uint64_t readBytes = 0, writtenBytes = 0, distinctBytes = 0;
  // One instruction of a warp is a request; sectors are of 32 bytes. Fewest: were its bytes next to each
  // other.
  uint64_t globalRequests = 0, sectors = 0, fewestSectors = 0;
  // Shared memory answers a request in wavefronts, of at most 32 words in different banks.
  uint64_t sharedRequests = 0, wavefronts = 0, fewestWavefronts = 0;

  // Of tensor cores.
  double flops() const { return 4096.0 * double(mma); }
};

// Of all launches since the last clear, by name.
std::vector<KernelReport> reports();
void clearReports();

// The time that an H100 SXM needs at its peaks, 989 TFLOP/s of dense bf16 and 3.35 TB/s: a bound, not a
// measurement.
double rooflineSeconds(const KernelReport& report);

// Some lines for people, in CUDA's words and in Metal's.
std::string describe(const KernelReport& report);
std::string describeMetal(const KernelReport& report);

}  // namespace ibert::emulator

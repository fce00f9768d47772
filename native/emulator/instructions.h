// Models of the instructions that C++ has no word for. kernels-cuda/ptx.h has each beside its PTX.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ibert::emulator {

// Addresses of shared memory as instructions take them: 32 bits, of which 0 is none.
uint32_t sharedAddress(const void* pointer);

// cp.async: `given` of `bytes` bytes are copied, the rest becomes zero. NaN is there until the copy lands.
void copyAsync(uint32_t to, const void* from, unsigned bytes, unsigned given);
void commitCopies();
void waitForCopies(unsigned groupsLeft);
// Called where others run: a copy of the current thread may land.
void maybeLandCopy();

// ldmatrix: `count` matrices of 8 x 8 16-bit elements; lane 8i + r gives the address of row r of matrix i.
void ldmatrix(uint32_t* registers, unsigned count, bool transposed, uint32_t row);

// mma.sync m16n8k16: d += a b, a row-major, b column-major, of bf16 or f16, sums in float32.
void mma(float* d, const uint32_t* a, uint32_t b0, uint32_t b1, bool isBfloat16);

// fma.rn.bf16x2: a b + c of two bf16.
uint32_t fmaPair(uint32_t a, uint32_t b, uint32_t c);

// Between blocks of one grid. signalBlocks adds to a counter and returns what it was; whoever sees the sum,
// here or in waitForBlocks, sees what was written before.
unsigned signalBlocks(unsigned* counter, unsigned add);
void waitForBlocks(const unsigned* counter, unsigned atLeast);

}  // namespace ibert::emulator

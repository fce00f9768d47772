// The kernels that the emulator is tested with; each Bug is one that a person might make.
#pragma once

#include "device.h"

namespace ibert::tests {

enum class Bug {
  none,
  // multiply (tile_kernel.cu)
  droppedBarrier,  // also an early read of a tile
  earlyRelease,    // a stage is filled again while others read it
  missingWait,     // of asynchronous copies
  waitForTooFew,
  missingCommit,
  unsetAccumulator,
  swizzle,        // written by one rule, read by another
  wrongRows,      // of ldmatrix
  fragmentOrder,  // the registers of b exchanged
  beyondGlobal,
  // sumRows (block_kernels.cu)
  beyondGlobalRead,
  beyondShared,
  unwrittenShared,
  divergentShuffle,
  doubledBarrier,    // in a branch that only some warps take
  divergentBarrier,  // in a branch that only some lanes take
  droppedReductionBarrier,
  missingSyncwarp,  // swapPairs
  earlyArrival,     // relay: the buffer counts as empty before it was read
  // sumAcrossBlocks
  neverSignalled,  // a block waits for one that never signals
  missingBlockWait,
  signalTooEarly,
};

template <Bug kBug>
cudaError_t runMultiply(const __nv_bfloat16* x, const __nv_bfloat16* w, float* y, int M, int N, int K);
template <Bug kBug>
cudaError_t runSumRows(const float* x, float* sums, int rows, int columns);
template <Bug kBug>
cudaError_t runSwapPairs(const float* x, float* y);
template <Bug kBug>
cudaError_t runRelay(const float* x, float* y, int rounds);
template <Bug kBug>
cudaError_t runSumAcrossBlocks(const float* x, float* parts, unsigned* counters, float* total, int blocks);
cudaError_t runCountWithAtomics(const int* values, int* least, unsigned* count, int blocks);
cudaError_t runGatherStrided(const float* x, float* y, int stride);
cudaError_t runTouchHost(const float* host, float* y);
cudaError_t runMisaligned(const float* x, float* y);

}  // namespace ibert::tests

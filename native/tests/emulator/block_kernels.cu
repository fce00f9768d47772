// Small kernels over shuffles, barriers, shared memory and other blocks, and the ways to get them wrong.
#include "emulator_kernels.h"
#include "ptx.h"

namespace ibert::tests {

namespace {

using namespace ibert::cuda;

constexpr int kThreads = 128, kWarps = kThreads / 32;

// sums[row] = the sum of a row of x (rows, columns): by shuffles in a warp, then through shared memory.
template <Bug kBug>
__global__ void __launch_bounds__(kThreads) sumRows(const float* x, float* sums, int columns) {
  DYNAMIC_SHARED(memory);
  float* partial = reinterpret_cast<float*>(memory);
  const int t = threadIdx.x, row = blockIdx.x;
  float sum = 0;
  for (int i = t; i < columns + (kBug == Bug::beyondGlobalRead && row == int(gridDim.x) - 1); i += kThreads)
    sum += x[size_t(row) * columns + i];
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    if (kBug == Bug::divergentShuffle && lanes == 16) {
      if (t % 32 < 16) sum += __shfl_down_sync(~0u, sum, 16);
    } else {
      sum += __shfl_down_sync(~0u, sum, lanes);
    }
  }
  if (t % 32 == 0 && !(kBug == Bug::unwrittenShared && t == 32))
    partial[t / 32 + (kBug == Bug::beyondShared)] = sum;
  if (kBug == Bug::doubledBarrier && t < 64) __syncthreads();
  if (kBug == Bug::divergentBarrier) {
    if (t % 32 < 16) __syncthreads();
  } else if (kBug != Bug::droppedReductionBarrier) {
    __syncthreads();
  }
  if (t != 0) return;
  for (int w = 1; w < kWarps; ++w) sum += partial[w];
  sums[row] = sum;
}

// y[i] = x[i ^ 1]: lanes exchange through shared memory.
template <Bug kBug>
__global__ void __launch_bounds__(32) swapPairs(const float* x, float* y) {
  DYNAMIC_SHARED(memory);
  float* shared = reinterpret_cast<float*>(memory);
  const int t = threadIdx.x;
  shared[t] = x[t];
  if (kBug != Bug::missingSyncwarp) __syncwarp();
  y[t] = shared[t ^ 1];
}

// One warp fills a buffer, another empties it, through two named barriers: full and empty.
template <Bug kBug>
__global__ void __launch_bounds__(64) relay(const float* x, float* y, int rounds) {
  DYNAMIC_SHARED(memory);
  float* buffer = reinterpret_cast<float*>(memory);
  const int lane = threadIdx.x % 32;
  constexpr int kFull = 1, kEmpty = 2;
  if (threadIdx.x < 32) {
    for (int r = 0; r < rounds; ++r) {
      if (r > 0) syncBarrier(kEmpty, 64);
      buffer[lane] = x[r * 32 + lane];
      arriveAtBarrier(kFull, 64);
    }
  } else {
    for (int r = 0; r < rounds; ++r) {
      syncBarrier(kFull, 64);
      if (kBug == Bug::earlyArrival && r + 1 < rounds) arriveAtBarrier(kEmpty, 64);
      y[r * 32 + lane] = 2 * buffer[31 - lane];
      if (kBug != Bug::earlyArrival && r + 1 < rounds) arriveAtBarrier(kEmpty, 64);
    }
  }
}

// Blocks add up their part; the last to finish adds up those. And block 0 tells all others where to begin.
template <Bug kBug>
__global__ void __launch_bounds__(32)
    sumAcrossBlocks(const float* x, float* parts, unsigned* counters, float* total) {
  const int t = threadIdx.x, blocks = gridDim.x, b = blockIdx.x;
  if (b == 0) {
    if (t == 0) parts[blocks] = x[0];
    __syncthreads();
    if (t == 0 && kBug != Bug::neverSignalled) signalBlocks(&counters[0]);
  } else {
    if (t == 0 && kBug != Bug::missingBlockWait) waitForBlocks(&counters[0], 1);
    __syncthreads();
  }
  float sum = x[b * 32 + t] - parts[blocks];
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_down_sync(~0u, sum, lanes);
  if (t != 0) return;
  if (kBug == Bug::signalTooEarly) {
    const unsigned before = signalBlocks(&counters[1]);
    parts[b] = sum;
    if (before + 1 != unsigned(blocks)) return;
  } else {
    parts[b] = sum;
    if (signalBlocks(&counters[1]) + 1 != unsigned(blocks)) return;
  }
  float all = 0;
  for (int i = 0; i < blocks; ++i) all += parts[i];
  total[0] = all;
}

__global__ void countWithAtomics(const int* values, int* least, unsigned* count) {
  atomicMin(least, values[blockIdx.x * blockDim.x + threadIdx.x]);
  atomicAdd(count, 1u);
}

__global__ void touchHost(const float* host, float* y) {
  y[threadIdx.x] = host[threadIdx.x];
}

__global__ void misaligned(const float* x, float* y) {
  const float4 v = *reinterpret_cast<const float4*>(x + 1);
  y[threadIdx.x] = v.x + v.y + v.z + v.w;
}

__global__ void gatherStrided(const float* x, float* y, int stride) {
  DYNAMIC_SHARED(memory);
  float* shared = reinterpret_cast<float*>(memory);
  const int t = threadIdx.x;
  shared[t * stride] = x[t * stride];
  __syncwarp();  // reads it back
  y[t] = shared[t * stride];
}

}  // namespace

template <Bug kBug>
cudaError_t runSumRows(const float* x, float* sums, int rows, int columns) {
  return launch(sumRows<kBug>, dim3(rows), dim3(kThreads), kWarps * sizeof(float), nullptr, x, sums, columns);
}
template <Bug kBug>
cudaError_t runSwapPairs(const float* x, float* y) {
  return launch(swapPairs<kBug>, 1, 32, 32 * sizeof(float), nullptr, x, y);
}
template <Bug kBug>
cudaError_t runRelay(const float* x, float* y, int rounds) {
  return launch(relay<kBug>, 1, 64, 32 * sizeof(float), nullptr, x, y, rounds);
}
template <Bug kBug>
cudaError_t runSumAcrossBlocks(const float* x, float* parts, unsigned* counters, float* total, int blocks) {
  return launch(sumAcrossBlocks<kBug>, blocks, 32, 0, nullptr, x, parts, counters, total);
}
cudaError_t runCountWithAtomics(const int* values, int* least, unsigned* count, int blocks) {
  return launch(countWithAtomics, blocks, 64, 0, nullptr, values, least, count);
}
cudaError_t runGatherStrided(const float* x, float* y, int stride) {
  return launch(gatherStrided, 1, 32, 32 * stride * sizeof(float), nullptr, x, y, stride);
}
cudaError_t runTouchHost(const float* host, float* y) {
  return launch(touchHost, 1, 32, 0, nullptr, host, y);
}
cudaError_t runMisaligned(const float* x, float* y) {
  return launch(misaligned, 1, 1, 0, nullptr, x, y);
}

#define IBERT_SUM_ROWS(bug) template cudaError_t runSumRows<Bug::bug>(const float*, float*, int, int);
IBERT_SUM_ROWS(none)
IBERT_SUM_ROWS(beyondGlobalRead)
IBERT_SUM_ROWS(divergentShuffle)
IBERT_SUM_ROWS(unwrittenShared)
IBERT_SUM_ROWS(beyondShared)
IBERT_SUM_ROWS(doubledBarrier)
IBERT_SUM_ROWS(divergentBarrier)
IBERT_SUM_ROWS(droppedReductionBarrier)
template cudaError_t runSwapPairs<Bug::none>(const float*, float*);
template cudaError_t runSwapPairs<Bug::missingSyncwarp>(const float*, float*);
template cudaError_t runRelay<Bug::none>(const float*, float*, int);
template cudaError_t runRelay<Bug::earlyArrival>(const float*, float*, int);
#define IBERT_ACROSS(bug) \
  template cudaError_t runSumAcrossBlocks<Bug::bug>(const float*, float*, unsigned*, float*, int);
IBERT_ACROSS(none)
IBERT_ACROSS(neverSignalled)
IBERT_ACROSS(missingBlockWait)
IBERT_ACROSS(signalTooEarly)

}  // namespace ibert::tests

// A matrix product as the fast kernels do it, small: 32 x 32 tiles of x (M, K) and w (N, K), both bf16,
// copied asynchronously through two stages with swizzled rows, multiplied by four warps; y (M, N) float32.
// And the ways to get it wrong.
#include "emulator_kernels.h"
#include "ptx.h"

namespace ibert::tests {

namespace {

using namespace ibert::cuda;

constexpr int kTile = 32, kDepth = 32, kThreads = 128, kStages = 2;
constexpr int kRowBytes = kDepth * 2, kTileBytes = kTile * kRowBytes;

// Chunk c of 16 bytes of a row: spread so that eight rows lie in different banks.
__device__ __forceinline__ uint32_t chunk(uint32_t tile, int row, int c, bool swizzled = true) {
  return tile + row * kRowBytes + ((swizzled ? c ^ (row / 2 & 3) : c) << 4);
}

template <Bug kBug>
__global__ void __launch_bounds__(kThreads)
    multiply(const __nv_bfloat16* x, const __nv_bfloat16* w, float* y, int N, int K) {
  DYNAMIC_SHARED(memory);
  const int t = threadIdx.x, warp = t / 32, lane = t % 32;
  const int m0 = blockIdx.y * kTile, n0 = blockIdx.x * kTile, wm = warp / 2 * 16, wn = warp % 2 * 16;
  const uint32_t base = sharedAddress(memory);
  const auto load = [&](int step) {
    const uint32_t a = base + step % kStages * 2 * kTileBytes, b = a + kTileBytes;
    const int row = t / 4, c = t % 4;
    copyAsync<16>(chunk(a, row, c), x + size_t(m0 + row) * K + step * kDepth + c * 8);
    copyAsync<16>(chunk(b, row, c), w + size_t(n0 + row) * K + step * kDepth + c * 8);
    if (kBug != Bug::missingCommit) commitCopies();
  };

  float sums[2][4];
  if (kBug != Bug::unsetAccumulator)
    for (int j = 0; j < 2; ++j)
      for (int i = 0; i < 4; ++i) sums[j][i] = 0;

  const int steps = K / kDepth;
  load(0);
  for (int s = 0; s < steps; ++s) {
    if (kBug == Bug::earlyRelease && s + 1 < steps) load(s + 1);
    if (kBug == Bug::missingWait) {
    } else if (kBug == Bug::waitForTooFew) {
      waitForCopies<1>();
    } else if (kBug == Bug::earlyRelease && s + 1 < steps) {
      waitForCopies<1>();
    } else {
      waitForCopies<0>();
    }
    // Both: the copies of all threads are there, and nobody reads the other stage any more.
    if (kBug != Bug::droppedBarrier) __syncthreads();
    if (kBug != Bug::earlyRelease && s + 1 < steps) load(s + 1);
    const uint32_t a = base + s % kStages * 2 * kTileBytes, b = a + kTileBytes;
    for (int k = 0; k < kDepth / 16; ++k) {
      uint32_t fa[4], fb[4];
      const bool swizzled = kBug != Bug::swizzle;
      const int rowOfA = kBug == Bug::wrongRows ? lane / 2 : lane % 16;
      loadMatrices(fa, chunk(a, wm + rowOfA, k * 2 + lane / 16, swizzled));
      loadMatrices(fb, chunk(b, wn + lane % 8 + lane / 16 * 8, k * 2 + lane / 8 % 2, swizzled));
      for (int j = 0; j < 2; ++j) {
        if (kBug == Bug::fragmentOrder)
          mma<__nv_bfloat16>(sums[j], fa, fb[j * 2 + 1], fb[j * 2]);
        else
          mma<__nv_bfloat16>(sums[j], fa, fb[j * 2], fb[j * 2 + 1]);
      }
    }
  }

  for (int j = 0; j < 2; ++j)
    for (int i = 0; i < 4; ++i) {
      const int row = m0 + wm + lane / 4 + i / 2 * 8, column = n0 + wn + j * 8 + lane % 4 * 2 + i % 2;
      y[size_t(row) * N + column + (kBug == Bug::beyondGlobal ? 1 : 0)] = sums[j][i];
    }
}

}  // namespace

template <Bug kBug>
cudaError_t runMultiply(const __nv_bfloat16* x, const __nv_bfloat16* w, float* y, int M, int N, int K) {
  return launch(multiply<kBug>, dim3(N / kTile, M / kTile), dim3(kThreads), kStages * 2 * kTileBytes, nullptr,
                x, w, y, N, K);
}

#define IBERT_INSTANCE(bug)                                                                                \
  template cudaError_t runMultiply<Bug::bug>(const __nv_bfloat16*, const __nv_bfloat16*, float*, int, int, \
                                             int);
IBERT_INSTANCE(none)
IBERT_INSTANCE(droppedBarrier)
IBERT_INSTANCE(earlyRelease)
IBERT_INSTANCE(missingWait)
IBERT_INSTANCE(waitForTooFew)
IBERT_INSTANCE(missingCommit)
IBERT_INSTANCE(unsetAccumulator)
IBERT_INSTANCE(swizzle)
IBERT_INSTANCE(wrongRows)
IBERT_INSTANCE(fragmentOrder)
IBERT_INSTANCE(beyondGlobal)

}  // namespace ibert::tests

// Barriers, blocks that wait for each other, shuffles, votes and conversions, each alone.
#include "kernels.h"
#include "ptx.h"

namespace ibert::tests {

namespace {

using namespace ibert::cuda;

__global__ void __launch_bounds__(64) relayWords(ConstWords in, Words out) {
  DYNAMIC_SHARED(memory);
  uint32_t* buffer = reinterpret_cast<uint32_t*>(memory);
  const unsigned lane = threadIdx.x % 32;
  constexpr int kFull = 1, kEmpty = 15;
  for (unsigned r = 0; r < kRounds; ++r) {
    if (threadIdx.x < 32) {
      if (r > 0) syncBarrier(kEmpty, 64);
      buffer[lane] = in[r * 32 + lane];
      arriveAtBarrier(kFull, 64);
    } else {
      syncBarrier(kFull, 64);
      out[r * 32 + lane] = buffer[31 - lane];
      if (r + 1 < kRounds) arriveAtBarrier(kEmpty, 64);
    }
  }
}

__global__ void __launch_bounds__(kPairThreads) exchangeInPairs(ConstWords in, Words out) {
  DYNAMIC_SHARED(memory);
  uint32_t* buffer = reinterpret_cast<uint32_t*>(memory);
  const unsigned t = threadIdx.x, pair = t / 64;
  buffer[t] = in[t];
  syncBarrier(int(3 + pair), 64);
  out[t] = buffer[t ^ 32];
}

__global__ void __launch_bounds__(kVoteThreads) voteInBlock(ConstWords in, Words out) {
  const unsigned t = threadIdx.x, word = in[t];
  const int any = __syncthreads_or(int(word & 1)), all = __syncthreads_and(int(word & 2)),
            count = __syncthreads_count(int(word & 4));
  out[t * 3] = any != 0;
  out[t * 3 + 1] = all != 0;
  out[t * 3 + 2] = uint32_t(count);
}

__global__ void __launch_bounds__(32) lastBlockSums(ConstWords in, Words counters, Words parts, Words out) {
  const unsigned b = blockIdx.x, lane = threadIdx.x;
  uint32_t sum = in[b * 32 + lane];
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(~0u, sum, lanes);
  unsigned before = 0;
  if (lane == 0) {
    parts[b] = sum;
    before = signalBlocks(&counters[0]);
    out[1 + before] = before;
  }
  before = __shfl_sync(~0u, before, 0);
  if (before + 1 != gridDim.x || lane != 0) return;
  uint32_t all = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) all += parts[i];
  out[0] = all;
}

__global__ void __launch_bounds__(32) chainOfBlocks(ConstWords in, Words counters, Words out) {
  const unsigned b = blockIdx.x;
  if (threadIdx.x == 0) waitForBlocks(&counters[1], b * 2);
  __syncthreads();
  if (threadIdx.x == 31) out[b] = in[b] + (b > 0 ? out[b - 1] : 0);
  __syncthreads();
  if (threadIdx.x == 0) signalBlocks(&counters[1], 2);
}

__global__ void __launch_bounds__(32) shuffle(ConstWords in, Words out) {
  const unsigned lane = threadIdx.x, word = in[lane];
  uint32_t* mine = out + lane * kShuffles;
  const int from = int(word % 41);  // beyond a warp too
  mine[0] = __shfl_sync(~0u, word, from);
  mine[1] = __shfl_sync(~0u, word, from, 16);
  mine[2] = __shfl_sync(~0u, word, 3, 8);
  for (int i = 0; i < 5; ++i) mine[3 + i] = __shfl_xor_sync(~0u, word, 1 << i);
  mine[8] = __shfl_xor_sync(~0u, word, 9, 8);
  mine[9] = __shfl_down_sync(~0u, word, 5);
  mine[10] = __shfl_down_sync(~0u, word, 3, 8);
  mine[11] = __shfl_up_sync(~0u, word, 5);
  mine[12] = __shfl_up_sync(~0u, word, 3, 8);
  mine[13] = __float_as_uint(__shfl_xor_sync(~0u, __uint_as_float(word & 0x3fffffff), 7));
  const unsigned long long wide = (unsigned long long)(word) << 32 | ~word;
  const unsigned long long got = __shfl_xor_sync(~0u, wide, 21);
  mine[14] = uint32_t(got >> 32);
  mine[15] = uint32_t(got);
  mine[16] = __ballot_sync(~0u, int(word & 8));
  mine[17] = __any_sync(~0u, word == in[0]) != 0;
  mine[18] = __all_sync(~0u, word >= 1) != 0;
  // Half a warp among itself, then the other.
  if (lane < 16)
    mine[19] = __shfl_xor_sync(0x0000ffffu, word, 11);
  else
    mine[19] = __shfl_xor_sync(0xffff0000u, word, 6);
}

__global__ void __launch_bounds__(128) narrow(int count, ConstWords in, Words out) {
  const int t = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= count) return;
  const float value = __uint_as_float(in[t]);
  out[t] = uint32_t(__bfloat16_as_ushort(__float2bfloat16_rn(value))) |
           uint32_t(__half_as_ushort(__float2half_rn(value))) << 16;
}

__global__ void __launch_bounds__(128) widen(int count, ConstWords in, Words out) {
  const int t = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= count) return;
  const auto bits = static_cast<unsigned short>(in[t]);
  out[2 * t] = __float_as_uint(__bfloat162float(__ushort_as_bfloat16(bits)));
  out[2 * t + 1] = __float_as_uint(__half2float(__ushort_as_half(bits)));
}

__global__ void __launch_bounds__(128) approximate(int count, ConstWords in, Words out) {
  const int t = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= count) return;
  const float x = __uint_as_float(in[t]);
  out[4 * t] = __float_as_uint(rsqrtf(x));
  out[4 * t + 1] = __float_as_uint(__expf(x));
  out[4 * t + 2] = __float_as_uint(__logf(x));
  out[4 * t + 3] = __float_as_uint(__fdividef(1.0f, x));
}

dim3 blocksOf(int count) {
  return dim3(unsigned(count + 127) / 128);
}

}  // namespace

cudaError_t runRelay(cudaStream_t stream, ConstWords in, Words out) {
  return launch(relayWords, dim3(1), dim3(64), 32 * 4, stream, in, out);
}
cudaError_t runPairs(cudaStream_t stream, ConstWords in, Words out) {
  return launch(exchangeInPairs, dim3(1), dim3(kPairThreads), kPairThreads * 4, stream, in, out);
}
cudaError_t runBlockVotes(cudaStream_t stream, ConstWords in, Words out) {
  return launch(voteInBlock, dim3(1), dim3(kVoteThreads), 0, stream, in, out);
}
cudaError_t runLastBlock(cudaStream_t stream, ConstWords in, Words counters, Words parts, Words out) {
  return launch(lastBlockSums, dim3(kBlocks), dim3(32), 0, stream, in, counters, parts, out);
}
cudaError_t runChain(cudaStream_t stream, ConstWords in, Words counters, Words out) {
  return launch(chainOfBlocks, dim3(kBlocks), dim3(32), 0, stream, in, counters, out);
}
cudaError_t runShuffles(cudaStream_t stream, ConstWords in, Words out) {
  return launch(shuffle, dim3(1), dim3(32), 0, stream, in, out);
}
cudaError_t runNarrow(cudaStream_t stream, int count, ConstWords in, Words out) {
  return launch(narrow, blocksOf(count), dim3(128), 0, stream, count, in, out);
}
cudaError_t runWiden(cudaStream_t stream, int count, ConstWords in, Words out) {
  return launch(widen, blocksOf(count), dim3(128), 0, stream, count, in, out);
}
cudaError_t runApproximations(cudaStream_t stream, int count, ConstWords in, Words out) {
  return launch(approximate, blocksOf(count), dim3(128), 0, stream, count, in, out);
}

}  // namespace ibert::tests

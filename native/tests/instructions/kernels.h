// Kernels of one instruction each: what they read comes from `in`, what the instruction gives goes to `out`,
// word by word. Compiled by nvcc they run on a device, as C++ over the emulator, so that the two can be
// compared.
#pragma once

#include "device.h"

namespace ibert::tests {

using Words = uint32_t*;
using ConstWords = const uint32_t*;

// ldmatrix. in: kMatrices matrices of 8 x 8 16-bit elements. Row r of matrix i comes to place placeOfRow(8 i
// + r) of shared memory; lane l's registers go to out[4 l].
inline constexpr unsigned kMatrices = 4;
__host__ __device__ constexpr unsigned placeOfRow(unsigned row) {
  return (row * 5 + 3) % (8 * kMatrices);
}
cudaError_t runLdmatrix(cudaStream_t stream, int count, bool transposed, ConstWords in, Words out);

// mma.sync, a product a block. in: a (16 x 16, rows of words of two elements), b transposed (8 x 16), d (16 x
// 8 float32); out: d.
inline constexpr unsigned kWordsOfA = 128, kWordsOfB = 64, kWordsOfD = 128;
inline constexpr unsigned kWordsOfProduct = kWordsOfA + kWordsOfB + kWordsOfD;
cudaError_t runMma(cudaStream_t stream, bool bfloat16, int products, ConstWords in, Words out);

// cp.async of 4, 8 or 16 bytes a thread. Thread t, of kCopyThreads, gets t % (bytes + 1) of the bytes from
// in[4 t] on into memory full of kBefore; out[4 t] is what its neighbour t ^ 1 got. Without `partly` all
// bytes.
inline constexpr unsigned kCopyThreads = 64;
inline constexpr uint32_t kBefore = 0xa5a5a5a5;
cudaError_t runCopies(cudaStream_t stream, int bytes, bool partly, ConstWords in, Words out);
// Three groups of copies of 16 bytes a thread, of which those that must have landed are read: two after
// cp.async.wait_group 1, the third after wait_group 0. in and out: 3 x kCopyThreads x 4 words.
cudaError_t runCopyGroups(cudaStream_t stream, ConstWords in, Words out);

// bar.sync and bar.arrive: one warp hands 32 words a round to another through one buffer; out: their lanes
// reversed.
inline constexpr unsigned kRounds = 9;
cudaError_t runRelay(cudaStream_t stream, ConstWords in, Words out);
// bar.sync of two pairs of warps, each with a barrier of its own: out[t] is in[] of the other warp of the
// pair.
inline constexpr unsigned kPairThreads = 128;
cudaError_t runPairs(cudaStream_t stream, ConstWords in, Words out);
// __syncthreads_or, _and, _count over in[t] & 1, & 2, & 4 of kVoteThreads: three words a thread.
inline constexpr unsigned kVoteThreads = 96;
cudaError_t runBlockVotes(cudaStream_t stream, ConstWords in, Words out);

// signalBlocks: the last of kBlocks blocks adds up what all wrote. out[0]: that; out[1 + b]: how many blocks
// had signalled `out[1 + b]` before, sorted. counters: kCounters zeros.
inline constexpr unsigned kBlocks = 24, kCounters = 2;
cudaError_t runLastBlock(cudaStream_t stream, ConstWords in, Words counters, Words parts, Words out);
// waitForBlocks: block b adds in[b] to what block b - 1 handed on. out: kBlocks sums.
cudaError_t runChain(cudaStream_t stream, ConstWords in, Words counters, Words out);

// Shuffles and votes of a warp. out: kShuffles words a lane (shuffles.cpp says which).
inline constexpr unsigned kShuffles = 20;
cudaError_t runShuffles(cudaStream_t stream, ConstWords in, Words out);

// Conversions. Of float32 in[t]: its bf16 and its f16, one above the other in a word; of the 16-bit in[t]: as
// bf16 and as f16 in float32, two words.
cudaError_t runNarrow(cudaStream_t stream, int count, ConstWords in, Words out);
cudaError_t runWiden(cudaStream_t stream, int count, ConstWords in, Words out);
// The approximations that an SFU computes: rsqrtf, __expf, __logf and __fdividef(1, x) of float32 in[t], four
// words.
cudaError_t runApproximations(cudaStream_t stream, int count, ConstWords in, Words out);

}  // namespace ibert::tests

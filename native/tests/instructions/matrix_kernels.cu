// ldmatrix, mma.sync and cp.async, each alone.
#include "kernels.h"
#include "ptx.h"

namespace ibert::tests {

namespace {

using namespace ibert::cuda;

template <int kCount, bool kTransposed>
__global__ void __launch_bounds__(32) loadOnly(ConstWords in, Words out) {
  DYNAMIC_SHARED(memory);
  const unsigned lane = threadIdx.x;
  uint32_t* words = reinterpret_cast<uint32_t*>(memory);
  for (unsigned i = 0; i < 4; ++i) words[placeOfRow(lane) * 4 + i] = in[lane * 4 + i];
  __syncthreads();
  uint32_t registers[kCount];
  for (int i = 0; i < kCount; ++i) registers[i] = 0;
  // Lanes that name no row of the matrices read are ignored, and name one all the same.
  loadMatrices<kCount, kTransposed>(registers, sharedAddress(memory) + placeOfRow(lane % (8 * kCount)) * 16);
  for (int i = 0; i < 4; ++i) out[lane * 4 + i] = i < kCount ? registers[i < kCount ? i : 0] : 0;
}

template <class T>
__global__ void __launch_bounds__(32) multiplyOnly(ConstWords in, Words out) {
  const uint32_t* a = in + blockIdx.x * kWordsOfProduct;
  const uint32_t* b = a + kWordsOfA;
  const uint32_t* c = b + kWordsOfB;
  const unsigned group = threadIdx.x / 4, place = threadIdx.x % 4;
  uint32_t fa[4];
  float d[4];
  for (unsigned r = 0; r < 4; ++r) {
    fa[r] = a[(group + 8 * (r & 1)) * 8 + place + 4 * (r >> 1)];
    d[r] = __uint_as_float(c[(group + 8 * (r >> 1)) * 8 + place * 2 + (r & 1)]);
  }
  const uint32_t b0 = b[group * 8 + place], b1 = b[group * 8 + place + 4];
  mma<T>(d, fa, b0, b1);
  for (unsigned r = 0; r < 4; ++r)
    out[blockIdx.x * kWordsOfD + (group + 8 * (r >> 1)) * 8 + place * 2 + (r & 1)] = __float_as_uint(d[r]);
}

template <int kBytes>
__global__ void __launch_bounds__(kCopyThreads) copyOnly(bool partly, ConstWords in, Words out) {
  DYNAMIC_SHARED(memory);
  const unsigned t = threadIdx.x;
  uint32_t* words = reinterpret_cast<uint32_t*>(memory);
  for (unsigned i = 0; i < 4; ++i) words[t * 4 + i] = kBefore;
  __syncthreads();
  const uint32_t to = sharedAddress(words + t * 4);
  if (partly)
    copyAsync<kBytes>(to, in + t * 4, int(t % (kBytes + 1)));
  else
    copyAsync<kBytes>(to, in + t * 4);
  commitCopies();
  waitForCopies<0>();
  __syncthreads();
  for (unsigned i = 0; i < 4; ++i) out[t * 4 + i] = words[(t ^ 1) * 4 + i];
}

__global__ void __launch_bounds__(kCopyThreads) copyGroups(ConstWords in, Words out) {
  DYNAMIC_SHARED(memory);
  const unsigned t = threadIdx.x;
  const uint32_t* words = reinterpret_cast<const uint32_t*>(memory);
  constexpr unsigned kGroupWords = kCopyThreads * 4;
  for (unsigned group = 0; group < 3; ++group) {
    const unsigned at = group * kGroupWords + t * 4;
    copyAsync<16>(sharedAddress(memory) + at * 4, in + at);
    commitCopies();
  }
  const auto give = [&](unsigned group) {
    const unsigned at = group * kGroupWords + t * 4;
    for (unsigned i = 0; i < 4; ++i) out[at + i] = words[at + i];
  };
  waitForCopies<1>();
  give(0);
  give(1);
  waitForCopies<0>();
  give(2);
}

}  // namespace

cudaError_t runLdmatrix(cudaStream_t stream, int count, bool transposed, ConstWords in, Words out) {
  constexpr size_t kBytes = kMatrices * 8 * 16;
  const auto run = [&](auto* kernel) { return launch(kernel, dim3(1), dim3(32), kBytes, stream, in, out); };
  if (count == 4) return transposed ? run(loadOnly<4, true>) : run(loadOnly<4, false>);
  if (count == 2) return transposed ? run(loadOnly<2, true>) : run(loadOnly<2, false>);
  return transposed ? run(loadOnly<1, true>) : run(loadOnly<1, false>);
}

cudaError_t runMma(cudaStream_t stream, bool bfloat16, int products, ConstWords in, Words out) {
  if (bfloat16) return launch(multiplyOnly<__nv_bfloat16>, dim3(products), dim3(32), 0, stream, in, out);
  return launch(multiplyOnly<__half>, dim3(products), dim3(32), 0, stream, in, out);
}

cudaError_t runCopies(cudaStream_t stream, int bytes, bool partly, ConstWords in, Words out) {
  const auto run = [&](auto* kernel) {
    return launch(kernel, dim3(1), dim3(kCopyThreads), kCopyThreads * 16, stream, partly, in, out);
  };
  return bytes == 16 ? run(copyOnly<16>) : bytes == 8 ? run(copyOnly<8>) : run(copyOnly<4>);
}

cudaError_t runCopyGroups(cudaStream_t stream, ConstWords in, Words out) {
  return launch(copyGroups, dim3(1), dim3(kCopyThreads), 3 * kCopyThreads * 16, stream, in, out);
}

}  // namespace ibert::tests

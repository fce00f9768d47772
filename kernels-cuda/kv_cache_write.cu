// kvCacheWrite: the keys and values of rows into their slots of the paged cache (paged_cache.h); slot s is
// place s % W of block s / W.
#include "paged_cache.h"
#include "register.h"
#include "vector.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 64;

// Writes values [at, at + 32) of a row as a block of q8_0: an f16 scale and 32 codes, as the op table defines
// them.
__device__ void writeCodes(const View& from, int64_t at, const View& cache, int64_t to) {
  float largest = 0;
  for (int i = 0; i < kCodes; ++i) {
    const float size = fabsf(from.at(at + i));
    if (!(size <= largest)) largest = size;
    if (largest != largest) break;
  }
  const __half stored = __float2half_rn(largest / 127.0f);
  const float scale = __half2float(stored);
  const bool usable = scale > 0 && scale <= 65504.0f;
  auto* block = static_cast<uint8_t*>(cache.data) + to / kCodes * 34;
  *reinterpret_cast<__half*>(block) = stored;
  for (int i = 0; i < kCodes; ++i) {
    const float code = usable ? rintf(from.at(at + i) / scale) : 0.0f;
    block[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(fminf(fmaxf(code, -127.0f), 127.0f)));
  }
}

__device__ void writeRow(const View& from, int64_t at, const View& cache, int64_t to, int64_t D) {
  if (cache.dtype == DType::Q8_0) {
    for (int64_t i = threadIdx.x * kCodes; i < D; i += kThreads * kCodes)
      writeCodes(from, at + i, cache, to + i);
  } else {
    for (int64_t i = threadIdx.x; i < D; i += kThreads) cache.set(to + i, from.at(at + i));
  }
}

// The twin: a block for each row and key-value head. Of two rows with one slot the later stays, so that a row
// writes only when none after it has its slot.
__global__ void __launch_bounds__(kThreads)
    writeTwin(View qkv, const int32_t* slots, View kCache, View vCache, Heads at, Cache cache, int64_t T) {
  const int64_t t = blockIdx.x / at.kvHeads, kvHead = blockIdx.x % at.kvHeads;
  const int64_t slot = inside(slots[t], 0, cache.B * cache.W, -1);
  bool later = false;
  for (int64_t s = t + 1 + threadIdx.x; s < T; s += kThreads) later |= slots[s] == slot;
  if (__syncthreads_or(later) || slot < 0) return;
  const int64_t to = cache.row(slot / cache.W, kvHead, slot % cache.W), row = t * at.columns();
  writeRow(qkv, row + at.k(kvHead), kCache, to, at.D);
  writeRow(qkv, row + at.v(kvHead), vCache, to, at.D);
}

// The larger, or NaN where one is.
__device__ __forceinline__ float largestOf(float a, float b) {
  return b > a || b != b ? b : a;
}

// The fast kernels, bound by memory: heads of whole vectors, a block a row or, of many rows, kMostRows.
// Whether a later row has the same slot is looked up once for all heads and rows of a block, all slots behind
// it in one pass. For 8192 rows that is 2^22 reads of four bytes, 17 MB from the L2, and 2^25 comparisons,
// beside the 67 MB of memory that eight heads of 128 are in bf16: a few microseconds to 20 on an H100, by its
// figures.
constexpr int kFastThreads = 256, kMostRows = 8;
constexpr int64_t kManyRows = 512;

struct Write {
  const void* qkv;
  const int32_t* slots;
  void *kCache, *vCache;
  Heads at;
  Cache cache;
  int64_t T;
  int rows;  // of a block
  bool aligned;
};

// For each row of the block its slot, or -1 where it writes nothing. `memory`: of a word a warp.
__device__ __forceinline__ void slotsOfRows(const Write& o, int64_t first, int count, unsigned* memory,
                                            int64_t (&slots)[kMostRows]) {
#pragma unroll
  for (int r = 0; r < kMostRows; ++r)
    slots[r] = r < count ? inside(o.slots[first + r], 0, o.cache.B * o.cache.W, -1) : -1;
  unsigned later = 0;
  for (int64_t s = first + 1 + threadIdx.x; s < o.T; s += kFastThreads) {
    const int64_t slot = o.slots[s];
#pragma unroll
    for (int r = 0; r < kMostRows; ++r) later |= unsigned(slot == slots[r] && s > first + r) << r;
  }
  for (int lanes = 16; lanes > 0; lanes /= 2) later |= __shfl_xor_sync(~0u, later, lanes);
  if (threadIdx.x % 32 == 0) memory[threadIdx.x / 32] = later;
  __syncthreads();
  for (int warp = 0; warp < kFastThreads / 32; ++warp) later |= memory[warp];
#pragma unroll
  for (int r = 0; r < kMostRows; ++r) {
    if (later >> r & 1) slots[r] = -1;
  }
}

// Calls body(values of qkv, the cache, the vector's first element in it) for each vector of eight that the
// thread has of the rows' heads; a row's k and v heads follow each other. kWholeWarps: all lanes call it as
// often, `valid` or not.
template <class X, bool kWholeWarps, class Body>
__device__ __forceinline__ void forVectors(const Write& o, const Body& body) {
  DYNAMIC_SHARED(memory);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * o.rows;
  const int count = static_cast<int>(o.T - first < o.rows ? o.T - first : o.rows);
  int64_t slots[kMostRows];
  slotsOfRows(o, first, count, reinterpret_cast<unsigned*>(memory), slots);
  const int vectorsOfHead = static_cast<int>(o.at.D / kVector), kvHeads = static_cast<int>(o.at.kvHeads);
  const int vectors = 2 * kvHeads * vectorsOfHead;
#pragma unroll 1
  for (int r = 0; r < count; ++r) {
    int64_t slot = slots[0];
#pragma unroll
    for (int i = 1; i < kMostRows; ++i) slot = i == r ? slots[i] : slot;
    if (slot < 0) continue;
    const auto* from = static_cast<const X*>(o.qkv) + (first + r) * o.at.columns() + o.at.k(0);
    const int64_t block = slot / o.cache.W, place = slot % o.cache.W;
    for (int i = threadIdx.x; kWholeWarps ? i - int(threadIdx.x % 32) < vectors : i < vectors;
         i += kFastThreads) {
      const bool valid = i < vectors;
      const int head = i / vectorsOfHead, column = (i - head * vectorsOfHead) * kVector;
      const int64_t to = o.cache.row(block, head < kvHeads ? head : head - kvHeads, place) + column;
      const Vector values =
          valid ? loadVector(from + static_cast<int64_t>(i) * kVector, o.aligned) : Vector{};
      body(values, head < kvHeads ? o.kCache : o.vCache, to, valid);
    }
  }
}

template <class X, class Y>
__global__ void __launch_bounds__(kFastThreads) writeVector(Write o) {
  forVectors<X, false>(o, [&](const Vector& values, void* cache, int64_t to, bool) {
    storeVector(static_cast<Y*>(cache) + to, values, o.aligned);
  });
}

// q8_0: four lanes a block of codes, of eight elements each, so that a warp reads whole lines and writes
// eight blocks that follow each other. Values, and what becomes of them, are those of writeCodes.
template <class X>
__global__ void __launch_bounds__(kFastThreads) writeBlocks(Write o) {
  forVectors<X, true>(o, [&](const Vector& values, void* cache, int64_t to, bool valid) {
    float largest = 0;
#pragma unroll
    for (int i = 0; i < kVector; ++i) largest = largestOf(largest, fabsf(values.at[i]));
    for (int lanes = 1; lanes < 4; lanes *= 2)
      largest = largestOf(largest, __shfl_xor_sync(~0u, largest, lanes));
    if (!valid) return;
    const __half stored = __float2half_rn(largest / 127.0f);
    const float scale = __half2float(stored);
    const bool usable = scale > 0 && scale <= 65504.0f;
    auto* block = static_cast<uint8_t*>(cache) + to / kCodes * kCodesBytes;
    const auto codeOf = [&](float value) {
      const float code = usable ? rintf(value / scale) : 0.0f;
      return static_cast<unsigned>(
          static_cast<uint8_t>(static_cast<int8_t>(fminf(fmaxf(code, -127.0f), 127.0f))));
    };
    const auto at = static_cast<int>(to % kCodes);
    if (at == 0) *reinterpret_cast<__half*>(block) = stored;
#pragma unroll
    for (int i = 0; i < kVector; i += 2)
      *reinterpret_cast<uint16_t*>(block + 2 + at + i) =
          static_cast<uint16_t>(codeOf(values.at[i]) | codeOf(values.at[i + 1]) << 8);
  });
}

bool isFloat(DType dtype) {
  return dtype == DType::F32 || dtype == DType::BF16;
}
// By dtypes and head dims alone.
bool isFast(const KvCacheWrite& args) {
  const DType cache = args.kCache.dtype;
  return isFloat(args.qkv.dtype) && cache == args.vCache.dtype && (isFloat(cache) || cache == DType::Q8_0) &&
         args.headDim % kVector == 0;
}

void writeFast(const KvCacheWrite& args, const Context& context) {
  const int64_t T = args.qkv.shape[0];
  const bool codes = args.kCache.dtype == DType::Q8_0;
  const Write operands{args.qkv.data,
                       args.slots.as<const int32_t>(),
                       args.kCache.data,
                       args.vCache.data,
                       {args.heads, args.kvHeads, args.headDim},
                       cacheOf(args.kCache),
                       T,
                       T < kManyRows ? 1 : kMostRows,
                       codes ? areAligned({&args.qkv}) : areAligned({&args.qkv, &args.kCache, &args.vCache})};
  const auto enqueue = [&](void (*kernel)(Write)) {
    context.require(launch(kernel, dim3(static_cast<unsigned>(ceilDivide(T, operands.rows))),
                           dim3(kFastThreads), kFastThreads / 32 * sizeof(unsigned), context.stream,
                           operands));
  };
  withType(args.qkv.dtype, [&](auto* x) {
    using X = Pointed<decltype(x)>;
    if (codes) return enqueue(writeBlocks<X>);
    withType(args.kCache.dtype, [&](auto* y) { enqueue(writeVector<X, Pointed<decltype(y)>>); });
  });
}

void write(const KvCacheWrite& args, Context& context) {
  const int64_t T = args.qkv.shape[0], blocks = T * args.kvHeads;
  if (blocks == 0) return;
  if (isFast(args)) return writeFast(args, context);
  context.require(launch(writeTwin, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0, context.stream,
                         view(args.qkv), args.slots.as<const int32_t>(), view(args.kCache), view(args.vCache),
                         Heads{args.heads, args.kvHeads, args.headDim}, cacheOf(args.kCache), T));
}

}  // namespace

void registerKvCacheWrite(KernelTable& table) {
  table.set<KvCacheWrite, write>(kVectorPath);
  table.setPathOf<KvCacheWrite, vectorPath<KvCacheWrite, isFast>>();
}

}  // namespace ibert::cuda

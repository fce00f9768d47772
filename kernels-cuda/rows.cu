// embedding and gatherRows: target[i] = source[rows[i]].
#include "register.h"
#include "vector.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;

// The twin: an element a thread. source: (N, D) in any dtype, rows: (T), target: (T, D)
__global__ void __launch_bounds__(kThreads)
    gatherTwin(View source, const int32_t* rows, View target, int64_t N, int64_t T, int64_t D) {
  for (int64_t i = firstElement(); i < T * D; i += elementStride()) {
    const int64_t row = inside(rows[i / D], 0, N, 0);
    target.set(i, source.at(row * D + i % D));
  }
}

__device__ __forceinline__ float4 loadFour(const float* from) {
  return *reinterpret_cast<const float4*>(from);
}
__device__ __forceinline__ float4 loadFour(const Bf16* from) {
  const uint2 words = *reinterpret_cast<const uint2*>(from);
  return make_float4(__uint_as_float(words.x << 16), __uint_as_float(words.x & 0xffff0000u),
                     __uint_as_float(words.y << 16), __uint_as_float(words.y & 0xffff0000u));
}
__device__ __forceinline__ void storeFour(float* to, float4 v) {
  *reinterpret_cast<float4*>(to) = v;
}
__device__ __forceinline__ void storeFour(Bf16* to, float4 v) {
  *reinterpret_cast<uint2*>(to) = make_uint2(pairOf(v.x, v.y), pairOf(v.z, v.w));
}

// The fast kernel: four elements a thread, next to those of the next thread, so that a warp reads and writes
// whole cache lines of each row. D is a multiple of four.
template <class X, class Y>
__global__ void __launch_bounds__(kThreads)
    gatherVector(const X* source, const int32_t* rows, Y* target, int64_t N, int64_t T, int64_t D) {
  for (int64_t i = 4 * firstElement(); i < T * D; i += 4 * elementStride()) {
    const int64_t row = inside(rows[i / D], 0, N, 0);
    storeFour(target + i, loadFour(source + row * D + i % D));
  }
}

bool isFast(const Tensor& source, const Tensor& target) {
  const auto isVector = [](DType dtype) { return dtype == DType::F32 || dtype == DType::BF16; };
  return isVector(source.dtype) && isVector(target.dtype) && target.shape[1] % 4 == 0 &&
         areAligned({&source, &target});
}

void gather(const Tensor& source, const Tensor& rows, const Tensor& target, const Context& context) {
  const int64_t N = source.shape[0], T = target.shape[0], D = target.shape[1];
  if (N == 0) return;  // every row is on record as a wrong one
  const auto start = [&](int64_t threads, auto kernel, auto from, auto to) {
    context.require(launch(kernel, blocksFor(threads, kThreads, context.machine), dim3(kThreads), 0,
                           context.stream, from, rows.as<const int32_t>(), to, N, T, D));
  };
  if (!isFast(source, target)) return start(T * D, gatherTwin, view(source), view(target));
  withTypes(source.dtype, target.dtype, [&](auto* x, auto* y) {
    using X = Pointed<decltype(x)>;
    using Y = Pointed<decltype(y)>;
    start(T * D / 4, gatherVector<X, Y>, source.as<const X>(), target.as<Y>());
  });
}

void embedding(const Embedding& args, Context& context) {
  gather(args.table, args.ids, args.y, context);
}

void gatherRows(const GatherRows& args, Context& context) {
  gather(args.source, args.rows, args.target, context);
}

bool isFast(const Embedding& args) {
  return isFast(args.table, args.y);
}

bool isFast(const GatherRows& args) {
  return isFast(args.source, args.target);
}

}  // namespace

void registerRows(KernelTable& table) {
  table.set<Embedding, embedding>(kVectorPath);
  table.setPathOf<Embedding, vectorPath<Embedding, isFast>>();
  table.set<GatherRows, gatherRows>(kVectorPath);
  table.setPathOf<GatherRows, vectorPath<GatherRows, isFast>>();
}

}  // namespace ibert::cuda

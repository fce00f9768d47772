// cast and packWeight: values that change their dtype. The packed order of a weight is the row-major order.
#include "register.h"
#include "vector.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;

// In float64, so that integers and f64 lose nothing before they are rounded once.
__device__ __forceinline__ double valueAt(const View& source, int64_t i) {
  switch (source.dtype) {
    case DType::F64:
      return static_cast<const double*>(source.data)[i];
    case DType::I32:
      return static_cast<const int32_t*>(source.data)[i];
    case DType::U8:
      return static_cast<const uint8_t*>(source.data)[i];
    default:
      return source.at(i);
  }
}

// To float32 with the last bit set where something was lost, so that the rounding to 16 bits that follows
// sees it.
__device__ __forceinline__ float toOdd(double x) {
  const float f = static_cast<float>(x);
  if (static_cast<double>(f) == x || f != f || f - f != 0.0f) return f;
  unsigned bits = __float_as_uint(f);
  const bool away = (static_cast<double>(f) > x) == (x > 0);
  if (away) --bits;
  return __uint_as_float(bits | 1u);
}

__device__ __forceinline__ void setValue(const View& target, int64_t i, double x) {
  switch (target.dtype) {
    case DType::F64:
      static_cast<double*>(target.data)[i] = x;
      return;
    case DType::F32:
      static_cast<float*>(target.data)[i] = static_cast<float>(x);
      return;
    case DType::BF16:
      static_cast<Bf16*>(target.data)[i] = __float2bfloat16_rn(toOdd(x));
      return;
    case DType::F16:
      static_cast<__half*>(target.data)[i] = __float2half_rn(toOdd(x));
      return;
    case DType::I32:
      static_cast<int32_t*>(target.data)[i] = static_cast<int32_t>(x);
      return;
    default:
      static_cast<uint8_t*>(target.data)[i] = static_cast<uint8_t>(x);
      return;
  }
}

// The twin: an element a thread.
__global__ void __launch_bounds__(kThreads) castTwin(View source, View target, int64_t count) {
  for (int64_t i = firstElement(); i < count; i += elementStride()) setValue(target, i, valueAt(source, i));
}

// Two bytes a thread: every dtype and every block has an even number of them, but for u8.
__global__ void __launch_bounds__(kThreads)
    copyTwin(const uint16_t* source, uint16_t* target, int64_t count) {
  for (int64_t i = firstElement(); i < count; i += elementStride()) target[i] = source[i];
}

// The fast kernel, between float32 and bf16: eight elements a thread, sixteen bytes at a time, and what is
// left at the end one by one.
template <class X, class Y>
__global__ void __launch_bounds__(kThreads) castVector(const X* source, Y* target, int64_t count) {
  const int64_t vectors = count / kVector;
  for (int64_t i = firstElement(); i < vectors; i += elementStride())
    storeVector(target + i * kVector, loadVector(source + i * kVector));
  const int64_t rest = vectors * kVector + firstElement();
  if (rest < count) storeOne(target + rest, loadOne(source + rest));
}

bool isActivation(DType dtype) {
  return dtype == DType::F32 || dtype == DType::BF16;
}

bool isFast(const Tensor& source, const Tensor& target) {
  return isActivation(source.dtype) && isActivation(target.dtype) && areAligned({&source, &target});
}

void convert(const Tensor& source, const Tensor& target, const Context& context) {
  const int64_t count = target.elements();
  if (isFast(source, target)) {
    return withTypes(source.dtype, target.dtype, [&](auto* x, auto* y) {
      using X = Pointed<decltype(x)>;
      using Y = Pointed<decltype(y)>;
      context.require(launch(castVector<X, Y>, blocksFor(count / kVector, kThreads, context.machine),
                             dim3(kThreads), 0, context.stream, source.as<const X>(), target.as<Y>(), count));
    });
  }
  context.require(launch(castTwin, blocksFor(count, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, view(source), view(target), count));
}

void cast(const Cast& args, Context& context) {
  convert(args.source, args.target, context);
}

void packWeight(const PackWeight& args, Context& context) {
  const Tensor& source = args.source;
  if (args.packed.dtype != source.dtype) return convert(source, args.packed, context);
  const int64_t count = rowMajorBytes(source.dtype, source.elements(), source.shape[1]) / 2;
  context.require(launch(copyTwin, blocksFor(count, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, source.as<const uint16_t>(), args.packed.as<uint16_t>(), count));
}

std::string castUnsupported(const Cast& args) {
  if (!dtypeInfo(args.target.dtype)->quantized) return "";
  return std::string("cannot cast to ") + dtypeInfo(args.target.dtype)->name;
}

std::string packUnsupported(const PackWeight& args) {
  const DType from = args.source.dtype, to = args.packed.dtype;
  if (args.source.layout != Layout::RowMajor) return "source must be row-major";
  if (args.packed.layout != Layout::Packed) return "packed must have the packed layout";
  if (from == DType::F64) return std::string("source is ") + dtypeInfo(from)->name;
  if (to == from || to == DType::BF16 || to == DType::F32) return "";
  return std::string("packed is ") + dtypeInfo(to)->name + "; it can be source's dtype, bf16 or f32";
}

bool isFast(const Cast& args) {
  return isFast(args.source, args.target);
}

}  // namespace

void registerCast(KernelTable& table) {
  table.set<Cast, cast>(kVectorPath);
  table.setPathOf<Cast, vectorPath<Cast, isFast>>();
  table.setUnsupported<Cast, castUnsupported>();
  table.set<PackWeight, packWeight>(kTwin);
  table.setUnsupported<PackWeight, packUnsupported>();
}

}  // namespace ibert::cuda

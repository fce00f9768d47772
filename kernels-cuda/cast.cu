// cast and packWeight: values that change their dtype. The packed order of a weight is the row-major order,
// but for the block formats (packed_blocks.h).
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

// Two bytes a thread: every dtype has an even number of them, but for u8.
__global__ void __launch_bounds__(kThreads)
    copyTwin(const uint16_t* source, uint16_t* target, int64_t count) {
  for (int64_t i = firstElement(); i < count; i += elementStride()) target[i] = source[i];
}

// A weight in a block format into its packed order (packed_blocks.h): of a chunk of 64 columns the sixteen
// codes that belong side by side, a thread, which also writes the scales of sixteen of its columns. In
// words of two bytes, since a format's blocks may lie at any even place.
template <class Blocks>
__global__ void __launch_bounds__(kThreads)
    packBlocks(const uint8_t* source, char* packed, int64_t rows, int columns) {
  constexpr int kBlock = Blocks::kBlock, kBlockBytes = Blocks::kBlockBytes;
  const int chunks = packedChunks(columns);
  for (int64_t i = firstElement(); i < rows * chunks * 4; i += elementStride()) {
    const int quarter = static_cast<int>(i % 4);
    const int chunk = static_cast<int>(i / 4 % chunks);
    const int64_t row = i / 4 / chunks;
    const uint8_t* from = source + row * (columns / kBlock * kBlockBytes);
    char* to = packed + row * Blocks::rowBytes(columns);

    uint16_t low[Blocks::kLow / 8] = {}, high[2] = {};
#pragma unroll
    for (int at = 0; at < 16; ++at) {
      const CodePlace place{quarter, at / 8, at / 2 % 4, at % 2};
      const int k = chunk * kChunkColumns + Blocks::columnOf(place);
      if (k >= columns) continue;
      const int code = blockCode<Blocks::kFormat>(from + k / kBlock * kBlockBytes, k % kBlock);
      const int lowBit = Blocks::lowBit(place), highBit = Blocks::highBit(place);
      low[lowBit / 16] |= static_cast<uint16_t>((code & ((1 << Blocks::kLowBits) - 1)) << (lowBit % 16));
      if (Blocks::kHighBits > 0) high[highBit / 16] |= static_cast<uint16_t>((code >> 4) << (highBit % 16));
    }
    const auto put = [](char* place, const uint16_t* words, int count) {
      for (int word = 0; word < count; ++word) reinterpret_cast<uint16_t*>(place)[word] = words[word];
    };
    put(to + chunk * Blocks::kLow + quarter * (Blocks::kLow / 4), low, Blocks::kLow / 8);
    put(to + Blocks::highAt(columns) + chunk * Blocks::kHigh + quarter * (Blocks::kHigh / 4), high,
        Blocks::kHigh / 8);

    const int k = chunk * kChunkColumns + quarter * 16;
    const uint8_t* block = from + k / kBlock * kBlockBytes;
    char* scales = to + Blocks::scalesAt(columns) + chunk * Blocks::kScales;
    constexpr int kD = Blocks::kSixteens ? 208 : 0;
    const auto word = [&](int byte) { return static_cast<uint16_t>(block[byte] | block[byte + 1] << 8); };
    if (Blocks::kIsK && chunk % 4 == 0 && quarter == 0) {
      const uint16_t factors[2] = {word(kD), Blocks::kHasMinimum ? word(2) : uint16_t{0}};
      put(to + Blocks::factorsAt(columns) + chunk / 4 * Blocks::kFactors, factors, 2);
    }
    if (quarter % 2 != 0) continue;
    const bool inside = k < columns;
    uint16_t own[2] = {};
    if (Blocks::kSixteens) {
      own[0] = word(192 + k % kBlock / 16);
    } else if (Blocks::kIsK) {
      const int j = k % kBlock / 32;
      own[0] = static_cast<uint16_t>(sixBits(block + 4, j, 0) | sixBits(block + 4, j, 4) << 8);
    } else if (inside) {
      own[0] = word(0);
      if (Blocks::kHasMinimum) own[1] = word(2);
    }
    put(scales + quarter / 2 * (Blocks::kScales / 2), own, Blocks::kScales / 4);
  }
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

void pack(const Tensor& source, const Tensor& packed, const Context& context) {
  const int64_t rows = source.shape[0];
  const auto columns = static_cast<int>(source.shape[1]);
  withPackedBlocks(source.dtype, [&](auto* blocks) {
    using Blocks = Pointed<decltype(blocks)>;
    context.require(launch(
        packBlocks<Blocks>, blocksFor(rows * packedChunks(columns) * 4, kThreads, context.machine),
        dim3(kThreads), 0, context.stream, source.as<const uint8_t>(), packed.as<char>(), rows, columns));
  });
}

void packWeight(const PackWeight& args, Context& context) {
  const Tensor& source = args.source;
  if (args.packed.dtype != source.dtype) return convert(source, args.packed, context);
  if (isBlockFormat(source.dtype)) return pack(source, args.packed, context);
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

int64_t packedBytes(DType dtype, int64_t rows, int64_t columns) {
  if (dtype == DType::F64) return -1;
  if (!isBlockFormat(dtype)) return rowMajorBytes(dtype, rows * columns, columns);
  const int64_t bytes = packedRowBytes(dtype, columns);
  return bytes < 0 ? -1 : rows * bytes;
}

void registerCast(KernelTable& table) {
  table.set<Cast, cast>(kVectorPath);
  table.setPathOf<Cast, vectorPath<Cast, isFast>>();
  table.setUnsupported<Cast, castUnsupported>();
  table.set<PackWeight, packWeight>(kTwin);
  table.setUnsupported<PackWeight, packUnsupported>();
}

}  // namespace ibert::cuda

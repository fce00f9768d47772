// The packed order of weights in block formats: what packWeight (cast.cu) writes and kernels read.
//
// A row stands by itself, packedRowBytes() long. First come its codes in chunks of 64 columns, in which each
// of four threads has sixteen codes side by side, eight of either group of 32 columns: as the registers of
// mma() want them (weight_rows.h), and so that two codes at a time become two bf16 by masks alone. Then,
// where codes have more than four bits and are not bytes, chunk by chunk their high bits; the scales; and of
// the K formats, for each 256 columns, a word of its two f16 factors. A part of a row begins at a multiple of
// four bytes, its codes of sixteen. Columns up to a whole chunk have codes and scales of 0.
//
// A value is scale * (code - zero) + minimum, in float32.
#pragma once

#include "block_formats.h"
#include "words.h"

namespace ibert::cuda {

constexpr int kChunkColumns = 64;

__host__ __device__ constexpr int packedChunks(int columns) {
  return (columns + kChunkColumns - 1) / kChunkColumns;
}

// Where the code of a column is: pair `pair`, low or high half (`odd`), of a thread's four of a group.
struct CodePlace {
  int quarter, group, pair, odd;
};

template <DType kDType>
struct PackedBlocks {
  static constexpr DType kFormat = kDType;
  static constexpr bool kBytes = kDType == DType::Q8_0;
  static constexpr bool kIsK = kDType == DType::Q4_K || kDType == DType::Q5_K || kDType == DType::Q6_K;
  // As files have it.
  static constexpr int kBlock = kIsK ? 256 : 32, kBlockBytes = kDType == DType::Q8_0   ? 34
                                                               : kDType == DType::Q4_0 ? 18
                                                               : kDType == DType::Q4_1 ? 20
                                                               : kDType == DType::Q5_0 ? 22
                                                               : kDType == DType::Q5_1 ? 24
                                                               : kDType == DType::Q4_K ? 144
                                                               : kDType == DType::Q5_K ? 176
                                                                                       : 210;
  static constexpr bool kHasMinimum =
      kDType == DType::Q4_1 || kDType == DType::Q5_1 || kDType == DType::Q4_K || kDType == DType::Q5_K;
  // A scale for sixteen columns, not 32: then the first two pairs of all threads are the first sixteen of a
  // group, so that each of its two tiles has one.
  static constexpr bool kSixteens = kDType == DType::Q6_K;
  static constexpr int kLowBits = kBytes ? 8 : 4;
  static constexpr int kHighBits = kSixteens ? 2
                                   : kDType == DType::Q5_0 || kDType == DType::Q5_1 || kDType == DType::Q5_K
                                       ? 1
                                       : 0;
  static constexpr int kZero = kDType == DType::Q4_0   ? 8
                               : kDType == DType::Q5_0 ? 16
                               : kDType == DType::Q6_K ? 32
                                                       : 0;

  // Bytes of a chunk, and of 256 columns.
  static constexpr int kLow = kChunkColumns * kLowBits / 8, kHigh = kChunkColumns * kHighBits / 8,
                       kScales = kHasMinimum && !kIsK ? 8 : 4, kFactors = kIsK ? 4 : 0;

  static __host__ __device__ constexpr int highAt(int columns) { return packedChunks(columns) * kLow; }
  static __host__ __device__ constexpr int scalesAt(int columns) {
    return packedChunks(columns) * (kLow + kHigh);
  }
  static __host__ __device__ constexpr int factorsAt(int columns) {
    return packedChunks(columns) * (kLow + kHigh + kScales);
  }
  static __host__ __device__ constexpr int rowBytes(int columns) {
    return (factorsAt(columns) + columns / 256 * kFactors + 15) / 16 * 16;
  }

  static __host__ __device__ constexpr int columnOf(const CodePlace& p) {
    return p.group * 32 +
           (kSixteens ? p.pair / 2 * 16 + p.quarter * 4 + p.pair % 2 * 2 : p.quarter * 8 + p.pair * 2) +
           p.odd;
  }
  static __host__ __device__ constexpr CodePlace placeOf(int column) {
    const int i = column % 32;
    if (kSixteens) return {i % 16 / 4, column / 32, i / 16 * 2 + i % 4 / 2, i % 2};
    return {i / 8, column / 32, i % 8 / 2, i % 2};
  }
  // The bit of a thread's low bits where a code's begin, and of its high bits.
  static __host__ __device__ constexpr int lowBit(const CodePlace& p) {
    return kBytes ? p.group * 64 + p.pair / 2 * 32 + p.pair % 2 * 8 + p.odd * 16
                  : p.group * 32 + p.pair * 4 + p.odd * 16;
  }
  static __host__ __device__ constexpr int highBit(const CodePlace& p) {
    return p.odd * 8 * kHighBits + (p.group * 4 + p.pair) * kHighBits;
  }

  // A thread's share of a chunk: `quarter` of four.
  struct Part {
    uint32_t low[kLow / 16];
    uint32_t high;
    uint32_t scales[kScales / 4];
    uint32_t factors;
  };

  template <bool kAligned>
  static __device__ __forceinline__ Part load(const void* row, int chunk, int columns, int quarter) {
    const auto* bytes = static_cast<const char*>(row);
    const int left = chunk < packedChunks(columns) ? sizeof(uint4) : 0;
    Part part{};
    const char* low = bytes + chunk * kLow + quarter * (kLow / 4);
    if constexpr (kBytes) {
      const auto word = wordAt<uint4, kAligned, true>(low, left);
      part.low[0] = word.x, part.low[1] = word.y, part.low[2] = word.z, part.low[3] = word.w;
    } else {
      const auto word = wordAt<uint2, kAligned, true>(low, left);
      part.low[0] = word.x, part.low[1] = word.y;
    }
    const char* high = bytes + highAt(columns) + chunk * kHigh;
    if constexpr (kHighBits == 2) part.high = wordAt<uint32_t, kAligned, true>(high + quarter * 4, left);
    if constexpr (kHighBits == 1)
      part.high = wordAt<uint32_t, kAligned, true>(high + quarter / 2 * 4, left) >> (quarter % 2 * 16);
    const char* scales = bytes + scalesAt(columns) + chunk * kScales;
    if constexpr (kScales == 8) {
      const auto word = wordAt<uint2, kAligned, false>(scales, left);
      part.scales[0] = word.x, part.scales[1] = word.y;
    } else {
      part.scales[0] = wordAt<uint32_t, kAligned, false>(scales, left);
    }
    if constexpr (kIsK)
      part.factors = wordAt<uint32_t, kAligned, false>(bytes + factorsAt(columns) + chunk / 4 * 4, left);
    return part;
  }

  // code - zero of the four pairs of a group, which bf16 has exactly.
  static __device__ __forceinline__ void pairs(uint32_t (&to)[4], const Part& part, int group) {
    constexpr uint32_t kOne = 0x3f803f80, k128 = 0x43004300, kMinus128 = 0xc300c300;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      // In the mantissa of 128, whose last bit counts 1, is 128 and the code.
      if constexpr (kBytes) {
        // Bit 7 of two's complement counts -128: it makes -128 into -256.
        const uint32_t both = part.low[group * 2 + i / 2] >> (i % 2 * 8);
        to[i] = fmaPair((both & 0x007f007f) | k128, kOne, (both & 0x00800080) | kMinus128);
      } else {
        uint32_t both = ((part.low[group] >> (i * 4)) & 0x000f000f) | k128;
        if constexpr (kHighBits > 0) {
          constexpr uint32_t kMask = kHighBits == 2 ? 0x00300030 : 0x00100010;
          const uint32_t spread = kHighBits == 2 ? part.high : (part.high & 0xff) | (part.high & 0xff00) << 8;
          const int shift = (group * 4 + i) * kHighBits - 4;
          both |= (shift < 0 ? spread << (-shift & 31) : spread >> (shift & 31)) & kMask;
        }
        to[i] = fmaPair(both, kOne, kMinus128 + kZero * 0x00010001u);
      }
    }
  }

  // Of a group, or of its sixteen columns `half`.
  static __device__ __forceinline__ float scaleOf(const Part& part, int group, int half) {
    if constexpr (kSixteens)
      return lowHalf(part.factors) *
             static_cast<float>(static_cast<int8_t>(part.scales[0] >> (group * 16 + half * 8)));
    else if constexpr (kIsK)
      return lowHalf(part.factors) * static_cast<float>(part.scales[0] >> (group * 16) & 0xff);
    else if constexpr (kHasMinimum)
      return lowHalf(part.scales[group]);
    else
      return lowHalf(part.scales[0] >> (group * 16));
  }
  static __device__ __forceinline__ float minimumOf(const Part& part, int group) {
    if constexpr (!kHasMinimum)
      return 0;
    else if constexpr (kIsK)
      return -lowHalf(part.factors >> 16) * static_cast<float>(part.scales[0] >> (group * 16 + 8) & 0xff);
    else
      return lowHalf(part.scales[group] >> 16);
  }

  // Columns k to k + 7 of a row; k is a multiple of 8.
  template <bool kAligned>
  static __device__ __forceinline__ void eight(float (&to)[8], const void* row, int k, int columns) {
    const int chunk = k / kChunkColumns;
    const int group = k % kChunkColumns / 32, i = k % 32;
    // Of one thread, or, in sixteens, of two that have four each.
#pragma unroll
    for (int four = 0; four < 2; ++four) {
      const int quarter = kSixteens ? i % 16 / 4 + four : i / 8, half = i / 16;
      const Part part = load<kAligned>(row, chunk, columns, quarter);
      // A group that is known when it is compiled leaves the part in registers.
      uint32_t codes[4];
      if (group == 0)
        pairs(codes, part, 0);
      else
        pairs(codes, part, 1);
      const float scale = group == 0 ? scaleOf(part, 0, half) : scaleOf(part, 1, half);
      const float minimum = group == 0 ? minimumOf(part, 0) : minimumOf(part, 1);
#pragma unroll
      for (int pair = 0; pair < 2; ++pair) {
        const uint32_t both = kSixteens ? (half ? codes[2 + pair] : codes[pair]) : codes[four * 2 + pair];
        to[four * 4 + pair * 2] = scale * __uint_as_float(both << 16) + minimum;
        to[four * 4 + pair * 2 + 1] = scale * __uint_as_float(both & 0xffff0000u) + minimum;
      }
    }
  }

  // Column k of a row.
  static __device__ __forceinline__ float element(const void* row, int k, int columns) {
    const auto* bytes = static_cast<const uint8_t*>(row);
    const int chunk = k / kChunkColumns;
    const CodePlace place = placeOf(k % kChunkColumns);
    const int low = lowBit(place), high = highBit(place);
    const int byte = bytes[chunk * kLow + place.quarter * (kLow / 4) + low / 8];
    int code = kBytes ? static_cast<int8_t>(byte) : byte >> (low % 8) & 15;
    if constexpr (kHighBits > 0)
      code |= (bytes[highAt(columns) + chunk * kHigh + place.quarter * (kHigh / 4) + high / 8] >> (high % 8) &
               ((1 << kHighBits) - 1))
              << 4;
    const uint8_t* scales = bytes + scalesAt(columns) + chunk * kScales;
    const uint8_t* factors = bytes + factorsAt(columns) + chunk / 4 * kFactors;
    const auto value = static_cast<float>(code - kZero);
    if constexpr (kSixteens)
      return halfAt(factors) *
             static_cast<float>(static_cast<int8_t>(scales[place.group * 2 + place.pair / 2])) * value;
    else if constexpr (kIsK)
      return halfAt(factors) * static_cast<float>(scales[place.group * 2]) * value -
             halfAt(factors + 2) * static_cast<float>(scales[place.group * 2 + 1]);
    else if constexpr (kHasMinimum)
      return halfAt(scales + place.group * 4) * value + halfAt(scales + place.group * 4 + 2);
    else
      return halfAt(scales + place.group * 2) * value;
  }

 private:
  static __device__ __forceinline__ float lowHalf(uint32_t word) {
    return __half2float(__ushort_as_half(static_cast<unsigned short>(word)));
  }
};

// Calls body(static_cast<PackedBlocks<dtype>*>(nullptr)) for a block format; nothing for another dtype.
template <class Body>
__host__ __device__ __forceinline__ void withPackedBlocks(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::Q8_0:
      return body(static_cast<PackedBlocks<DType::Q8_0>*>(nullptr));
    case DType::Q4_0:
      return body(static_cast<PackedBlocks<DType::Q4_0>*>(nullptr));
    case DType::Q4_1:
      return body(static_cast<PackedBlocks<DType::Q4_1>*>(nullptr));
    case DType::Q5_0:
      return body(static_cast<PackedBlocks<DType::Q5_0>*>(nullptr));
    case DType::Q5_1:
      return body(static_cast<PackedBlocks<DType::Q5_1>*>(nullptr));
    case DType::Q4_K:
      return body(static_cast<PackedBlocks<DType::Q4_K>*>(nullptr));
    case DType::Q5_K:
      return body(static_cast<PackedBlocks<DType::Q5_K>*>(nullptr));
    case DType::Q6_K:
      return body(static_cast<PackedBlocks<DType::Q6_K>*>(nullptr));
    default:
      return;
  }
}

inline bool isBlockFormat(DType dtype) {
  return dtypeInfo(dtype)->quantized;
}

// So that the bytes of a row of any dtype are an int.
constexpr int64_t kMostColumns = int64_t{1} << 28;

// Of a weight in a block format; -1 where a row is no whole number of blocks, or too long.
inline int64_t packedRowBytes(DType dtype, int64_t columns) {
  int64_t bytes = -1;
  if (columns % dtypeInfo(dtype)->blockElements != 0 || columns > kMostColumns) return bytes;
  withPackedBlocks(dtype, [&](auto* blocks) {
    bytes = std::remove_pointer_t<decltype(blocks)>::rowBytes(static_cast<int>(columns));
  });
  return bytes;
}

// Element i, counted row by row, of a packed weight in a block format.
__device__ inline float packedElement(DType dtype, const void* data, int64_t i, int columns) {
  float value = 0;
  withPackedBlocks(dtype, [&](auto* blocks) {
    using Blocks = std::remove_pointer_t<decltype(blocks)>;
    const auto* row = static_cast<const char*>(data) + i / columns * Blocks::rowBytes(columns);
    value = Blocks::element(row, static_cast<int>(i % columns), columns);
  });
  return value;
}

}  // namespace ibert::cuda

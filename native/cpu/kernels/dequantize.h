// Blocks of 32 columns of a packed panel, back to numbers.
#pragma once

#include "matrix.h"

namespace ibert::cpu::IBERT_ISA {

template <DType D>
struct DTypeTag {
  static constexpr DType value = D;
};

// Calls body(DTypeTag<D>{}) for the quantised dtype.
template <class Body>
IBERT_INLINE void withQuantised(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::Q8_0:
      return body(DTypeTag<DType::Q8_0>{});
    case DType::Q4_0:
      return body(DTypeTag<DType::Q4_0>{});
    case DType::Q4_1:
      return body(DTypeTag<DType::Q4_1>{});
    case DType::Q5_0:
      return body(DTypeTag<DType::Q5_0>{});
    case DType::Q5_1:
      return body(DTypeTag<DType::Q5_1>{});
    case DType::Q4_K:
      return body(DTypeTag<DType::Q4_K>{});
    case DType::Q5_K:
      return body(DTypeTag<DType::Q5_K>{});
    case DType::Q6_K:
      return body(DTypeTag<DType::Q6_K>{});
    default:
      return;
  }
}

// Where block b of a panel keeps its parts.
struct BlockParts {
  const uint8_t *head, *scales, *codes;
};
template <DType D>
IBERT_INLINE BlockParts blockParts(const uint8_t* panel, int64_t b) {
  constexpr PackedFormat format = packedFormat(D);
  constexpr int blocks = format.superBlock / kBlock;
  const uint8_t* head = panel + b / blocks * format.superBytes();
  const uint8_t* scales = head + format.headBytes() + b % blocks * format.blockBytes();
  return {head, scales, scales + format.scaleBytes()};
}

// The codes of column 8 c + k (c below 4, k below 8) for the rows of the panel that a vector holds, from
// `row` on. With k known when compiled this is a load that neighbours share, a shift and a mask.
template <int Bits, class Vector>
IBERT_INLINE Vector codesOf(const uint8_t* codes, int row, int c, int k) {
  static_assert(sizeof(Vector) <= 64);
  const int half = row / 16;
  const auto word = [&](int at) { return load<Vector>(codes + at * 64 + row % 16 * 4); };
  if constexpr (Bits == 8) {
    return (word(half * 8 + 2 * c + k / 4) >> (16 * (k % 2) + 8 * (k % 4 / 2))) & 255u;
  }
  const int i = k / 2, j = k % 2;
  Vector q = (word(half * 4 + c) >> (16 * j + 4 * i)) & 15u;
  if constexpr (Bits == 5) {
    q |= ((word(8 + half) >> (16 * j + 4 * c + i)) & 1u) << 4;
  } else if constexpr (Bits == 6) {
    q |= ((word(8 + half * 2 + c / 2) >> (16 * j + 8 * (c % 2) + 2 * i)) & 3u) << 4;
  }
  return q;
}

// D and M of 16 rows for columns 0..15 ([0]) and 16..31 ([1]).
struct BlockScales {
  Floats d[2], m[2];
};
template <DType D>
IBERT_INLINE BlockScales blockScales(const BlockParts& parts, int half) {
  constexpr PackedFormat format = packedFormat(D);
  const uint8_t* halves = format.headBytes() != 0 ? parts.head : parts.scales;
  const Floats d = fromF16(load<Halves>(halves + half * 32));
  BlockScales s;
  if constexpr (format.scales == ScaleKind::DM) {
    s.d[0] = s.d[1] = d;
    s.m[0] = s.m[1] = fromF16(load<Halves>(halves + 64 + half * 32));
  } else if constexpr (format.scales == ScaleKind::SuperM) {
    const Floats minimum = fromF16(load<Halves>(halves + 64 + half * 32));
    s.d[0] = s.d[1] = d * bytesToFloats(parts.scales + half * 16);
    s.m[0] = s.m[1] = -minimum * bytesToFloats(parts.scales + 32 + half * 16);
  } else if constexpr (format.scales == ScaleKind::Super16) {
    for (int h = 0; h < 2; ++h) {
      s.d[h] = d * signedBytesToFloats(parts.scales + 32 * h + half * 16);
      s.m[h] = s.d[h] * -static_cast<float>(format.offset);
    }
  } else {
    s.d[0] = s.d[1] = d;
    s.m[0] = s.m[1] = d * -static_cast<float>(format.offset);
  }
  return s;
}

// Calls sink(half, k, f(k), f(k + 1)) for the even k of block b: weights of 16 rows each.
template <DType D, class Sink>
IBERT_INLINE void dequantizeBlock(const uint8_t* panel, int64_t b, Sink&& sink) {
  constexpr int bits = packedFormat(D).bits;
  const BlockParts parts = blockParts<D>(panel, b);
  for (int half = 0; half < 2; ++half) {
    const BlockScales s = blockScales<D>(parts, half);
#pragma GCC unroll 16
    for (int k = 0; k < kBlock; k += 2) {
      const Floats d = s.d[k / 16], m = s.m[k / 16];
      sink(half, k, toFloats(codesOf<bits, Words>(parts.codes, 16 * half, k / 8, k % 8)) * d + m,
           toFloats(codesOf<bits, Words>(parts.codes, 16 * half, k / 8, k % 8 + 1)) * d + m);
    }
  }
}

// The same for weights that are not quantised; columns at or past `count` are 0.
template <class Sink>
IBERT_INLINE void widenBlock(DType dtype, const uint8_t* panel, int64_t b, int64_t count, Sink&& sink) {
  for (int half = 0; half < 2; ++half) {
    for (int64_t k = 0; k < kBlock; k += 2) {
      Floats low{}, high{};
      if (k < count) {
        if (dtype == DType::F32) {
          const float* row =
              reinterpret_cast<const float*>(panel) + (b * kBlock + k) * kPanelRows + half * 16;
          low = load<Floats>(row);
          if (k + 1 < count) high = load<Floats>(row + kPanelRows);
        } else {
          const Words pairs = load<Words>(panel + ((b * kBlock + k) / 2 * 32 + half * 16) * 4);
          if (dtype == DType::BF16) {
            low = asFloats(pairs << 16);
            high = asFloats(pairs & 0xffff0000u);
          } else {
            low = fromF16(narrow(pairs & 0xffffu));
            high = fromF16(narrow(pairs >> 16));
          }
        }
      }
      sink(half, static_cast<int>(k), low, high);
    }
  }
}

}  // namespace ibert::cpu::IBERT_ISA

#include "direct.h"

#include "act.h"
#include "dequantize.h"
#include "sum_each.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

// Rows that share the decoding of a block: first so many at a time and then the rest.
constexpr int kTogether = 8, kRest = 4;

// The sums of `group` neighbours of a row.
template <class T>
void groupSums(const T* x, int64_t columns, int64_t group, float* sums) {
  const int64_t groups = columns / group;
  for (int64_t first = 0; first < groups; first += kWidth) {
    Vec parts[kWidth];
    for (int64_t i = 0; i < kWidth; ++i) {
      parts[i] = broadcast(0.0f);
      if (first + i >= groups) continue;
      const T* at = x + (first + i) * group;
      for (int64_t k = 0; k < group; k += kWidth) parts[i] += load(at + k);
    }
    storePart(sums + first, sumEach(parts), groups - first);
  }
}

#if defined(__AVX512BF16__)

// 16 columns (`h`: the first or the last of a block) by 32 rows of W: dots[t][half] += code + bias times x,
// for 16 rows of W each. Codes are whole numbers, so they are exact in bf16, and the scales D and M are
// applied once a block.
template <int Rows>
using Dots = Floats[Rows][2];

// 0x4300 is 128 in bf16, whose last place is 1: or-ing a code below 128 into it gives 128 + code. So a pair
// of codes becomes a pair of bf16 numbers in one shift and one three-way logic instruction, with no
// conversion at all; the 128 is taken off again with the sum of x.
constexpr int kAndOr = 0xea;  // (a & b) | c

IBERT_INLINE __m512i biased(__m512i codes, int mask) {
  return _mm512_ternarylogic_epi32(codes, _mm512_set1_epi16(static_cast<short>(mask)),
                                   _mm512_set1_epi16(0x4300), kAndOr);
}

IBERT_INLINE Floats dot(Floats sum, __m512i w, __m512i pair) {
  return (Floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)w, (__m512bh)pair);
}
IBERT_INLINE __m512i everyLane(const uint16_t* pair) {
  int32_t both;
  std::memcpy(&both, pair, 4);
  return _mm512_set1_epi32(both);
}

// The bits of a high plane at bit `at` of each 16-bit lane, brought to bit 4.
IBERT_INLINE __m512i toBit4(__m512i plane, int at) {
  return at < 4 ? _mm512_slli_epi16(plane, 4 - at) : _mm512_srli_epi16(plane, at - 4);
}

// A pair of x is loaded once for all 32 rows of W: the load ports, not the multipliers, would be the bound.
template <int Bits>
struct BlockDot {
  static constexpr float kBias = 128;
  template <int Rows>
  IBERT_INLINE void run(const uint8_t* codes, int h, const uint16_t* x, int64_t stride, Dots<Rows>& dots) {
#pragma GCC unroll 2
    for (int c = 2 * h; c < 2 * h + 2; ++c) {
      const __m512i low[2] = {_mm512_loadu_si512(codes + c * 64), _mm512_loadu_si512(codes + (4 + c) * 64)};
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        __m512i w[2];
        for (int half = 0; half < 2; ++half) {
          w[half] = biased(_mm512_srli_epi16(low[half], 4 * i), 15);
          if constexpr (Bits == 5) {
            const __m512i high = _mm512_loadu_si512(codes + 512 + half * 64);
            w[half] =
                _mm512_ternarylogic_epi32(toBit4(high, 4 * c + i), _mm512_set1_epi16(16), w[half], kAndOr);
          } else if constexpr (Bits == 6) {
            const __m512i high = _mm512_loadu_si512(codes + 512 + (half * 2 + c / 2) * 64);
            w[half] = _mm512_ternarylogic_epi32(toBit4(high, 8 * (c % 2) + 2 * i), _mm512_set1_epi16(48),
                                                w[half], kAndOr);
          }
        }
#pragma GCC unroll 8
        for (int t = 0; t < Rows; ++t) {
          const __m512i pair = everyLane(x + t * stride + 8 * c + 2 * i);
          for (int half = 0; half < 2; ++half) dots[t][half] = dot(dots[t][half], w[half], pair);
        }
      }
    }
  }
};

// Whole numbers up to 255 are exact in bf16, which is the upper half of f32.
template <>
struct BlockDot<8> {
  static constexpr float kBias = 0;

  // Byte i of every lane, as a number.
  IBERT_INLINE __m512i number(__m512i bytes, int i) {
    __m512i code;
    if (i == 0) {
      code = _mm512_and_si512(bytes, _mm512_set1_epi32(255));
    } else if (i == 3) {
      code = _mm512_srli_epi32(bytes, 24);
    } else {
      const __m512i lanes = _mm512_broadcast_i32x4(_mm_set_epi32(12, 8, 4, 0));
      constexpr int kZeros = static_cast<int>(0x80808000u);
      code = _mm512_shuffle_epi8(bytes, _mm512_or_si512(lanes, _mm512_set1_epi32(kZeros + i)));
    }
    return (__m512i)_mm512_cvtepi32_ps(code);
  }
  // Bytes i and i + 2 of every lane.
  IBERT_INLINE __m512i weights(__m512i bytes, int i) {
    return _mm512_or_si512(_mm512_srli_epi32(number(bytes, i), 16), number(bytes, i + 2));
  }

  template <int Rows>
  IBERT_INLINE void run(const uint8_t* codes, int h, const uint16_t* x, int64_t stride, Dots<Rows>& dots) {
#pragma GCC unroll 4
    for (int c = 4 * h; c < 4 * h + 4; ++c) {
      const __m512i bytes[2] = {_mm512_loadu_si512(codes + c * 64), _mm512_loadu_si512(codes + (8 + c) * 64)};
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        const __m512i w[2] = {weights(bytes[0], i), weights(bytes[1], i)};
#pragma GCC unroll 8
        for (int t = 0; t < Rows; ++t) {
          const __m512i pair = everyLane(x + t * stride + 4 * c + 2 * i);
          for (int half = 0; half < 2; ++half) dots[t][half] = dot(dots[t][half], w[half], pair);
        }
      }
    }
  }
};

#endif

// How far ahead the packed bits are fetched, in bytes: what a core takes while memory answers.
constexpr int kAhead = 3072;

#if defined(__AVX512BF16__)

template <DType D, int Rows>
__attribute__((noinline)) void multiplyRows(const DirectRows<DotUnit>& x, int64_t row0, const uint8_t* panel,
                                            float* sums) {
  constexpr PackedFormat format = packedFormat(D);
  constexpr bool twoScales = columnsOfScale(D) == 16;
  using Dot = BlockDot<format.bits>;
  const int64_t blocks = x.columns / kBlock;
  constexpr int kSums = kBlock / columnsOfScale(D);
  const float* xSums = x.sums + row0 * kSums * blocks;
  Floats totals[2][Rows] = {};
  // Front to back over the panel: the stream of its bytes is what the time of one row goes into.
  for (int64_t b = 0; b < blocks; ++b) {
    const BlockParts at = blockParts<D>(panel, b);
    for (int byte = 0; byte < format.blockBytes(); byte += 64) __builtin_prefetch(at.scales + kAhead + byte);
    const BlockScales scales[2] = {blockScales<D>(at, 0), blockScales<D>(at, 1)};
    Dots<Rows> dots = {};
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      Dot::template run<Rows>(at.codes, h, x.x + row0 * x.columns + b * kBlock, x.columns, dots);
      if (!twoScales && h == 0) continue;
      for (int t = 0; t < Rows; ++t) {
        const float sum = xSums[(t * blocks + b) * kSums + (twoScales ? h : 0)];
        for (int half = 0; half < 2; ++half) {
          const BlockScales& s = scales[half];
          totals[half][t] += s.d[h] * dots[t][half] + (s.m[h] - s.d[h] * Dot::kBias) * sum;
          dots[t][half] = Floats{};
        }
      }
    }
  }
  for (int t = 0; t < Rows; ++t) {
    for (int half = 0; half < 2; ++half) store(sums + t * kPanelRows + half * 16, totals[half][t]);
  }
}

#endif

// In f32 the 32 rows of a panel are taken in registers of the machine's own width: a vector that the compiler
// has to split would pass through memory at every product.
constexpr int kParts = kPanelRows / FloatUnit::kWidth;
using Register = FloatUnit::Register;
typedef uint32_t RegisterWords __attribute__((vector_size(sizeof(Register))));
typedef int32_t RegisterInts __attribute__((vector_size(sizeof(Register))));

// Parts of a panel whose sums stay in registers for `rows` rows of x: a power of two, as is kParts.
constexpr int partsTogether(int rows) {
  int parts = kParts;
  while (parts * rows > (kRegisters >= 32 ? 16 : 8) && parts > 1) parts /= 2;
  return parts;
}

template <DType D, int Rows>
__attribute__((noinline)) void multiplyRows(const DirectRows<FloatUnit>& x, int64_t row0,
                                            const uint8_t* panel, float* sums) {
  constexpr PackedFormat format = packedFormat(D);
  constexpr int kParallel = partsTogether(Rows), kScale = static_cast<int>(columnsOfScale(D)),
                kSums = kBlock / kScale;
  static_assert(kParts % kParallel == 0);
  const int64_t blocks = x.columns / kBlock;
  const float* xSums = x.sums + row0 * kSums * blocks;
  Register totals[kParts][Rows] = {};
  for (int64_t b = 0; b < blocks; ++b) {
    const BlockParts at = blockParts<D>(panel, b);
    for (int byte = 0; byte < format.blockBytes(); byte += 64) __builtin_prefetch(at.scales + kAhead + byte);
    alignas(64) float d[2][kPanelRows], m[2][kPanelRows];
    for (int half = 0; half < 2; ++half) {
      const BlockScales scales = blockScales<D>(at, half);
      for (int h = 0; h < kSums; ++h) {
        store(d[h] + 16 * half, scales.d[h]);
        store(m[h] + 16 * half, scales.m[h]);
      }
    }
    const float* columns = x.x + row0 * x.columns + b * kBlock;
#pragma GCC unroll 1
    for (int first = 0; first < kParts; first += kParallel) {
#pragma GCC unroll 1
      for (int h = 0; h < kSums; ++h) {
        // Codes are whole numbers, exact in f32; D and M are applied to the sums of the columns that share
        // them.
        Register dots[kParallel][Rows] = {};
#pragma GCC unroll 1
        for (int c = kScale / 8 * h; c < kScale / 8 * (h + 1); ++c) {
#pragma GCC unroll 8
          for (int k = 0; k < 8; ++k) {
#pragma GCC unroll 8
            for (int i = 0; i < kParallel; ++i) {
              const RegisterWords codes =
                  codesOf<format.bits, RegisterWords>(at.codes, (first + i) * FloatUnit::kWidth, c, k);
              const Register q = __builtin_convertvector((RegisterInts)codes, Register);
#pragma GCC unroll 8
              for (int t = 0; t < Rows; ++t) dots[i][t] += q * columns[t * x.columns + 8 * c + k];
            }
          }
        }
#pragma GCC unroll 8
        for (int i = 0; i < kParallel; ++i) {
          const int row = (first + i) * FloatUnit::kWidth;
          const Register scale = load<Register>(d[h] + row), constant = load<Register>(m[h] + row);
#pragma GCC unroll 8
          for (int t = 0; t < Rows; ++t) {
            totals[first + i][t] += scale * dots[i][t] + constant * xSums[(t * blocks + b) * kSums + h];
          }
        }
      }
    }
  }
  for (int t = 0; t < Rows; ++t) {
    for (int i = 0; i < kParts; ++i) store(sums + t * kPanelRows + i * FloatUnit::kWidth, totals[i][t]);
  }
}

// Weights that are not quantised: one sum for each register and row, since all 32 rows of W together make
// chains enough.

// Columns k and k + 1 of the 32 rows of a panel.
template <DType D>
IBERT_INLINE void loadPair(const uint8_t* panel, int64_t k, Register (&low)[kParts],
                           Register (&high)[kParts]) {
  const uint8_t* pairs = panel + k * kPanelRows * (D == DType::F32 ? 4 : 2);
  if constexpr (D == DType::F16) {
    alignas(64) float halves[2][kPanelRows];
    for (int half = 0; half < 2; ++half) {
      const Words both = load<Words>(pairs + half * 64);
      store(halves[0] + half * 16, fromF16(narrow(both & 0xffffu)));
      store(halves[1] + half * 16, fromF16(narrow(both >> 16)));
    }
    std::memcpy(low, halves[0], sizeof low);
    std::memcpy(high, halves[1], sizeof high);
    return;
  }
  for (int i = 0; i < kParts; ++i) {
    if constexpr (D == DType::BF16) {
      const RegisterWords both = load<RegisterWords>(pairs + i * sizeof(Register));
      low[i] = (Register)(both << 16);
      high[i] = (Register)(both & 0xffff0000u);
    } else {
      low[i] = load<Register>(pairs + i * sizeof(Register));
      high[i] = load<Register>(pairs + kPanelRows * 4 + i * sizeof(Register));
    }
  }
}

template <DType D, int Rows>
__attribute__((noinline)) void multiplyPlain(const DirectRows<FloatUnit>& x, int64_t row0,
                                             const uint8_t* panel, float* sums) {
  const float* rows = x.x + row0 * x.columns;
  const int64_t columns = x.columns;
  Register totals[Rows][kParts] = {}, low[kParts], high[kParts];
  for (int64_t k = 0; k + 1 < columns; k += 2) {
    loadPair<D>(panel, k, low, high);
    for (int t = 0; t < Rows; ++t) {
      for (int i = 0; i < kParts; ++i) totals[t][i] += low[i] * rows[t * columns + k];
      for (int i = 0; i < kParts; ++i) totals[t][i] += high[i] * rows[t * columns + k + 1];
    }
  }
  if (columns % 2 != 0) {
    alignas(64) uint8_t last[2 * kPanelRows * 4] = {};
    constexpr int bytes = kPanelRows * 4;  // of a pair of halves, or of one float
    std::memcpy(last, panel + (columns - 1) * (D == DType::F32 ? bytes : bytes / 2), bytes);
    loadPair<D>(last, 0, low, high);
    for (int t = 0; t < Rows; ++t) {
      for (int i = 0; i < kParts; ++i) totals[t][i] += low[i] * rows[t * columns + columns - 1];
    }
  }
  for (int t = 0; t < Rows; ++t) std::memcpy(sums + t * kPanelRows, totals[t], sizeof totals[t]);
}

template <DType D, int Rows = kRest>
void anyPlain(int64_t rows, const DirectRows<FloatUnit>& x, int64_t row0, const uint8_t* panel, float* sums) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return anyPlain<D, Rows - 1>(rows, x, row0, panel, sums);
  }
  multiplyPlain<D, Rows>(x, row0, panel, sums);
}

template <class Body>
IBERT_INLINE void withPlain(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::F32:
      return body(DTypeTag<DType::F32>{});
    case DType::F16:
      return body(DTypeTag<DType::F16>{});
    default:
      return body(DTypeTag<DType::BF16>{});
  }
}

// All rows, in groups as large as there are kernels for.
template <class Unit, DType D, int Rows>
void inGroups(const DirectRows<Unit>& x, int64_t row0, const uint8_t* panel, float* sums) {
  for (; x.rows - row0 >= Rows; row0 += Rows) multiplyRows<D, Rows>(x, row0, panel, sums + row0 * kPanelRows);
  if constexpr (Rows > 1) {
    if (row0 < x.rows) inGroups<Unit, D, smaller(kRest, Rows - 1)>(x, row0, panel, sums);
  }
}

}  // namespace

template <class Unit>
DirectRows<Unit> directRows(const Matrix& x, int64_t rows, const PackedWeight& w, void* memory) {
  using Element = typename Unit::Element;
  const int64_t columns = w.columns, group = columnsOfScale(w.dtype);
  Element* copy = static_cast<Element*>(memory);
  float* sums = reinterpret_cast<float*>(static_cast<char*>(memory) +
                                         roundUp(rows * columns * static_cast<int64_t>(sizeof(Element)), 64));
  const bool inPlace = x.bf16 == Unit::kTakesBf16 && x.stride == columns;
  for (int64_t t = 0; t < rows; ++t) {
    const Matrix row = x.at(t, 0);
    if (packedFormat(w.dtype).bits != 0) {
      withType(x.bf16 ? DType::BF16 : DType::F32, [&](auto* type) {
        groupSums(static_cast<decltype(type)>(const_cast<void*>(row.data)), columns, group,
                  sums + t * (columns / group));
      });
    }
    if (inPlace) continue;
    for (int64_t k = 0; k < columns; k += 16) {
      const int64_t count = smaller(16, columns - k);
      storeElements(copy, Unit::kTakesBf16, t * columns + k, count,
                    loadElements(row.data, row.bf16, k, count));
    }
  }
  return {inPlace ? static_cast<const Element*>(x.data) : copy, sums, rows, columns};
}

template <class Unit>
void multiplyDirect(const DirectRows<Unit>& x, const PackedWeight& w, int64_t p, float* sums) {
  if constexpr (!Unit::kTakesBf16) {
    if (packedFormat(w.dtype).bits == 0) {
      return withPlain(w.dtype, [&](auto tag) {
        for (int64_t row = 0; row < x.rows; row += kRest) {
          anyPlain<decltype(tag)::value>(smaller(kRest, x.rows - row), x, row, w.panel(p),
                                         sums + row * kPanelRows);
        }
      });
    }
  }
  withQuantised(w.dtype,
                [&](auto tag) { inGroups<Unit, decltype(tag)::value, kTogether>(x, 0, w.panel(p), sums); });
}

#define IBERT_DIRECT(Unit)                                                                        \
  template DirectRows<Unit> directRows<Unit>(const Matrix&, int64_t, const PackedWeight&, void*); \
  template void multiplyDirect<Unit>(const DirectRows<Unit>&, const PackedWeight&, int64_t, float*);
IBERT_DIRECT(FloatUnit)
#if defined(__AVX512BF16__)
IBERT_DIRECT(DotUnit)
#endif

}  // namespace ibert::cpu::IBERT_ISA

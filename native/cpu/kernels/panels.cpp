#include "panels.h"

#include "dequantize.h"
#include "transpose.h"

namespace ibert::cpu::IBERT_ISA {

// Writes the pair of rows (k, k + 1) of a panel, 16 columns from 16 * half.
template <class Unit>
IBERT_INLINE void storePair(typename Unit::Element* panel, int64_t depth, int64_t k, int half, Floats low,
                            Floats high) {
  if constexpr (Unit::kTakesBf16) {
    store(panel + k * kPanelRows + half * 32, toBf16Pairs(low, high));
  } else {
    Unit::storeRow(panel, depth, k, half, low);
    if (k + 1 < depth) Unit::storeRow(panel, depth, k + 1, half, high);
  }
}

template <class Unit>
const typename Unit::Element* weightPanel(const PackedWeight& w, int64_t p, int64_t k0, int64_t depth,
                                          typename Unit::Element* scratch) {
  const uint8_t* panel = w.panel(p);
  if constexpr (Unit::kTakesBf16) {
    if (w.dtype == DType::BF16) return reinterpret_cast<const uint16_t*>(panel) + k0 * kPanelRows;
  }
  if constexpr (!Unit::kTakesBf16) {
    if (w.dtype == DType::F32 && Unit::kColumns == kPanelRows) {
      return reinterpret_cast<const float*>(panel) + k0 * kPanelRows;
    }
  }
  if (packedFormat(w.dtype).bits != 0) {
    withQuantised(w.dtype, [&](auto tag) {
      for (int64_t b = 0; b < depth / kBlock; ++b) {
        dequantizeBlock<decltype(tag)::value>(
            panel, k0 / kBlock + b, [&](int half, int k, Floats low, Floats high) {
              storePair<Unit>(scratch, depth, b * kBlock + k, half, low, high);
            });
      }
    });
    return scratch;
  }
  for (int64_t b = 0; b * kBlock < depth; ++b) {
    const int64_t count = smaller(kBlock, depth - b * kBlock);
    widenBlock(w.dtype, panel, k0 / kBlock + b, count, [&](int half, int k, Floats low, Floats high) {
      if (k < count) storePair<Unit>(scratch, depth, b * kBlock + k, half, low, high);
    });
  }
  return scratch;
}

template <class Unit>
const typename Unit::Element* transposedPanel(const PackedWeight& w, int64_t block, int64_t n0, int64_t depth,
                                              typename Unit::Element* scratch) {
  alignas(64) typename Unit::Element square[kBlock * kPanelRows];
  const int64_t columns = smaller(kBlock, w.columns - block * kBlock);
  for (int64_t n = 0; n < depth; n += kPanelRows) {
    const uint8_t* panel = w.panel((n0 + n) / kPanelRows);
    const typename Unit::Element* from = square;
    const auto sink = [&](int half, int k, Floats low, Floats high) {
      if constexpr (Unit::kTakesBf16) {
        store(square + k * kPanelRows + half * 32, toBf16Pairs(low, high));
      } else {
        store(square + k * kPanelRows + half * 16, low);
        store(square + (k + 1) * kPanelRows + half * 16, high);
      }
    };
    if (packedFormat(w.dtype).bits != 0) {
      withQuantised(w.dtype, [&](auto tag) { dequantizeBlock<decltype(tag)::value>(panel, block, sink); });
    } else if (Unit::kTakesBf16 && w.dtype == DType::BF16 && columns == kBlock) {
      from = reinterpret_cast<const typename Unit::Element*>(panel) + block * kBlock * kPanelRows;
    } else {
      widenBlock(w.dtype, panel, block, columns, sink);
    }
    const int64_t count = smaller(kPanelRows, depth - n);
    if constexpr (Unit::kTakesBf16) {
      transposePairs(from, count, scratch + n * kPanelRows);
    } else {
      transposeFloats(from, count,
                      [&](int row, int half, Floats v) { Unit::storeRow(scratch, depth, n + row, half, v); });
    }
  }
  return scratch;
}

template <class Unit>
const typename Unit::Element* columnPanel(const Matrix& m, int64_t width, int64_t k0, int64_t depth,
                                          float scale, typename Unit::Element* scratch) {
#if defined(__AVX512BF16__)
  if (Unit::kTakesBf16 && m.bf16 && scale == 1.0f && width == kPanelRows) {
    // Neighbouring rows of bf16, interleaved: no conversion.
    const uint16_t* rows = static_cast<const uint16_t*>(m.data) + k0 * m.stride;
    for (int64_t k = 0; k < depth; k += 2, rows += 2 * m.stride) {
      const __m512i low = _mm512_loadu_si512(rows);
      const __m512i high = k + 1 < depth ? _mm512_loadu_si512(rows + m.stride) : _mm512_setzero_si512();
      interleave16(low, high, scratch + k * kPanelRows);
    }
    return scratch;
  }
#endif
  for (int64_t k = 0; k < depth; k += 2) {
    const int64_t row = (k0 + k) * m.stride;
    for (int half = 0; half < 2; ++half) {
      const int64_t count = larger(0, width - 16 * half);
      const Floats low = loadElements(m.data, m.bf16, row + 16 * half, count) * scale;
      const Floats high =
          k + 1 < depth ? loadElements(m.data, m.bf16, row + m.stride + 16 * half, count) * scale : Floats{};
      storePair<Unit>(scratch, depth, k, half, low, high);
    }
  }
  return scratch;
}

template <class Unit>
const typename Unit::Element* rowPanel(const Matrix& m, int first, int64_t count, int64_t k0, int64_t depth,
                                       float scale, typename Unit::Element* scratch) {
  for (int64_t k = 0; k < depth; k += 16) {
    const int64_t steps = smaller(16, depth - k);
    for (int half = 0; half < 2; ++half) {
      Floats lanes[16];
      for (int lane = 0; lane < 16; ++lane) {
        const int64_t row = 16 * half + lane - first;
        lanes[lane] = row >= 0 && row < count
                          ? loadElements(m.data, m.bf16, row * m.stride + k0 + k, steps) * scale
                          : Floats{};
      }
      transpose16(lanes);
      for (int64_t i = 0; i < steps; i += 2)
        storePair<Unit>(scratch, depth, k + i, half, lanes[i], lanes[i + 1]);
    }
  }
  return scratch;
}

#define IBERT_PANELS(Unit)                                                                            \
  template const Unit::Element* weightPanel<Unit>(const PackedWeight&, int64_t, int64_t, int64_t,     \
                                                  Unit::Element*);                                    \
  template const Unit::Element* transposedPanel<Unit>(const PackedWeight&, int64_t, int64_t, int64_t, \
                                                      Unit::Element*);                                \
  template const Unit::Element* columnPanel<Unit>(const Matrix&, int64_t, int64_t, int64_t, float,    \
                                                  Unit::Element*);                                    \
  template const Unit::Element* rowPanel<Unit>(const Matrix&, int, int64_t, int64_t, int64_t, float,  \
                                               Unit::Element*);
IBERT_PANELS(FloatUnit)
#if defined(IBERT_HAS_TILES)
IBERT_PANELS(TileUnit)
#elif defined(__AVX512BF16__)
IBERT_PANELS(DotUnit)
#endif

}  // namespace ibert::cpu::IBERT_ISA

// The small matrix products of attention, and the orders in which their operands lie.
//
// All of them are C (M, N) += A (M, K) B (K, N) with N along the vector: B is stored in panels of kPanel
// columns, so that the inner loop reads it front to back; one element of A at a time is broadcast, so A may
// have any strides, also those of its own transpose. With kRows x kVectors accumulators a step loads kVectors
// vectors and kRows scalars for kRows * kVectors multiplications: the multipliers, not the load ports, are
// the bound.
//
// K counts units. A unit is a float, or two bf16 of consecutive k where the unit of the processor is a dot
// product of such pairs (twice the work per instruction), or a tile (tile_products.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "simd.h"
#include "sizes.h"
#include "tile_products.h"

namespace ibert::cpu::IBERT_ISA {

constexpr int kVectors = kRegisters >= 32 ? 4 : 2;
constexpr int kRows = 6;
constexpr int64_t kPanel = kVectors * kWidth;

#if defined(IBERT_PAIR_DOT)
template <class Act>
using UnitFor = std::conditional_t<std::is_same_v<Act, Bf16>, uint32_t, float>;
inline Pairs loadUnits(const uint32_t* p) {
  return loadPairs(p);
}
inline Pairs broadcastUnit(uint32_t unit) {
  return broadcastPair(unit);
}
inline Vec multiplyAdd(Pairs a, Pairs b, Vec c) {
  return dot(a, b, c);
}
#else
template <class Act>
using UnitFor = float;
#endif
inline Vec loadUnits(const float* p) {
  return load(p);
}
inline Vec broadcastUnit(float unit) {
  return broadcast(unit);
}
inline Vec multiplyAdd(Vec a, Vec b, Vec c) {
  return fma(a, b, c);
}

// Values of k in one unit.
template <class Unit>
constexpr int64_t kPerUnit = std::is_same_v<Unit, float> ? 1 : 2;

// Element (m, k) of A is data[m * row + k * step].
template <class Unit>
struct Left {
  const Unit* data;
  int64_t row, step;
};

template <class Unit, int M, int V>
void multiplyTile(Left<Unit> a, const Unit* b, int64_t bStep, int64_t steps, float* c, int64_t cRow,
                  bool add) {
  Vec sums[M][V];
#pragma GCC unroll 12
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[m][v] = add ? load(c + m * cRow + v * kWidth) : broadcast(0.0f);
  }
  for (int64_t k = 0; k < steps; ++k) {
    decltype(loadUnits(b)) columns[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) columns[v] = loadUnits(b + k * bStep + v * kWidth);
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) {
      const auto value = broadcastUnit(a.data[m * a.row + k * a.step]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[m][v] = multiplyAdd(value, columns[v], sums[m][v]);
    }
  }
#pragma GCC unroll 12
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(c + m * cRow + v * kWidth, sums[m][v]);
  }
}

template <class Unit, int V>
void multiplyRows(int64_t rows, Left<Unit> a, const Unit* b, int64_t bStep, int64_t steps, float* c,
                  int64_t cRow, bool add) {
  // A narrow panel needs more rows for as many sums in flight as hide the latency of the multiplication.
  if constexpr (2 * V <= kVectors) {
    constexpr int kTall = 2 * kRows;
    for (; rows >= kTall; rows -= kTall, a.data += kTall * a.row, c += kTall * cRow) {
      multiplyTile<Unit, kTall, V>(a, b, bStep, steps, c, cRow, add);
    }
  }
  for (; rows >= kRows; rows -= kRows, a.data += kRows * a.row, c += kRows * cRow) {
    multiplyTile<Unit, kRows, V>(a, b, bStep, steps, c, cRow, add);
  }
  switch (rows) {
    case 1:
      return multiplyTile<Unit, 1, V>(a, b, bStep, steps, c, cRow, add);
    case 2:
      return multiplyTile<Unit, 2, V>(a, b, bStep, steps, c, cRow, add);
    case 3:
      return multiplyTile<Unit, 3, V>(a, b, bStep, steps, c, cRow, add);
    case 4:
      return multiplyTile<Unit, 4, V>(a, b, bStep, steps, c, cRow, add);
    case 5:
      return multiplyTile<Unit, 5, V>(a, b, bStep, steps, c, cRow, add);
  }
}

// C (rows, vectors * kWidth) (+)= A B for one panel of B, of which `vectors` <= kVectors vectors are used;
// consecutive k are bStep units apart.
template <class Unit>
void multiplyPanel(int64_t rows, int64_t vectors, Left<Unit> a, const Unit* b, int64_t bStep, int64_t steps,
                   float* c, int64_t cRow, bool add) {
  static_assert(kVectors == 2 || kVectors == 4);
  switch (vectors) {
    case 1:
      return multiplyRows<Unit, 1>(rows, a, b, bStep, steps, c, cRow, add);
    case 2:
      return multiplyRows<Unit, 2>(rows, a, b, bStep, steps, c, cRow, add);
    case 3:
      return multiplyRows < Unit, kVectors<3 ? kVectors : 3>(rows, a, b, bStep, steps, c, cRow, add);
    case 4:
      return multiplyRows<Unit, kVectors>(rows, a, b, bStep, steps, c, cRow, add);
  }
}

// B of `columns` columns (a multiple of kWidth) in panels of kPanel, of which the last may be narrower; each
// panel holds panelSteps units of k, of which the first `steps` are used.
template <class Unit>
void multiplyPanels(int64_t rows, int64_t columns, Left<Unit> a, const Unit* b, int64_t panelSteps,
                    int64_t steps, float* c, int64_t cRow, bool add) {
  for (int64_t column = 0; column < columns; column += kPanel) {
    const int64_t width = smaller(kPanel, columns - column);
    multiplyPanel(rows, width / kWidth, a, b + column * panelSteps, width, steps, c + column, cRow, add);
  }
}

#if defined(IBERT_HAS_TILES)
// Where there are tiles, products of bf16 are theirs.
inline void multiplyPanel(int64_t rows, int64_t vectors, Left<uint32_t> a, const uint32_t* b, int64_t bStep,
                          int64_t steps, float* c, int64_t cRow, bool add) {
  multiplyTiles(rows, vectors * kWidth, a.data, a.row, a.step, b, bStep, steps, steps, c, cRow, add);
}
inline void multiplyPanels(int64_t rows, int64_t columns, Left<uint32_t> a, const uint32_t* b,
                           int64_t panelSteps, int64_t steps, float* c, int64_t cRow, bool add) {
  multiplyTiles(rows, columns, a.data, a.row, a.step, b, kPanel, panelSteps, steps, c, cRow, add);
}
#endif

// Row-major units of one row: A of a product over the columns.
template <class T>
inline void packRow(const T* from, float* to, int64_t columns) {
  forVectors(columns, [&](int64_t i, int64_t lanes) { storePart(to + i, loadPart(from + i, lanes), lanes); });
}

// Panels of B in which k counts rows: step `step` of the panels gets rows k .. k + kPerUnit - 1. A null row
// is zeros. `columns` is the padded width; columns beyond `used` become 0.
template <class T>
inline void packStep(const T* row, float* panels, int64_t panelSteps, int64_t step, int64_t used,
                     int64_t columns) {
  for (int64_t column = 0; column < columns; column += kWidth) {
    const int64_t panel = column / kPanel * kPanel, width = smaller(kPanel, columns - panel);
    const Vec value = row ? loadPart(row + column, used - column) : broadcast(0.0f);
    store(panels + panel * panelSteps + step * width + (column - panel), value);
  }
}

// Packs `lanes` rows (a multiple of kWidth), rowAt(lane) each, as the columns of one panel of B, in which k
// counts the `units` units of a row. A null row is zeros. Pairs of bf16 are moved as the 32 bits that they
// are.
template <class Unit, class T, class RowAt>
inline void packLanes(int64_t lanes, RowAt&& rowAt, Unit* panel, int64_t width, int64_t units) {
  using Moved = std::conditional_t<kPerUnit<Unit> == 1, T, float>;
  for (int64_t lane = 0; lane < lanes; lane += kWidth) {
    const Moved* rows[kWidth];
    for (int r = 0; r < kWidth; ++r)
      rows[r] = reinterpret_cast<const Moved*>(static_cast<const T*>(rowAt(lane + r)));
    for (int64_t i = 0; i < units; i += kWidth) {
      Vec square[kWidth];
      for (int r = 0; r < kWidth; ++r)
        square[r] = rows[r] ? loadPart(rows[r] + i, units - i) : broadcast(0.0f);
      transposeSquare(square);
      float* to = reinterpret_cast<float*>(panel) + i * width + lane;
      for (int64_t r = 0; r < smaller(kWidth, units - i); ++r) store(to + r * width, square[r]);
    }
  }
}

#if defined(IBERT_PAIR_DOT)
inline void packRow(const Bf16* from, uint32_t* to, int64_t columns) {
  std::memcpy(to, from, static_cast<size_t>(columns) * sizeof(Bf16));
}
inline void packSteps(const Bf16* even, const Bf16* odd, uint32_t* panels, int64_t panelSteps, int64_t step,
                      int64_t used, int64_t columns) {
  for (int64_t column = 0; column < columns; column += kWidth) {
    const int64_t panel = column / kPanel * kPanel, width = smaller(kPanel, columns - panel);
    const Vec a = even ? loadPart(even + column, used - column) : broadcast(0.0f);
    const Vec b = odd ? loadPart(odd + column, used - column) : broadcast(0.0f);
    storePairs(panels + panel * panelSteps + step * width + (column - panel), joinExact(a, b));
  }
}
#endif

// Packs `rows` rows, rowAt(i) each, as the k of panels; rows up to a whole unit are zeros.
template <class T, class Unit, class RowAt>
inline void packPanels(int64_t rows, RowAt&& rowAt, Unit* panels, int64_t panelSteps, int64_t used,
                       int64_t columns) {
  if constexpr (kPerUnit<Unit> == 1) {
    for (int64_t i = 0; i < rows; ++i) packStep<T>(rowAt(i), panels, panelSteps, i, used, columns);
  } else {
    for (int64_t i = 0; i < rows; i += 2) {
      packSteps(rowAt(i), i + 1 < rows ? rowAt(i + 1) : nullptr, panels, panelSteps, i / 2, used, columns);
    }
  }
}

// Hands out aligned pieces of a workspace. With a null base it only counts, so that the size of a workspace
// is what its kernel takes from it.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(reinterpret_cast<uintptr_t>(base)) {}

  template <class T>
  T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(base_ + static_cast<uintptr_t>(bytes_));
    bytes_ += roundUp(count * static_cast<int64_t>(sizeof(T)), 64);
    return piece;
  }
  int64_t bytes() const { return bytes_; }

 private:
  uintptr_t base_;
  int64_t bytes_ = 0;
};

}  // namespace ibert::cpu::IBERT_ISA

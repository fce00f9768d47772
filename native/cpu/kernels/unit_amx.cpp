#include "unit_amx.h"

#if defined(IBERT_HAS_TILES)

#include "../amx_tiles.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

constexpr int kStep = 32;                    // columns of x in a tile
constexpr int kPanelBytes = 4 * kPanelRows;  // of a pair row of a panel
constexpr int kSumBytes = 4 * kPanelRows;    // of a row of sums

// The last columns of x, and the rows of the panel that go with them, padded with zeros to a whole step: what
// lies behind them in memory may be anything, even a NaN.
struct Tail {
  alignas(64) uint16_t x[TileUnit::kRows][kStep] = {};
  alignas(64) uint16_t panel[kStep / 2][2 * kPanelRows] = {};

  Tail(const uint16_t* from, int64_t stride, int64_t columns, const uint16_t* pairs) {
    for (int r = 0; r < TileUnit::kRows; ++r) std::memcpy(x[r], from + r * stride, columns * 2);
    std::memcpy(panel, pairs, (columns + 1) / 2 * kPanelBytes);
  }
};

// Tiles 0..3: sums of (rows 0..15, 16..31) x (columns 0..15, 16..31); 4, 5: x; 6, 7: the panel.
IBERT_INLINE void step(const uint16_t* x, int64_t strideBytes, const uint16_t* panel) {
  IBERT_TILE_LOAD(4, x, strideBytes);
  IBERT_TILE_LOAD(6, panel, kPanelBytes);
  IBERT_TILE_DOT(0, 4, 6);
  IBERT_TILE_LOAD(7, panel + kPanelRows, kPanelBytes);
  IBERT_TILE_DOT(1, 4, 7);
  IBERT_TILE_LOAD(5, x + strideBytes / 2 * 16, strideBytes);
  IBERT_TILE_DOT(2, 5, 6);
  IBERT_TILE_DOT(3, 5, 7);
}

void tile(const uint16_t* x, int64_t stride, int64_t depth, const uint16_t* panel, float* c,
          bool accumulate) {
  if (accumulate) {
    IBERT_TILE_LOAD(0, c, kSumBytes);
    IBERT_TILE_LOAD(1, c + 16, kSumBytes);
    IBERT_TILE_LOAD(2, c + 16 * kPanelRows, kSumBytes);
    IBERT_TILE_LOAD(3, c + 16 * kPanelRows + 16, kSumBytes);
  } else {
    IBERT_TILE_ZERO(0);
    IBERT_TILE_ZERO(1);
    IBERT_TILE_ZERO(2);
    IBERT_TILE_ZERO(3);
  }
  int64_t k = 0;
  for (; k + kStep <= depth; k += kStep) step(x + k, stride * 2, panel + k * kPanelRows);
  if (k < depth) {
    const Tail tail(x + k, stride, depth - k, panel + k * kPanelRows);
    step(tail.x[0], kStep * 2, tail.panel[0]);
  }
  IBERT_TILE_STORE(0, c, kSumBytes);
  IBERT_TILE_STORE(1, c + 16, kSumBytes);
  IBERT_TILE_STORE(2, c + 16 * kPanelRows, kSumBytes);
  IBERT_TILE_STORE(3, c + 16 * kPanelRows + 16, kSumBytes);
}

}  // namespace

void TileUnit::begin() {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.rows[i] = 16;
    config.rowBytes[i] = 64;
  }
  IBERT_TILE_CONFIGURE(config);
}

void TileUnit::end() {
  IBERT_TILE_RELEASE();
}

void TileUnit::multiply(int64_t rows, const Matrix& x, int64_t depth, const uint16_t* panel, float* c,
                        bool accumulate) {
  const uint16_t* from = static_cast<const uint16_t*>(x.data);
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows)
    tile(from + r * x.stride, x.stride, depth, panel, c + r * kPanelRows, accumulate);
  if (r == rows) return;
  // The last rows, with rows of zeros below them; in parts of the depth, to bound the copy.
  constexpr int64_t kPart = 8 * kStep;
  alignas(64) uint16_t few[kRows * kPart] = {};
  alignas(64) float sums[kRows * kPanelRows] = {};
  const int64_t count = rows - r;
  if (accumulate) std::memcpy(sums, c + r * kPanelRows, count * kSumBytes);
  for (int64_t k = 0; k < depth; k += kPart) {
    const int64_t columns = smaller(kPart, depth - k);
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(few + i * kPart, from + (r + i) * x.stride + k, columns * 2);
    tile(few, kPart, columns, panel + k * kPanelRows, sums, true);
  }
  std::memcpy(c + r * kPanelRows, sums, count * kSumBytes);
}

}  // namespace ibert::cpu::IBERT_ISA

#endif

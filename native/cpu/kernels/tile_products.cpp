#include "tile_products.h"

#if defined(IBERT_HAS_TILES)

#include "../amx_tiles.h"
#include "simd.h"
#include "sizes.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

constexpr int64_t kTile = 16;        // rows of a tile; pairs, or floats, in its row
constexpr int64_t kBlockRows = 32;   // two tiles of A by two of B make four products of four loads
constexpr int64_t kMostSteps = 128;  // pairs of k: heads of 256, blocks of 128 keys, panels of 64 lanes
constexpr int64_t kUnit = sizeof(uint32_t);

// Tiles 0..3: sums of (rows 0..15, 16..31) x (columns 0..15, 16..31); 4, 5: A; 6, 7: B.
template <bool Wide>
void step(const uint32_t* a, int64_t aRow, const uint32_t* b, int64_t bRow) {
  IBERT_TILE_LOAD(4, a, aRow * kUnit);
  IBERT_TILE_LOAD(6, b, bRow * kUnit);
  IBERT_TILE_DOT(0, 4, 6);
  IBERT_TILE_LOAD(5, a + kTile * aRow, aRow * kUnit);
  IBERT_TILE_DOT(2, 5, 6);
  if constexpr (Wide) {
    IBERT_TILE_LOAD(7, b + kTile, bRow * kUnit);
    IBERT_TILE_DOT(1, 4, 7);
    IBERT_TILE_DOT(3, 5, 7);
  }
}

// 32 rows by 32 columns (16 unless Wide). A has zeros up to a multiple of kTile steps.
template <bool Wide>
void block(const uint32_t* a, int64_t aRow, const uint32_t* b, int64_t bRow, int64_t steps, float* c,
           int64_t cRow, bool add) {
  const int64_t stride = cRow * static_cast<int64_t>(sizeof(float));
  if (add) {
    IBERT_TILE_LOAD(0, c, stride);
    IBERT_TILE_LOAD(2, c + kTile * cRow, stride);
    if constexpr (Wide) {
      IBERT_TILE_LOAD(1, c + kTile, stride);
      IBERT_TILE_LOAD(3, c + kTile * cRow + kTile, stride);
    }
  } else {
    IBERT_TILE_ZERO(0);
    IBERT_TILE_ZERO(2);
    if constexpr (Wide) {
      IBERT_TILE_ZERO(1);
      IBERT_TILE_ZERO(3);
    }
  }
  int64_t k = 0;
  for (; k + kTile <= steps; k += kTile) step<Wide>(a + k, aRow, b + k * bRow, bRow);
  if (k < steps) {
    // The last rows of B with zeros below them: what lies there may be anything, even a NaN.
    constexpr int64_t width = Wide ? 2 * kTile : kTile;
    alignas(64) uint32_t tail[kTile * width] = {};
    for (int64_t i = 0; k + i < steps; ++i) std::memcpy(tail + i * width, b + (k + i) * bRow, width * kUnit);
    step<Wide>(a + k, aRow, tail, width);
  }
  IBERT_TILE_STORE(0, c, stride);
  IBERT_TILE_STORE(2, c + kTile * cRow, stride);
  if constexpr (Wide) {
    IBERT_TILE_STORE(1, c + kTile, stride);
    IBERT_TILE_STORE(3, c + kTile * cRow + kTile, stride);
  }
}

// Up to 32 rows of A as tiles take them: row-major, with zeros up to whole steps.
void copyRows(const uint32_t* a, int64_t aRow, int64_t rows, int64_t steps, uint32_t* to, int64_t toRow) {
  for (int64_t m = 0; m < kBlockRows; ++m) {
    const int64_t used = m < rows ? steps : 0;
    std::memcpy(to + m * toRow, a + (m < rows ? m : 0) * aRow, used * kUnit);
    std::memset(to + m * toRow + used, 0, (toRow - used) * kUnit);
  }
}

// The same of an A whose rows lie side by side: (steps, rows), aStep apart.
void transposeRows(const uint32_t* a, int64_t aStep, int64_t rows, int64_t steps, uint32_t* to,
                   int64_t toRow) {
  static_assert(kWidth == kTile);
  for (int64_t m = 0; m < kBlockRows; m += kTile) {
    for (int64_t k = 0; k < toRow; k += kTile) {
      Vec square[kTile];
      for (int64_t i = 0; i < kTile; ++i) {
        const bool there = k + i < steps && m < rows;
        square[i] = there ? loadPart(reinterpret_cast<const float*>(a + (k + i) * aStep + m), rows - m)
                          : broadcast(0.0f);
      }
      transposeSquare(square);
      for (int64_t i = 0; i < kTile; ++i)
        store(reinterpret_cast<float*>(to + (m + i) * toRow + k), square[i]);
    }
  }
}

void columnsOf(const uint32_t* a, int64_t aRow, int64_t columns, const uint32_t* b, int64_t bRow,
               int64_t steps, float* c, int64_t cRow, bool add) {
  int64_t n = 0;
  for (; n + 2 * kTile <= columns; n += 2 * kTile) block<true>(a, aRow, b + n, bRow, steps, c + n, cRow, add);
  if (n < columns) block<false>(a, aRow, b + n, bRow, steps, c + n, cRow, add);
}

}  // namespace

void multiplyTiles(int64_t rows, int64_t columns, const uint32_t* a, int64_t aRow, int64_t aStep,
                   const uint32_t* b, int64_t panel, int64_t panelSteps, int64_t steps, float* c,
                   int64_t cRow, bool add) {
  const int64_t whole = roundUp(steps, kTile);
  alignas(64) uint32_t copy[kBlockRows * kMostSteps];
  for (int64_t m = 0; m < rows; m += kBlockRows) {
    const int64_t count = smaller(kBlockRows, rows - m);
    const uint32_t* from = a + m * aRow;
    int64_t fromRow = aRow;
    if (aStep != 1) {
      transposeRows(from, aStep, count, steps, copy, whole);
    } else if (count < kBlockRows || steps < whole) {
      copyRows(from, aRow, count, steps, copy, whole);
    }
    if (aStep != 1 || count < kBlockRows || steps < whole) {
      from = copy;
      fromRow = whole;
    }
    for (int64_t n = 0; n < columns; n += panel) {
      const int64_t width = smaller(panel, columns - n);
      const uint32_t* right = b + n * panelSteps;
      float* to = c + m * cRow + n;
      if (count == kBlockRows) {
        columnsOf(from, fromRow, width, right, width, steps, to, cRow, add);
        continue;
      }
      // Rows of C that are not there.
      alignas(64) float sums[kBlockRows * 64];
      if (add) {
        std::memset(sums, 0, sizeof sums);
        for (int64_t i = 0; i < count; ++i)
          std::memcpy(sums + i * width, to + i * cRow, width * sizeof(float));
      }
      columnsOf(from, fromRow, width, right, width, steps, sums, width, add);
      for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * cRow, sums + i * width, width * sizeof(float));
    }
  }
}

TileScope::TileScope() {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.rows[i] = kTile;
    config.rowBytes[i] = 64;
  }
  IBERT_TILE_CONFIGURE(config);
}

TileScope::~TileScope() {
  IBERT_TILE_RELEASE();
}

}  // namespace ibert::cpu::IBERT_ISA

#endif

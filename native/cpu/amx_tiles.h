// Intel AMX tile registers: the few instructions that the bf16 product needs, and a twin of them in plain
// C++.
//
// The macros take literal tile numbers, as the instructions do. At the level "amx-emulated" they run on a
// model of the eight tile registers, so that the same kernel is tested on machines without AMX. The model is
// strict: a tile used before it was configured, or an operand of the wrong shape, ends the program's test run
// with an exception.
//
// TDPBF16PS: C[m][n] += sum over pairs p of A[m][2p] * B[p][2n] + A[m][2p+1] * B[p][2n+1], bf16 by bf16, f32
// sums.
#pragma once

#include <cstdint>
#include <cstring>

namespace ibert::cpu {

// LDTILECFG's operand, palette 1: eight tiles of at most 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t startRow = 0;
  uint8_t reserved[14] = {};
  uint16_t rowBytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64, "LDTILECFG reads 64 bytes");

}  // namespace ibert::cpu

#if defined(IBERT_LEVEL_amx_emulated)

#include "fail.h"

namespace ibert::cpu::amx {

namespace {

struct Tiles {
  TileConfig config;
  bool configured = false;
  uint8_t data[8][16][64];
};
thread_local Tiles tiles;

inline void need(int tile) {
  if (!tiles.configured || tiles.config.rows[tile] == 0)
    fail("emulated AMX: tile %d is not configured", tile);
}

inline void configure(const TileConfig& config) {
  tiles.config = config;
  tiles.configured = true;
  std::memset(tiles.data, 0, sizeof tiles.data);
}
// What a released tile held must not be used: poison it.
inline void release() {
  tiles.configured = false;
  std::memset(tiles.data, 0xff, sizeof tiles.data);
}
inline void zero(int tile) {
  need(tile);
  std::memset(tiles.data[tile], 0, sizeof tiles.data[tile]);
}
inline void load(int tile, const void* from, int64_t stride) {
  need(tile);
  std::memset(tiles.data[tile], 0, sizeof tiles.data[tile]);
  for (int r = 0; r < tiles.config.rows[tile]; ++r) {
    std::memcpy(tiles.data[tile][r], static_cast<const uint8_t*>(from) + r * stride,
                tiles.config.rowBytes[tile]);
  }
}
inline void store(int tile, void* to, int64_t stride) {
  need(tile);
  for (int r = 0; r < tiles.config.rows[tile]; ++r) {
    std::memcpy(static_cast<uint8_t*>(to) + r * stride, tiles.data[tile][r], tiles.config.rowBytes[tile]);
  }
}
inline float half(const uint8_t* row, int i) {
  uint16_t bits;
  std::memcpy(&bits, row + 2 * i, 2);
  const uint32_t word = static_cast<uint32_t>(bits) << 16;
  float f;
  std::memcpy(&f, &word, 4);
  return f;
}
inline void dot(int c, int a, int b) {
  need(a), need(b), need(c);
  const TileConfig& config = tiles.config;
  if (config.rows[c] != config.rows[a] || config.rowBytes[a] / 4 != config.rows[b] ||
      config.rowBytes[b] != config.rowBytes[c]) {
    fail("emulated AMX: tiles %d, %d, %d do not fit each other", c, a, b);
  }
  for (int m = 0; m < config.rows[c]; ++m) {
    float sums[16];
    std::memcpy(sums, tiles.data[c][m], sizeof sums);
    for (int p = 0; p < config.rows[b]; ++p) {
      for (int n = 0; n < config.rowBytes[c] / 4; ++n) {
        sums[n] += half(tiles.data[a][m], 2 * p) * half(tiles.data[b][p], 2 * n);
        sums[n] += half(tiles.data[a][m], 2 * p + 1) * half(tiles.data[b][p], 2 * n + 1);
      }
    }
    std::memcpy(tiles.data[c][m], sums, sizeof sums);
  }
}

}  // namespace

}  // namespace ibert::cpu::amx

#define IBERT_TILE_CONFIGURE(config) ::ibert::cpu::amx::configure(config)
#define IBERT_TILE_RELEASE() ::ibert::cpu::amx::release()
#define IBERT_TILE_ZERO(tile) ::ibert::cpu::amx::zero(tile)
#define IBERT_TILE_LOAD(tile, from, stride) ::ibert::cpu::amx::load(tile, from, stride)
#define IBERT_TILE_STORE(tile, to, stride) ::ibert::cpu::amx::store(tile, to, stride)
#define IBERT_TILE_DOT(c, a, b) ::ibert::cpu::amx::dot(c, a, b)

#else

#include <immintrin.h>

// GCC's intrinsics do not say that these instructions read memory (or say it of the first bytes only):
// without a barrier before them, what they read may not have been stored yet, or never is.
#define IBERT_TILE_CONFIGURE(config)   \
  do {                                 \
    __asm__ volatile("" ::: "memory"); \
    _tile_loadconfig(&(config));       \
  } while (0)
#define IBERT_TILE_LOAD(tile, from, stride) \
  do {                                      \
    __asm__ volatile("" ::: "memory");      \
    _tile_loadd(tile, from, stride);        \
  } while (0)
#define IBERT_TILE_RELEASE() _tile_release()
#define IBERT_TILE_ZERO(tile) _tile_zero(tile)
#define IBERT_TILE_STORE(tile, to, stride) _tile_stored(tile, to, stride)
#define IBERT_TILE_DOT(c, a, b) _tile_dpbf16ps(c, a, b)

#endif

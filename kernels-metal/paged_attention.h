#pragma once

#include "heads.h"

// kCache, vCache: (B, kvHeads, W, D)
struct PagedParameters {
  Heads at;
  int64_t T, B, W;
  int64_t S, M;  // of the block table
  float scale;
  int32_t qkv, kCache, vCache, y;  // dtypes
  // Of the fast kernels: chunks of positions that the table has room for, tiles of a group's heads, whether a
  // threadgroup has one chunk; what starts on the grid of eight bytes.
  int64_t chunks;
  int32_t headTiles, isSplit, qkvAligned, cacheAligned;
};

// How the fast kernels (flash_paged.metal) are cut: positions of a chunk, query heads of a threadgroup, and
// bytes of its memory.
IBERT_SHARED_CONSTANT int kChunkPositions = 256, kPagedHeads = 4, kPagedSimdgroups = 4, kPagedThreads = 128;
// Sums of a simdgroup's lanes that have a position each: D / 8 of them share one.
constexpr int pagedParts(int D) {
  return kPagedSimdgroups * 256 / D;
}
constexpr int pagedBytes(int D) {
  return 4 * (pagedParts(D) * kPagedHeads * D + kPagedHeads * kChunkPositions + kChunkPositions +
              2 * kPagedHeads);
}

// Where the keys and values of a position lie in a paged cache (Kwon et al. 2023): position p of a sequence
// is place p % W of the block that its table names for p / W.
#pragma once

#include "operand.h"
#include "paged_attention.h"

// A row of the cache, of D elements.
inline int64_t cacheRow(constant PagedParameters& p, int64_t block, int64_t kvHead, int64_t place) {
  return (block * p.at.kvHeads + kvHead) * p.W + place;
}
// Whatever the tables hold.
inline int64_t rowOf(const device int32_t* table, constant PagedParameters& p, int64_t sequence,
                     int64_t kvHead, int64_t position) {
  const int64_t block = inside(table[sequence * p.M + position / p.W], 0, p.B, 0);
  return cacheRow(p, block, kvHead, position % p.W);
}

// Which tiles a product takes, by its shape and the chip. Their bits are the same (tile_product.h), so that
// the choice is free to look at the number of rows.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "kernel.h"
#include "tiles.h"

namespace ibert::metal {

// For each family the cores of the smallest chip that has it, and up to how many rows the small tiles are
// for; and how many large tiles of attention each core is to have before they are taken: an M3 hands out
// registers as a threadgroup needs them. A start from public figures of others (MLX takes 64 x 64 for four
// simdgroups, and 32 queries): no Mac was asked yet.
struct TileRule {
  int family;
  int64_t cores, fewRows, someRows, largeTiles;
};
inline constexpr TileRule kTileRules[] = {{7, 7, 8, 32, 4}, {8, 8, 8, 32, 4}, {9, 8, 8, 48, 2}};

inline const TileRule& tileRule(Machine machine) {
  const TileRule* best = kTileRules;
  for (const TileRule& rule : kTileRules)
    if (rule.family <= machine.family) best = &rule;
  return *best;
}

enum class TileRows { few, some, many };

inline TileRows tileRows(int64_t rows, Machine machine) {
  const TileRule& rule = tileRule(machine);
  return rows <= rule.fewRows ? TileRows::few : rows <= rule.someRows ? TileRows::some : TileRows::many;
}

// Whether attention takes the large of its tiles, of which there would be `tiles`.
inline bool takesLargeTiles(int64_t tiles, Machine machine) {
  const TileRule& rule = tileRule(machine);
  return tiles >= rule.cores * rule.largeTiles;
}

// Activations in bf16 are multiplied as bf16 where the chip does that, and whatever they are multiplied by is
// rounded to it; float32 ones are not. Looks at dtypes alone, as rows do not change them.
inline TileType tileType(Machine machine, std::initializer_list<const Tensor*> activations) {
  bool isBf16 = machine.hasBf16();
  for (const Tensor* one : activations) isBf16 = isBf16 && one->dtype == DType::BF16;
  return isBf16 ? TileType::bf16 : TileType::float32;
}
inline const char* tilePath(TileType type) {
  return type == TileType::bf16 ? kBf16Matrices : kMatrices;
}

// Of tiles in a row how many a threadgroup makes, for what it prepares once to pay: as many as leave each
// core several threadgroups.
inline int64_t tileSpan(int64_t tiles, Machine machine) {
  constexpr int64_t kGroupsOfCore = 8, kMost = 8;
  return std::clamp<int64_t>(tiles / (tileRule(machine).cores * kGroupsOfCore), 1, kMost);
}

// Bit `flag` where a tensor begins at a multiple of sixteen bytes.
inline int32_t alignedFlag(const Tensor& tensor, int32_t flag) {
  return tensor && areAligned({&tensor}, 16) ? flag : 0;
}

}  // namespace ibert::metal

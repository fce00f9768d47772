// Tiles of products on a simdgroup's matrices (tile_product.h): sizes that host and kernels share.
#pragma once

#include "dtypes.h"

IBERT_SHARED_CONSTANT int kTilePad = 4;

constexpr int floatsOfStep(int rows, int depth) {
  return rows * depth + kTilePad * (rows > depth ? rows : depth);
}

// A tile of kRows x kColumns that four simdgroups share, kRowGroups of them one below the other, and whose
// sums go on in steps of kDepth float32, or of twice as many bf16.
template <int kTileRows, int kTileColumns, int kTileRowGroups, int kTileDepth>
struct TileShape {
  static IBERT_SHARED_CONSTANT int kRows = kTileRows, kColumns = kTileColumns, kDepth = kTileDepth;
  static IBERT_SHARED_CONSTANT int kRowGroups = kTileRowGroups, kColumnGroups = 4 / kTileRowGroups;
  // Matrices of a simdgroup in each direction.
  static IBERT_SHARED_CONSTANT int kDown = kRows / kRowGroups / 8, kAcross = kColumns / kColumnGroups / 8;
  // Floats of threadgroup memory: a step of either factor, whose rows or columns are kTilePad further apart
  // than they are long, so that those in a line lie in different banks. The sums' way out needs less.
  static IBERT_SHARED_CONSTANT int kLeftFloats = floatsOfStep(kRows, kDepth);
  static IBERT_SHARED_CONSTANT int kFloats = kLeftFloats + floatsOfStep(kColumns, kDepth);
  static_assert(32 * (8 * kAcross + kTilePad) <= kFloats, "the sums' way out");
};

using FewRows = TileShape<8, 64, 1, 32>;  // a step of generation
using SomeRows = TileShape<32, 64, 2, 16>;
using ManyRows = TileShape<64, 64, 2, 16>;
using FewColumns = TileShape<32, 32, 4, 32>;  // the other side is a rank

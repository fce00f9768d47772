#pragma once

#include "heads.h"

struct AttentionParameters {
  Heads at;
  int64_t T, S;  // tokens, entries of offsets
  float scale;
  int32_t qkv, y, dy, dqkv;  // dtypes
  int32_t aligned;           // qkv and dy, to eight bytes
};

// How the fast kernels (flash.h) are cut, for heads of D elements: rows of a simdgroup and of a threadgroup,
// and bytes of threadgroup memory.
IBERT_SHARED_CONSTANT int kFlashSimdgroups = 4, kFlashThreads = 128, kFlashKeys = 32, kFlashPad = 4;
IBERT_SHARED_CONSTANT int kForwardRows = 32;
constexpr int flashTileBytes(int D) {
  return kFlashKeys * (D + kFlashPad) * 2;
}
constexpr int backwardRows(int D) {
  return 2048 / D;
}
// Queries and weights in float32; tiles of keys and of values, which of 128 elements take turns.
constexpr int forwardBytes(int D) {
  return kForwardRows * (D + kFlashKeys) * 4 + (D == 64 ? 2 : 1) * flashTileBytes(D);
}
// Queries, dy and weights; tiles as above.
constexpr int queriesBytes(int D) {
  return backwardRows(D) * (2 * D + kFlashKeys) * 4 + (D == 64 ? 2 : 1) * flashTileBytes(D);
}
// Keys and values, of 128 elements as bf16; weights; tiles of queries and of dy.
constexpr int keysBytes(int D) {
  return backwardRows(D) * (2 * D * (D == 64 ? 4 : 2) + kFlashKeys * 4) + 2 * flashTileBytes(D);
}

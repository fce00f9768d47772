#pragma once

#include "heads.h"
#include "tiles.h"

struct AttentionParameters {
  Heads at;
  int64_t T, S;  // tokens, entries of offsets
  float scale;
  int32_t qkv, y, dy, dqkv;  // dtypes
  int32_t aligned;           // qkv and dy, to eight bytes
};

// How the fast kernels (flash.h) are cut, for heads of D elements that take `bytes` each in threadgroup
// memory: four of float32 or two of bf16. A threadgroup has some rows of a result, and goes over the rows of
// the other side a few at a time.
IBERT_SHARED_CONSTANT int kFlashSimdgroups = 4;
// Rows of queries of a threadgroup in the forward kernels, of which kManyQueries have room for D = 64 alone.
IBERT_SHARED_CONSTANT int kSomeQueries = 32, kManyQueries = 64;

// Bytes from a row to the next, kTilePad floats further apart than they are long.
constexpr int flashRowBytes(int columns, int bytes) {
  return columns * bytes + kTilePad * 4;
}
// Keys of a step of the forward kernels.
constexpr int forwardKeys(int bytes) {
  return 64 / bytes;
}
// Queries; keys, then values; scores; the diagonal matrices by which sums are rescaled.
constexpr int forwardBytes(int D, int rows, int bytes) {
  return (rows + forwardKeys(bytes)) * flashRowBytes(D, bytes) +
         rows * (flashRowBytes(forwardKeys(bytes), 4) + 8 * 4);
}
// Rows of dq, or of dk and dv, and of a step over the other side.
constexpr int backwardRows(int D, int bytes) {
  return D == 64 || bytes == 2 ? 32 : 16;
}
constexpr int backwardStep(int D, int bytes) {
  return (D == 64 ? 64 : 32) / bytes;
}
// Two tensors of either side and their two products; of each row of a step its facts, for flashKeys alone.
constexpr int backwardBytes(int D, int bytes) {
  return 2 * (backwardRows(D, bytes) + backwardStep(D, bytes)) * flashRowBytes(D, bytes) +
         2 * backwardRows(D, bytes) * flashRowBytes(backwardStep(D, bytes), 4);
}
constexpr int keysBytes(int D, int bytes) {
  return backwardBytes(D, bytes) + 3 * 4 * backwardStep(D, bytes);
}

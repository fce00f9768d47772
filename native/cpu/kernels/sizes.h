// Arithmetic of sizes, and the size that more than one kernel must agree on.
#pragma once

#include <cstdint>

namespace ibert::cpu::IBERT_ISA {

static constexpr int64_t ceilDivide(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
static constexpr int64_t roundUp(int64_t a, int64_t b) {
  return ceilDivide(a, b) * b;
}
static constexpr int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}
static constexpr int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

// An op of at most this many rows is a step of generation: each row gets the bits that it would get alone,
// whatever rows go with it. So speculative decoding, which checks several guesses at once, says what plain
// decoding would have said.
constexpr int64_t kDirectRows = 16;

}  // namespace ibert::cpu::IBERT_ISA

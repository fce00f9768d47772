// Arithmetic of sizes.
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

}  // namespace ibert::cpu::IBERT_ISA

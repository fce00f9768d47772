// Models of what the 32 lanes of a simdgroup do together in Metal. All lanes that exist must come, as for a
// warp of CUDA: Metal leaves open what lanes get from those that are elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/meeting.h"

namespace ibert::emulator {

enum class SimdReduction { sum, max };

// In the order of the lanes. Metal does not say its order, so a sum may differ from hardware in the last
// bits.
float reduceSimdgroup(SimdReduction reduction, float value);

// The two elements of an 8 x 8 matrix that a lane holds. Metal does not say which; here lane l has
// (l / 4, l % 4 * 2) and its right neighbour, and no kernel can ask.
constexpr unsigned matrixRow(unsigned lane) {
  return lane / 4;
}
constexpr unsigned matrixColumn(unsigned lane) {
  return lane % 4 * 2;
}

// A matrix in memory as a lane names it, which all lanes must name alike.
struct MatrixPlace {
  const void* address;
  size_t elementBytes, stride;
  bool transposed;

  bool operator==(const MatrixPlace&) const = default;
};
// Where all lanes come before a matrix is loaded or stored.
void meetAtMatrix(const char* name, const MatrixPlace& place);

// What compilers fill variables with that nobody set.
inline constexpr uint32_t kNeverSetWord = 0xfefefefe;

struct SimdgroupProduct {
  float a[2], b[2], c[2], d[2];
  bool isSet;  // a and b
};
// d = a b + c, in float32, k ascending.
void multiplySimdgroup(SimdgroupProduct& operands);

}  // namespace ibert::emulator

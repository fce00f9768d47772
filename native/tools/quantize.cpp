#include "quantize.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "reference/values.h"

namespace ibert::tools {

namespace {

void putHalf(uint8_t* bytes, double value) {
  const uint16_t bits = reference::toF16(value);
  bytes[0] = static_cast<uint8_t>(bits);
  bytes[1] = static_cast<uint8_t>(bits >> 8);
}

int level(double value, double d, int low, int high) {
  return d == 0 ? std::clamp(0, low, high)
                : std::clamp(static_cast<int>(std::nearbyint(value / d)), low, high);
}

void quantizeQ8_0(const double* x, uint8_t* block) {
  double largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[i]));
  const double d = largest / 127;
  putHalf(block, d);
  for (int i = 0; i < 32; ++i) block[2 + i] = static_cast<uint8_t>(level(x[i], d, -127, 127));
}

void quantizeQ4_0(const double* x, uint8_t* block) {
  double largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::fabs(x[i]) > std::fabs(largest) ? x[i] : largest;
  const double d = largest / -8;  // the largest value gets the level -8, which has no positive twin
  putHalf(block, d);
  for (int i = 0; i < 16; ++i) {
    block[2 + i] = static_cast<uint8_t>((level(x[i], d, -8, 7) + 8) | (level(x[i + 16], d, -8, 7) + 8) << 4);
  }
}

void quantizeQ4_1(const double* x, uint8_t* block) {
  const auto [low, high] = std::minmax_element(x, x + 32);
  const double m = *low, d = (*high - *low) / 15;
  putHalf(block, d);
  putHalf(block + 2, m);
  for (int i = 0; i < 16; ++i) {
    block[4 + i] = static_cast<uint8_t>(level(x[i] - m, d, 0, 15) | level(x[i + 16] - m, d, 0, 15) << 4);
  }
}

}  // namespace

bool canQuantize(DType dtype) {
  return dtype == DType::Q8_0 || dtype == DType::Q4_0 || dtype == DType::Q4_1;
}

void quantizeRow(DType dtype, const double* values, int64_t count, uint8_t* blocks) {
  if (!canQuantize(dtype)) throw std::logic_error("quantizeRow: no such format");
  const DTypeInfo* info = dtypeInfo(dtype);
  for (int64_t i = 0; i < count; i += info->blockElements, blocks += info->blockBytes) {
    if (dtype == DType::Q8_0) quantizeQ8_0(values + i, blocks);
    if (dtype == DType::Q4_0) quantizeQ4_0(values + i, blocks);
    if (dtype == DType::Q4_1) quantizeQ4_1(values + i, blocks);
  }
}

void randomBlock(DType dtype, double size, Random& random, uint8_t* block) {
  const int bytes = dtypeInfo(dtype)->blockBytes;
  for (int i = 0; i < bytes; ++i) block[i] = static_cast<uint8_t>(random.next());
  // Half floats from random bits could be infinite: these are set. The divisors are the levels' typical size.
  const double factor = 0.5 + random.uniform();
  switch (dtype) {
    case DType::Q8_0:
      putHalf(block, factor * size / 74);
      break;
    case DType::Q4_0:
      putHalf(block, factor * size / 4.6);
      break;
    case DType::Q5_0:
      putHalf(block, factor * size / 9.2);
      break;
    case DType::Q4_1:
      putHalf(block, factor * size / 4.6), putHalf(block + 2, -7.5 * factor * size / 4.6);
      break;
    case DType::Q5_1:
      putHalf(block, factor * size / 9.2), putHalf(block + 2, -15.5 * factor * size / 9.2);
      break;
    case DType::Q4_K:
      putHalf(block, factor * size / 160), putHalf(block + 2, 7.5 * factor * size / 160);
      break;
    case DType::Q5_K:
      putHalf(block, factor * size / 320), putHalf(block + 2, 15.5 * factor * size / 320);
      break;
    case DType::Q6_K:
      putHalf(block + 208, factor * size / 1400);
      break;
    default:
      throw std::logic_error("randomBlock: no block format");
  }
}

}  // namespace ibert::tools

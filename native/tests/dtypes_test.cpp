// Conversions against known values. Block formats: from the `gguf` Python package (0.17), whose `dequantize`
// is ggml's own layout; every block is made of the bytes (37 i + 11) mod 256 with d = 0.0123 and, where there
// is one, m = -0.45.
#include <cstring>
#include <vector>

#include "check.h"
#include "reference/blocks.h"
#include "reference/values.h"

namespace ibert::tests {

namespace {

struct Known {
  DType dtype;
  int dAt, mAt;  // places of the two half floats, -1: none
  double first, second, last;
  double sum, weighted;  // sum of x[i] and of (i + 1) x[i]
};

constexpr Known kBlocks[] = {
    {DType::Q8_0, 0, -1, 1.045379638671875, 1.50042724609375, -0.59033203125, -2.16455078125,
     -99.37255859375},
    {DType::Q4_0, 0, -1, -0.036895751953125, 0.02459716796875, 0.0, -0.258270263671875, -6.37066650390625},
    {DType::Q4_1, 0, 2, -0.265472412109375, -0.4007568359375, -0.3023681640625, -11.385284423828125,
     -188.58895874023438},
    {DType::Q5_0, 0, -1, 0.110687255859375, -0.02459716796875, 0.012298583984375, 0.184478759765625,
     1.37744140625},
    {DType::Q5_1, 0, 2, -0.216278076171875, -0.15478515625, -0.388458251953125, -8.187652587890625,
     -140.40310668945312},
    {DType::Q4_K, 0, 2, 27.141326904296875, 22.947509765625, 16.55999755859375, 4522.671630859375,
     527080.1364746094},
    {DType::Q5_K, 0, 2, 33.241424560546875, 22.947509765625, 17.29791259765625, 5282.428955078125,
     631059.8430175781},
    {DType::Q6_K, 208, -1, -17.599273681640625, 20.8583984375, -0.7379150390625, 56.7210693359375,
     9647.255249023438},
};

void putHalf(std::vector<uint8_t>& block, int at, double value) {
  const uint16_t bits = reference::toF16(value);
  std::memcpy(block.data() + at, &bits, sizeof bits);
}

void testBlocks() {
  for (const Known& known : kBlocks) {
    const DTypeInfo* info = dtypeInfo(known.dtype);
    std::vector<uint8_t> block(info->blockBytes);
    for (int i = 0; i < info->blockBytes; ++i) block[i] = static_cast<uint8_t>(37 * i + 11);
    putHalf(block, known.dAt, 0.0123);
    if (known.mAt >= 0) putHalf(block, known.mAt, -0.45);
    std::vector<double> x(info->blockElements);
    reference::dequantizeBlock(known.dtype, block.data(), x.data());
    double sum = 0, weighted = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += x[i], weighted += static_cast<double>(i + 1) * x[i];
    const std::string name = info->name;
    // The package computes in float32.
    const double small = 1e-5 * std::fabs(known.first);
    expectNear(x[0], known.first, small, name + "[0]");
    expectNear(x[1], known.second, small, name + "[1]");
    expectNear(x.back(), known.last, small, name + "[last]");
    expectNear(sum, known.sum, 1e-6 * std::fabs(known.sum), name + " sum");
    expectNear(weighted, known.weighted, 1e-6 * std::fabs(known.weighted), name + " weighted sum");
  }
}

void testBf16() {
  const std::pair<double, int> known[] = {
      {0.0, 0x0000},
      {-0.0, 0x8000},
      {1.0, 0x3F80},
      {-2.5, 0xC020},
      {1 + 0x1p-8, 0x3F80},
      {1 + 0x3p-8, 0x3F82},            // ties go to even
      {1 + 0x1p-8 + 0x1p-40, 0x3F81},  // rounded once: through float32 this would be the tie
      {0x1p-133, 0x0001},
      {0x1p-134, 0x0000},
      {0x1.8p-134, 0x0001},
      {3.3895313892515355e38, 0x7F7F},
      {3.4e38, 0x7F80},
      {-HUGE_VAL, 0xFF80},
      {3.140625, 0x4049},
  };
  for (const auto& [value, bits] : known) {
    expect(reference::toBf16(value) == bits, "bf16 of " + std::to_string(value));
  }
  expect((reference::toBf16(std::nan("")) & 0x7FFF) > 0x7F80, "bf16 of NaN");
  for (int bits = 0; bits < 0x10000; ++bits) {
    const double value = reference::fromBf16(static_cast<uint16_t>(bits));
    if (std::isnan(value)) continue;
    expect(reference::toBf16(value) == bits, "bf16 there and back " + std::to_string(bits));
  }
}

void testF16() {
  const std::pair<double, int> known[] = {
      {0.0, 0x0000},     {1.0, 0x3C00},       {-2.0, 0xC000},        {65504.0, 0x7BFF},
      {65520.0, 0x7C00}, {0x1p-24, 0x0001},   {0x1p-25, 0x0000},     {0x1.8p-25, 0x0001},
      {0x1p-14, 0x0400}, {0.1, 0x2E66},       {1 + 0x1p-11, 0x3C00}, {1 + 0x3p-11, 0x3C02},
      {2047.5, 0x6800},  {-HUGE_VAL, 0xFC00},
  };
  for (const auto& [value, bits] : known) {
    expect(reference::toF16(value) == bits, "f16 of " + std::to_string(value));
  }
  for (int bits = 0; bits < 0x10000; ++bits) {
    const double value = reference::fromF16(static_cast<uint16_t>(bits));
    if (std::isnan(value)) continue;
    expect(reference::toF16(value) == bits, "f16 there and back " + std::to_string(bits));
  }
}

}  // namespace

}  // namespace ibert::tests

int main() {
  ibert::tests::testBlocks();
  ibert::tests::testBf16();
  ibert::tests::testF16();
  return ibert::tests::report();
}

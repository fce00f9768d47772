// ldmatrix and mma.sync.
#include <cmath>
#include <limits>

#include "probes.h"

namespace ibert::tests {

namespace {

// A lane gets elements (l / 4, l % 4 * 2) and the next one of the row of each matrix, or of the column when
// transposed.
Probe ldmatrix(int count, bool transposed) {
  Probe probe;
  probe.name = "ldmatrix x" + std::to_string(count) + (transposed ? " transposed" : "");
  probe.rule = Rule::bits;
  probe.input = randomWords(kMatrices * 8 * 4, 11);
  const auto element = [&](unsigned matrix, unsigned row, unsigned column) {
    return probe.input[(matrix * 8 + row) * 4 + column / 2] >> (column % 2 * 16) & 0xffffu;
  };
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned major = lane / 4, minor = lane % 4 * 2;
      if (i >= unsigned(count))
        probe.expected.push_back(0);
      else if (transposed)
        probe.expected.push_back(element(i, minor, major) | element(i, minor + 1, major) << 16);
      else
        probe.expected.push_back(element(i, major, minor) | element(i, major, minor + 1) << 16);
    }
  probe.run = [=](cudaStream_t stream, ConstWords in, Words, Words out) {
    return runLdmatrix(stream, count, transposed, in, out);
  };
  return probe;
}

// The elements of one product, as the numbers that the instruction sees.
struct Product {
  double a[16][16] = {}, b[16][8] = {};
  float c[16][8] = {};
};

// A truncated sum of 17 terms that are aligned to the largest loses less than 17 times 2^-23 of it, in two
// halves of eight products a little more; a chain of float32 sums loses less than 17 times 2^-24 of the
// magnitudes.
constexpr double kSumError = 0x1p-18;
constexpr double kSmallest = 0x1p-149;

Probe products(const std::string& name, bool bfloat16, Rule rule, int count,
               const std::function<void(Product&, Numbers&)>& fill) {
  const Narrow format = bfloat16 ? kBfloat16 : kHalf;
  Probe probe;
  probe.name = std::string("mma ") + (bfloat16 ? "bf16" : "f16") + ", " + name;
  probe.rule = rule;
  Numbers numbers(bfloat16 ? 21 : 22);
  for (int i = 0; i < count; ++i) {
    Product product;
    fill(product, numbers);
    const auto pair = [&](double& low, double& high) {
      const uint16_t first = format.encode(low), second = format.encode(high);
      low = format.decode(first);
      high = format.decode(second);
      probe.input.push_back(uint32_t(second) << 16 | first);
    };
    for (auto& row : product.a)
      for (int k = 0; k < 16; k += 2) pair(row[k], row[k + 1]);
    for (int n = 0; n < 8; ++n)
      for (int k = 0; k < 16; k += 2) pair(product.b[k][n], product.b[k + 1][n]);
    for (const auto& row : product.c)
      for (const float value : row) probe.input.push_back(wordOf(value));
    for (int m = 0; m < 16; ++m)
      for (int n = 0; n < 8; ++n) {
        double sum = product.c[m][n], size = std::fabs(sum);
        for (int k = 0; k < 16; ++k) {
          sum += product.a[m][k] * product.b[k][n];
          size += std::fabs(product.a[m][k] * product.b[k][n]);
        }
        probe.expected.push_back(wordOf(float(sum)));
        probe.allowed.push_back(std::isfinite(size) ? size * kSumError + 32 * kSmallest : 0);
      }
  }
  probe.run = [=](cudaStream_t stream, ConstWords in, Words, Words out) {
    return runMma(stream, bfloat16, count, in, out);
  };
  return probe;
}

// One product a sum, and nothing to add it to.
void sparse(Product& product, Numbers& numbers, double lowA, double highA, double lowB, double highB) {
  for (auto& row : product.a)
    row[numbers.integer(0, 15)] = std::exp2(numbers.between(lowA, highA)) * (numbers.integer(0, 1) ? 1 : -1);
  for (auto& row : product.b)
    for (double& value : row) value = std::exp2(numbers.between(lowB, highB));
}

void addProducts(std::vector<Probe>& probes, bool bfloat16) {
  const auto add = [&](const std::string& name, Rule rule, int count,
                       const std::function<void(Product&, Numbers&)>& fill) {
    probes.push_back(products(name, bfloat16, rule, count, fill));
  };
  // All sums are whole numbers below 2^24: in any order the same. Which element is where shows here.
  add("whole numbers", Rule::values, 4, [](Product& product, Numbers& numbers) {
    for (auto& row : product.a)
      for (double& value : row) value = numbers.integer(-128, 128);
    for (auto& row : product.b)
      for (double& value : row) value = numbers.integer(-64, 64);
    for (auto& row : product.c)
      for (float& value : row) value = float(numbers.integer(-4096, 4096));
  });
  add("one product", Rule::values, 4,
      [](Product& product, Numbers& numbers) { sparse(product, numbers, -7, 7, -7, 7); });
  add("normal numbers", Rule::sums, 8, [](Product& product, Numbers& numbers) {
    for (auto& row : product.a)
      for (double& value : row) value = numbers.between(-1, 1);
    for (auto& row : product.b)
      for (double& value : row) value = numbers.between(-1, 1);
    for (auto& row : product.c)
      for (float& value : row) value = float(numbers.between(-2, 2));
  });
  add("sizes far apart", Rule::sums, 8, [=](Product& product, Numbers& numbers) {
    const double range = bfloat16 ? 20 : 6;
    const auto any = [&] { return std::exp2(numbers.between(-range, range)) * numbers.integer(-1, 1); };
    for (auto& row : product.a)
      for (double& value : row) value = any();
    for (auto& row : product.b)
      for (double& value : row) value = any();
    for (auto& row : product.c)
      for (float& value : row) value = float(any());
  });
  // a (1 - 2^-8 ..) against -a: what is left is small beside its terms.
  add("cancellation", Rule::sums, 4, [](Product& product, Numbers& numbers) {
    for (auto& row : product.a)
      for (int k = 0; k < 16; k += 2) row[k + 1] = -(row[k] = numbers.between(1, 2));
    for (int k = 0; k < 16; k += 2)
      for (int n = 0; n < 8; ++n) product.b[k + 1][n] = (product.b[k][n] = numbers.between(1, 2));
    for (auto& row : product.c)
      for (float& value : row) value = float(numbers.between(-0x1p-10, 0x1p-10));
  });
  // Operands below the smallest normal number count, and so do results below that of float32.
  const double lowest = bfloat16 ? kBfloat16.lowest : kHalf.lowest;
  add("subnormal operands", Rule::values, 4, [=](Product& product, Numbers& numbers) {
    sparse(product, numbers, lowest - (bfloat16 ? 6 : 9), lowest - 1, 0, 7);
  });
  if (bfloat16)
    add("subnormal results", Rule::values, 4, [](Product& product, Numbers& numbers) {
      for (auto& row : product.a) row[numbers.integer(0, 15)] = std::exp2(numbers.integer(-80, -70)) * 1.5;
      for (auto& row : product.b)
        for (double& value : row) value = std::exp2(numbers.integer(-66, -58)) * numbers.integer(1, 3);
    });
  add("subnormal accumulators", Rule::values, 2, [](Product& product, Numbers& numbers) {
    for (auto& row : product.c)
      for (float& value : row) value = float(numbers.integer(-4000000, 4000000) * kSmallest);
  });
  add("infinities and NaN", Rule::values, 4, [](Product& product, Numbers& numbers) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    for (auto& row : product.a)
      for (double& value : row) value = numbers.integer(1, 4);
    for (auto& row : product.b)
      for (double& value : row) value = numbers.integer(1, 4);
    product.a[1][3] = kInfinity;
    product.a[2][5] = -kInfinity;
    product.a[3][2] = kInfinity, product.a[3][9] = -kInfinity;
    product.a[4][7] = std::numeric_limits<double>::quiet_NaN();
    product.a[5][1] = kInfinity, product.b[1][2] = 0;  // NaN at (5, 2)
    product.b[11][4] = -kInfinity;
    product.c[6][0] = std::numeric_limits<float>::infinity();
    product.c[7][1] = std::numeric_limits<float>::quiet_NaN();
    product.c[8][4] = std::numeric_limits<float>::infinity();  // and -infinity comes to it
  });
  // How a result is rounded: 1 + half a unit, and a little more or less. Hardware that truncates differs.
  add("halves of the last place", Rule::noted, 1, [](Product& product, Numbers& numbers) {
    for (int m = 0; m < 16; ++m) {
      product.a[m][0] = m % 2 ? 1 : -1;
      product.a[m][8] = std::exp2(-14);
    }
    for (int n = 0; n < 8; ++n) {
      product.b[0][n] = 1;
      product.b[8][n] = std::exp2(-10) * numbers.integer(1, 7) / 4;
    }
  });
  if (bfloat16)
    add("overflow on the way", Rule::noted, 1, [](Product& product, Numbers&) {
      for (int m = 0; m < 16; ++m) product.a[m][0] = std::exp2(100), product.a[m][8] = -std::exp2(100);
      for (int n = 0; n < 8; ++n) product.b[0][n] = product.b[8][n] = std::exp2(24 + n);
    });
}

}  // namespace

std::vector<Probe> matrixProbes() {
  std::vector<Probe> probes;
  for (const bool transposed : {false, true})
    for (const int count : {1, 2, 4}) probes.push_back(ldmatrix(count, transposed));
  addProducts(probes, true);
  addProducts(probes, false);
  return probes;
}

}  // namespace ibert::tests

// The emulator's Metal against kernels with known faults: each is caught under every schedule, and the right
// ones raise no alarm.
#include <cmath>

#include "emulator/report.h"
#include "metal_kernels.h"
#include "metal_matrix_kernels.h"
#include "trials.h"

namespace ibert::tests {

namespace {

using emulator::Schedule;
using emulator::Settings;

template <Bug kBug>
std::string tryMultiply() {
  return tryProduct<half>(64, 32, 64, runMultiply<kBug>);
}

template <Bug kBug>
std::string tryScaleRows() {
  constexpr unsigned kRows = 3, kColumns = 100;
  const auto x = values<float>(kRows * kColumns);
  const Buffer<float> dx(x), y(kRows * kColumns);
  return outcome(runScaleRows<kBug>(dx, y, kRows, kColumns), [&] {
    const auto got = y.read();
    for (unsigned row = 0; row < kRows; ++row) {
      float sum = 0;
      for (unsigned i = 0; i < kColumns; ++i) sum += x[row * kColumns + i];
      for (unsigned i = row * kColumns; i < (row + 1) * kColumns; ++i)
        if (got[i] != x[i] / sum) return false;
    }
    return true;
  });
}

template <Bug kBug>
std::string trySwapPairs() {
  return tryExchangedPairs(runSwapPairs<kBug>);
}

// The last simdgroup has `kThreads % 32` lanes, if that is not 0.
template <unsigned kThreads>
std::string tryExchange() {
  const auto x = values<float>(kThreads);
  const Buffer<float> dx(x), y(4 * kThreads);
  return outcome(runExchange(dx, y, kThreads), [&] {
    const auto got = y.read();
    for (size_t i = 0; i < kThreads; ++i) {
      const size_t first = i / 32 * 32, end = std::min<size_t>(first + 32, kThreads);
      float most = x[first], sum = 0;
      for (size_t j = first; j < end; ++j) {
        most = std::max(most, x[j]);
        sum += x[j];
      }
      if (got[i] != x[i ^ 1] || got[kThreads + i] != x[first + 3]) return false;
      if (got[2 * kThreads + i] != most || got[3 * kThreads + i] != sum) return false;
    }
    return true;
  });
}

std::string tryFunctions() {
  constexpr unsigned kThreads = 64;
  auto x = values<float>(kThreads);
  x[0] = -2.5f, x[1] = 1.0f + 0x1p-12f, x[2] = HUGE_VALF;
  const Buffer<float> dx(x), y(kFunctions * kThreads);
  return outcome(runFunctions(dx, y, kThreads), [&] {
    const auto got = y.read();
    for (size_t i = 0; i < kThreads; ++i) {
      const double own = x[i], size = std::fabs(own), pi = std::acos(-1.0);
      const bool finite = std::isfinite(x[i]);
      const double expected[kFunctions] = {-own,
                                           std::nearbyint(own),
                                           own * own - 1,
                                           size,
                                           std::exp(own),
                                           std::exp2(own),
                                           std::log(size),
                                           1 / std::sqrt(std::sqrt(size)),
                                           finite ? std::cos(pi * own) : 0,
                                           finite ? std::sin(pi * own) : 0,
                                           std::fmax(own, 0.5) - own,
                                           finite ? 0.0 : 1.0};
      for (size_t f = 0; f < kFunctions; ++f) {
        if (!finite && f >= 7 && f <= 10) continue;  // no numbers
        const double value = got[f * kThreads + i];
        if (value != expected[f] &&
            !(std::fabs(value - expected[f]) <= 4e-7 * std::fmax(1, std::fabs(expected[f]))))
          return false;
      }
      // One rounding, of the whole.
      if (finite && got[2 * kThreads + i] != float(own * own - 1)) return false;
    }
    return true;
  });
}

// Of each dtype the numbers are exact, and so are their products and sums.
template <class T, MatrixBug kBug, unsigned kThreads = 32>
std::string tryMatrices() {
  std::vector<T> x, w;
  for (int i = 0; i < 64; ++i) {
    x.push_back(T(float(i * 5 % 13 - 6)));
    w.push_back(T(float(i * 7 % 11 - 5) / 4));
  }
  const Buffer<T> dx(x), dw(w);
  const Buffer<float> y(128);
  return outcome(runMatrices<T, kBug>(dx, dw, y, kThreads), [&] {
    const auto got = y.read();
    for (size_t row = 0; row < 8; ++row)
      for (size_t column = 0; column < 8; ++column) {
        float product = 0, other = 0;
        for (size_t k = 0; k < 8; ++k) {
          product += float(x[row * 8 + k]) * float(w[k * 8 + column]);
          other += float(x[k * 8 + row]) * float(w[k * 8 + column]);
        }
        if (got[row * 8 + (column ^ 1)] != product || got[64 + column * 8 + row] != product + other)
          return false;
      }
    return true;
  });
}

std::string tryAllMemory() {
  const Buffer<float> y(32);
  return outcome(runWithMemory(y, 32 << 10), [&] { return y.read()[31] == 31; });
}

const Trial kTrials[] = {
    {"multiply", "", tryMultiply<Bug::none>},
    {"scaleRows", "", tryScaleRows<Bug::none>},
    {"swapPairs", "", trySwapPairs<Bug::none>},
    {"exchange", "", tryExchange<64>},
    {"exchange in part of a simdgroup", "", tryExchange<40>},
    {"functions of numbers", "", tryFunctions},
    {"32 KB of threadgroup memory", "", tryAllMemory},
    {"matrices of float", "", tryMatrices<float, MatrixBug::none>},
    {"matrices of half", "", tryMatrices<half, MatrixBug::none>},
    {"matrices of bfloat", "", tryMatrices<bfloat, MatrixBug::none>},
    {"no barrier between writes and reads of a tile", "of shared memory", tryMultiply<Bug::droppedBarrier>},
    {"a barrier with mem_none", "of shared memory", tryMultiply<Bug::barrierOfNone>},
    {"a barrier with mem_device alone", "of shared memory", tryMultiply<Bug::barrierOfDevice>},
    {"tiles that are filled again while others read", "race", tryMultiply<Bug::earlyOverwrite>},
#ifndef __clang__  // whose pattern is a NaN
    {"an accumulator that nobody set", "that nobody set", tryMultiply<Bug::unsetAccumulator>},
#endif
    {"a matrix that is not transposed", kWrong, tryMultiply<Bug::notTransposed>},
    {"a matrix that is stored beyond its buffer", "out of bounds", tryMultiply<Bug::beyondBuffer>},
    {"less threadgroup memory than the kernel uses", "out of bounds", tryMultiply<Bug::tooLittleMemory>},
    {"simd_sum of half a simdgroup", "", tryScaleRows<Bug::divergentSum>},
    {"a partial sum that nobody wrote", "reads what nobody wrote", tryScaleRows<Bug::unwrittenPartial>},
    {"threads that return before a barrier", "", tryScaleRows<Bug::earlyReturn>},
    {"a second barrier in one simdgroup", "deadlock", tryScaleRows<Bug::doubledBarrier>},
    {"barriers of two kinds", "threadgroup_barrier without memory", tryScaleRows<Bug::mixedBarriers>},
    {"simdgroup_load in half a simdgroup", "simdgroup_load of one matrix by lane 0 and of another by lane 16",
     tryMatrices<half, MatrixBug::loadByHalf>},
    {"simdgroup_store in half a simdgroup", "lanes of a warp diverge",
     tryMatrices<half, MatrixBug::storeByHalf>},
    {"simdgroup_multiply in half a simdgroup", "lanes of a warp diverge",
     tryMatrices<half, MatrixBug::multiplyByHalf>},
    {"matrices in a simdgroup of 8 lanes", "simdgroup_load in a warp of fewer than 32",
     tryMatrices<half, MatrixBug::none, 8>},
    {"lanes that name different matrices", "of one matrix by lane 0 and of another by lane 7",
     tryMatrices<half, MatrixBug::placeByLane>},
    {"a misaligned matrix of half", "simdgroup_load of a matrix at a misaligned address",
     tryMatrices<half, MatrixBug::misaligned>},
    {"a misaligned matrix of bfloat", "misaligned", tryMatrices<bfloat, MatrixBug::misaligned>},
    {"a misaligned matrix of float", "misaligned", tryMatrices<float, MatrixBug::misaligned>},
#ifndef __clang__
    {"a factor of half that nobody set", "multiplies a matrix that nobody set",
     tryMatrices<half, MatrixBug::unsetOperand>},
    {"a factor of bfloat that nobody set", "multiplies a matrix that nobody set",
     tryMatrices<bfloat, MatrixBug::unsetOperand>},
    {"a factor of float that nobody set", "multiplies a matrix that nobody set",
     tryMatrices<float, MatrixBug::unsetOperand>},
#endif
    {"a matrix beyond threadgroup memory", "out of bounds", tryMatrices<half, MatrixBug::beyondTile>},
    {"a matrix that is read right after its store", "of shared memory",
     tryMatrices<half, MatrixBug::unorderedStore>},
    {"a matrix stored with rows that overlap", "of shared memory",
     tryMatrices<half, MatrixBug::overlappingStore>},
    {"no simdgroup_barrier", "of shared memory", trySwapPairs<Bug::missingSimdgroupBarrier>},
    {"a simdgroup_barrier with mem_none", "of shared memory", trySwapPairs<Bug::simdgroupBarrierOfNone>},
};
constexpr size_t kRightOnes = 10;

void tryAll() {
  for (Schedule schedule : {Schedule::lastFirst, Schedule::random, Schedule::priorities})
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      Settings settings;
      settings.schedule = schedule;
      settings.seed = seed;
      tryEach(kTrials, kRightOnes, settings);
    }
}

void tryTooMuchMemory() {
  const Buffer<float> y(32);
  expectError([&] { runWithMemory(y, (32 << 10) + 16); }, "32784 bytes of threadgroup memory",
              "more than 32 KB of threadgroup memory");
}

void expectCount(uint64_t actual, uint64_t expected, const char* what) {
  expect(actual == expected,
         std::string(what) + ": " + std::to_string(actual) + ", expected " + std::to_string(expected));
}

void tryReports() {
  Settings settings;
  settings.report = true;
  emulator::setSettings(settings);
  const auto reportOf = [](std::string (*trial)()) {
    emulator::clearReports();
    trial();
    const auto all = emulator::reports();
    expect(all.size() == 1, "one kernel in the report");
    return all.empty() ? emulator::KernelReport{} : all[0];
  };
  const auto product = reportOf(tryMultiply<Bug::none>);
  expectCount(product.products, 64 * 32 * 64 / (8 * 8 * 8), "products of multiply");
  expectCount(product.barriers, 2 * 4 * 2, "barriers of multiply");
  expectCount(product.threads, 128, "threads of multiply");
  expectCount(product.sharedBytes, 2 * 32 * 16 * 2, "threadgroup memory of multiply");
  const auto rows = reportOf(tryScaleRows<Bug::none>);
  expectCount(rows.reductions, 3 * 4, "reductions of scaleRows");
  const std::string text = describeMetal(rows);
  expect(text.find(": 1 dispatches, 3 threadgroups of 128 threads and 16 bytes of threadgroup memory") !=
                 std::string::npos &&
             text.find("0 products of matrices, 12 reductions and 0 shuffles") != std::string::npos,
         "scaleRows in words: " + text);
}

}  // namespace

}  // namespace ibert::tests

int main() {
  using namespace ibert::tests;
  tryAll();
  tryTooMuchMemory();
  tryReports();
  return report();
}

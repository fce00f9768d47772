// The emulator against kernels with known faults: each is caught under every schedule, and the right ones
// raise no alarm.
#include <functional>
#include <vector>

#include "emulator/report.h"
#include "emulator_kernels.h"
#include "trials.h"

namespace ibert::tests {

namespace {

using emulator::Lateness;
using emulator::Schedule;
using emulator::Settings;

std::string outcome(cudaError_t error, const std::function<bool()>& isRight) {
  return tests::outcome(error == cudaSuccess, isRight);
}

template <Bug kBug>
std::string tryMultiply() {
  return tryProduct<__nv_bfloat16>(64, 32, 128,
                                   [](auto&... all) { return runMultiply<kBug>(all...) == cudaSuccess; });
}

template <Bug kBug>
std::string trySumRows() {
  constexpr int kRows = 3, kColumns = 256;
  const auto x = values<float>(kRows * kColumns);
  const Buffer<float> dx(x), sums(kRows);
  return outcome(runSumRows<kBug>(dx, sums, kRows, kColumns), [&] {
    const auto got = sums.read();
    for (int row = 0; row < kRows; ++row) {
      float sum = 0;
      for (int i = 0; i < kColumns; ++i) sum += x[row * kColumns + i];
      if (got[row] != sum) return false;
    }
    return true;
  });
}

template <Bug kBug>
std::string trySwapPairs() {
  return tryExchangedPairs([](auto&... all) { return runSwapPairs<kBug>(all...) == cudaSuccess; });
}

template <Bug kBug>
std::string tryRelay() {
  constexpr int kRounds = 5;
  const auto x = values<float>(32 * kRounds);
  const Buffer<float> dx(x), y(32 * kRounds);
  return outcome(runRelay<kBug>(dx, y, kRounds), [&] {
    const auto got = y.read();
    for (size_t i = 0; i < got.size(); ++i)
      if (got[i] != 2 * x[i / 32 * 32 + 31 - i % 32]) return false;
    return true;
  });
}

template <Bug kBug>
std::string trySumAcrossBlocks() {
  constexpr int kBlocks = 6;
  const auto x = values<float>(32 * kBlocks);
  const Buffer<float> dx(x), parts(kBlocks + 1), total(1);
  const Buffer<unsigned> counters(std::vector<unsigned>{0, 0});
  return outcome(runSumAcrossBlocks<kBug>(dx, parts, counters, total, kBlocks), [&] {
    float sum = 0;
    for (float v : x) sum += v - x[0];
    return total.read()[0] == sum;
  });
}

std::string tryAtomics() {
  constexpr int kBlocks = 3;
  std::vector<int> numbers(64 * kBlocks);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = int(i * 37 % 192) - 90;
  const Buffer<int> values(numbers), least(std::vector<int>{1000});
  const Buffer<unsigned> count(std::vector<unsigned>{0});
  return outcome(runCountWithAtomics(values, least, count, kBlocks),
                 [&] { return least.read()[0] == -90 && count.read()[0] == numbers.size(); });
}

std::string tryHostPointer() {
  const auto x = values<float>(32);
  const Buffer<float> y(32);
  return outcome(runTouchHost(x.data(), y), [] { return true; });
}

[[maybe_unused]] std::string tryMisaligned() {
  const Buffer<float> x(values<float>(32)), y(1);
  return outcome(runMisaligned(x, y), [] { return true; });
}

const Trial kTrials[] = {
    {"multiply", "", tryMultiply<Bug::none>},
    {"sumRows", "", trySumRows<Bug::none>},
    {"swapPairs", "", trySwapPairs<Bug::none>},
    {"relay", "", tryRelay<Bug::none>},
    {"sumAcrossBlocks", "", trySumAcrossBlocks<Bug::none>},
    {"atomics", "", tryAtomics},
    {"a dropped barrier between copies and reads", "of shared memory", tryMultiply<Bug::droppedBarrier>},
    {"a stage released before all have read it", "of shared memory", tryMultiply<Bug::earlyRelease>},
    {"no wait for copies", "in flight", tryMultiply<Bug::missingWait>},
    {"a wait for too few groups", "in flight", tryMultiply<Bug::waitForTooFew>},
    {"no commit of copies", "in flight", tryMultiply<Bug::missingCommit>},
    {"an accumulator that nobody set", "", tryMultiply<Bug::unsetAccumulator>},
    {"two rules of swizzling", kWrong, tryMultiply<Bug::swizzle>},
    {"ldmatrix of the wrong rows", kWrong, tryMultiply<Bug::wrongRows>},
    {"exchanged registers of a fragment", kWrong, tryMultiply<Bug::fragmentOrder>},
    {"one element beyond global memory, written", "", tryMultiply<Bug::beyondGlobal>},
    {"one element beyond global memory, read", "reads out of bounds", trySumRows<Bug::beyondGlobalRead>},
    {"one element beyond shared memory", "", trySumRows<Bug::beyondShared>},
    {"shared memory that nobody wrote", "reads what nobody wrote", trySumRows<Bug::unwrittenShared>},
    {"a shuffle of half a warp", "", trySumRows<Bug::divergentShuffle>},
    {"a second barrier in some warps", "deadlock", trySumRows<Bug::doubledBarrier>},
    {"a barrier of half a warp", "deadlock", trySumRows<Bug::divergentBarrier>},
    {"a dropped barrier of a reduction", "of shared memory", trySumRows<Bug::droppedReductionBarrier>},
    {"no __syncwarp between lanes", "of shared memory", trySwapPairs<Bug::missingSyncwarp>},
    {"a buffer called empty before it is read", "race", tryRelay<Bug::earlyArrival>},
    {"a block that waits for one that never signals", "a counter of blocks to reach 1",
     trySumAcrossBlocks<Bug::neverSignalled>},
    {"a block that does not wait", "", trySumAcrossBlocks<Bug::missingBlockWait>},
    {"a signal before the write", "race", trySumAcrossBlocks<Bug::signalTooEarly>},
    {"a host pointer", "host's memory", tryHostPointer},
#ifndef __clang__  // which makes four accesses of a float4
    {"a misaligned vector", "no multiple of the size", tryMisaligned},
#endif
};
constexpr size_t kRightOnes = 6;

void tryAll() {
  for (Schedule schedule : {Schedule::lastFirst, Schedule::random, Schedule::priorities})
    for (uint64_t seed = 1; seed <= 4; ++seed)
      for (Lateness lateness : {Lateness::atOnce, Lateness::random, Lateness::last}) {
        Settings settings;
        settings.schedule = schedule;
        settings.seed = seed;
        settings.lateness = lateness;
        tryEach(kTrials, kRightOnes, settings);
      }
}

// The same settings give the same run, to the thread that fails.
void tryAgain() {
  Settings settings;
  settings.schedule = Schedule::random;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    settings.seed = seed;
    emulator::setSettings(settings);
    const std::string first = trySumRows<Bug::droppedReductionBarrier>();
    expect(first == trySumRows<Bug::droppedReductionBarrier>(), "a seed reproduces a violation");
  }
}

// Without happens-before, poison and late copies still show some faults in the numbers; nothing stops the
// run.
void tryWithoutChecks() {
  Settings settings;
  settings.checks = false;
  settings.lateness = Lateness::last;
  emulator::setSettings(settings);
  expect(tryMultiply<Bug::none>().empty(), "multiply without checks");
  expect(tryMultiply<Bug::missingWait>() == kWrong, "a copy that was not waited for is NaN");
  expect(trySumAcrossBlocks<Bug::none>().empty(), "blocks without checks");
}

// Blocks that wait for others need those to fit beside them.
void tryFewBlocks() {
  Settings settings;
  settings.schedule = Schedule::lastFirst;
  settings.resident = 5;
  emulator::setSettings(settings);
  const std::string found = trySumAcrossBlocks<Bug::none>();
  expect(found.find("no more than 5 fit at once") != std::string::npos,
         "six blocks where five fit: " + found);
  settings.resident = 6;
  emulator::setSettings(settings);
  expect(trySumAcrossBlocks<Bug::none>().empty(), "six blocks where six fit");
}

void expectCount(uint64_t actual, uint64_t expected, const char* what) {
  expect(actual == expected,
         std::string(what) + ": " + std::to_string(actual) + ", expected " + std::to_string(expected));
}

emulator::KernelReport reportOf(std::string (*trial)()) {
  emulator::clearReports();
  trial();
  const auto all = emulator::reports();
  expect(all.size() == 1, "one kernel in the report");
  return all.empty() ? emulator::KernelReport{} : all[0];
}

void tryReports() {
  Settings settings;
  settings.report = true;
  emulator::setSettings(settings);

  const auto sums = reportOf(trySumRows<Bug::none>);
  expect(sums.kernel.rfind("sumRows<", 0) == 0, "the name of a kernel: " + sums.kernel);
  expectCount(sums.blocks, 3, "blocks of sumRows");
  expectCount(sums.shuffles, 3 * 4 * 5, "shuffles of sumRows");
  expectCount(sums.barriers, 3, "barriers of sumRows");
  expectCount(sums.readBytes, 3 * 256 * 4, "bytes read by sumRows");
  expectCount(sums.distinctBytes, 3 * 256 * 4 + 3 * 4, "distinct bytes of sumRows");
  expectCount(sums.globalRequests, 3 * 2 * 4 + 3, "requests of sumRows");
  expectCount(sums.sectors, 3 * 2 * 4 * 4 + 3, "sectors of sumRows");
  expectCount(sums.fewestSectors, sums.sectors, "fewest sectors of sumRows");

  const auto product = reportOf(tryMultiply<Bug::none>);
  expectCount(product.mma, 64 * 32 * 128 / (16 * 8 * 16), "mma.sync of multiply");
  expectCount(product.asyncCopies, 2 * 4 * 256, "cp.async of multiply");
  expectCount(product.distinctBytes, (64 + 32) * 128 * 2 + 64 * 32 * 4, "distinct bytes of multiply");
  expectCount(product.wavefronts, product.fewestWavefronts, "swizzled rows: bank conflicts");
  expectNear(emulator::rooflineSeconds(product), double(product.distinctBytes) / 3.35e12, 1e-15,
             "the roofline of multiply");
  expect(emulator::describe(product).find("computed and not measured") != std::string::npos,
         "the label of the roofline");
  const auto conflicting = reportOf(tryMultiply<Bug::swizzle>);
  expect(conflicting.wavefronts > conflicting.fewestWavefronts,
         "rows read without swizzling: bank conflicts");

  const auto strided = reportOf(+[] {
    const Buffer<float> x(values<float>(32 * 8)), y(32);
    return outcome(runGatherStrided(x, y, 8), [] { return true; });
  });
  expectCount(strided.sectors, 32 + 4, "sectors of a strided read");
  expectCount(strided.fewestSectors, 4 + 4, "fewest sectors of a strided read");
  expectCount(strided.wavefronts, 2 * 8, "wavefronts of a stride of 8 words");
  emulator::clearReports();
}

void tryMemory() {
  char* a = static_cast<char*>(emulator::allocate(100));
  char* b = static_cast<char*>(emulator::allocate(3 << 20));
  expect(uint8_t(a[99]) == 0xff && uint8_t(b[0]) == 0xff, "fresh memory holds NaN");
  const char text[101] = {};
  expectError([&] { emulator::copyToDevice(a, text, 101); }, "101 bytes at byte 0 of an allocation of 100",
              "a copy beyond");
  expectError([&] { emulator::copyToDevice(const_cast<char*>(text), text, 4); }, "no device memory",
              "a copy to the host");
  expectError([&] { emulator::release(a + 1); }, "no allocation", "half an allocation");
  const size_t before = emulator::allocatedBytes();
  emulator::release(b);
  emulator::release(a);
  expect(before - emulator::allocatedBytes() == 100 + (3 << 20), "what was given back is free");
  char* again = static_cast<char*>(emulator::allocate(3 << 20));
  expect(uint8_t(again[12345]) == 0xff, "memory used again holds NaN");
  emulator::release(again);
}

void tryEnvironment() {
  setenv("IBERT_EMULATOR_SCHEDULE", "last-first", 1);
  setenv("IBERT_EMULATOR_SEED", "77", 1);
  const Settings settings = emulator::settingsFromEnvironment();
  expect(settings.schedule == Schedule::lastFirst && settings.seed == 77, "settings of the environment");
  setenv("IBERT_EMULATOR_SCHEDULE", "sideways", 1);
  expectError(emulator::settingsFromEnvironment,
              "IBERT_EMULATOR_SCHEDULE=sideways: expected one of last-first", "an unknown schedule");
  unsetenv("IBERT_EMULATOR_SCHEDULE");
  setenv("IBERT_EMULATOR_SEED", "7x", 1);
  expectError(emulator::settingsFromEnvironment, "IBERT_EMULATOR_SEED=7x", "a seed that is no number");
  unsetenv("IBERT_EMULATOR_SEED");
}

}  // namespace

}  // namespace ibert::tests

int main() {
  using namespace ibert::tests;
  tryMemory();
  tryEnvironment();
  tryAll();
  tryAgain();
  tryWithoutChecks();
  tryFewBlocks();
  tryReports();
  return report();
}

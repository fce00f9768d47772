// The fork-join pool under load: every task once, on a worker that exists, errors told, nothing lost between
// loops.
#include "host/thread_pool.h"

#include <atomic>
#include <vector>

#include "check.h"

namespace ibert::tests {

namespace {

using host::ThreadPool;

void testEveryTaskOnce(int threads) {
  ThreadPool pool(threads);
  for (const int64_t tasks : {0, 1, 2, 3, 7, 64, 1000}) {
    for (int repeat = 0; repeat < 60; ++repeat) {
      std::vector<std::atomic<int>> ran(tasks);
      std::atomic<bool> strange{false};
      pool.parallelFor(tasks, [&](int64_t task, int worker) {
        ran[task].fetch_add(1);
        if (worker < 0 || worker >= pool.threads()) strange = true;
      });
      for (const auto& count : ran) expect(count == 1, "a task ran " + std::to_string(count) + " times");
      expect(!strange, "a worker that does not exist");
    }
  }
}

// What the caller wrote before a loop is seen in it, and what tasks wrote is seen after it.
void testVisibility(int threads) {
  ThreadPool pool(threads);
  std::vector<int64_t> values(257, 0);
  for (int64_t round = 1; round <= 1000; ++round) {
    pool.parallelFor(257, [&](int64_t task, int) { values[task] += task * round; });
    if (round % 500 == 0) {
      for (int64_t task = 0; task < 257; ++task) {
        expect(values[task] == task * round * (round + 1) / 2, "a write was lost");
      }
    }
  }
}

void testErrors(int threads) {
  ThreadPool pool(threads);
  for (int round = 0; round < 60; ++round) {
    expectError(
        [&] {
          pool.parallelFor(50, [&](int64_t task, int) {
            if (task % 10 == 3) throw std::runtime_error("task failed");
          });
        },
        "task failed", "a loop with a failing task");
    std::atomic<int> count{0};
    pool.parallelFor(20, [&](int64_t, int) { ++count; });
    expect(count == 20, "the loop after a failed one");
  }
}

void testComingAndGoing() {
  for (int round = 0; round < 60; ++round) {
    ThreadPool pool(1 + round % 4);
    std::atomic<int64_t> sum{0};
    if (round % 3) pool.parallelFor(10, [&](int64_t task, int) { sum += task; });
    expect(sum == (round % 3 ? 45 : 0), "a short-lived pool");
  }
  expect(ThreadPool(0).threads() == 1, "a pool has at least one thread");
}

}  // namespace

}  // namespace ibert::tests

int main() {
  for (const int threads : {1, 2, 5}) {
    ibert::tests::testEveryTaskOnce(threads);
    ibert::tests::testVisibility(threads);
    ibert::tests::testErrors(threads);
  }
  ibert::tests::testComingAndGoing();
  return ibert::tests::report();
}

// A fork-join pool: the caller and `threads() - 1` workers take the tasks of one loop at a time.
//
// Nothing on the hot path locks. A loop is published by one atomic store, and workers join it while it is
// open. Each thread takes the tasks of a range of its own, front to back, so that what lies side by side in
// memory is read by one core; who has none left takes from the ends of the others' ranges. The caller works
// too, and when no task is left it closes the loop and waits only for those who joined: a worker that is
// asleep, or that the system gave no processor, delays nobody. A worker that finds no work spins for some
// microseconds (consecutive ops follow each other closely) and then sleeps in the kernel. Which thread runs a
// task never shows in the result as long as each task writes its own outputs.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace ibert::host {

// Where threads wait for a condition that others make true: make it true, then signal().
class Gate {
 public:
  template <class Condition>
  void wait(Condition&& condition);
  // Costs a load when nobody sleeps.
  void signal() {
    if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    epoch_.notify_all();
  }

 private:
  std::atomic<uint32_t> epoch_{0};
  std::atomic<uint32_t> sleepers_{0};
};

class ThreadPool {
 public:
  // At least 1; the calling thread counts as one.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Calls body(task, worker) for each task in [0, tasks), worker in [0, threads()). Returns when all have
  // run. Tasks may be taken in any order. The first exception is rethrown here. Not reentrant.
  template <class Body>
  void parallelFor(int64_t tasks, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    run(
        tasks, [](void* user, int64_t task, int worker) { (*static_cast<Plain*>(user))(task, worker); },
        const_cast<std::remove_const_t<Plain>*>(&body));
  }

 private:
  using Call = void (*)(void* user, int64_t task, int worker);
  void run(int64_t tasks, Call call, void* user);
  void work(int worker);
  void stop();
  void drain(int worker);
  bool join();
  // The next task of a worker's own range, or the last one of another's; -1 when none is left.
  int64_t take(int worker);

  int threads_;
  std::vector<std::thread> workers_;

  // One loop. Written by the caller while no worker has joined and none can.
  Call call_ = nullptr;
  void* user_ = nullptr;

  // Tasks [begin, end) that nobody has taken: begin in the upper half of the word.
  struct alignas(64) Range {
    std::atomic<uint64_t> bounds{0};
  };
  std::unique_ptr<Range[]> ranges_;
  // Number of workers in the loop, and kOpen while more may join. A closed loop is nobody's business, so one
  // word says all.
  alignas(64) std::atomic<uint32_t> loop_{0};
  alignas(64) Gate opened_;
  alignas(64) Gate left_;
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
  std::atomic<bool> stop_{false};
};

}  // namespace ibert::host

// A fork-join pool: the caller and `threads() - 1` workers take the tasks of one loop at a time.
//
// Nothing on the hot path locks: a loop is published by one atomic store, tasks are taken by fetch_add, and a worker
// that finds no work spins for some microseconds (consecutive ops follow each other closely) and then sleeps in the
// kernel. Which thread runs a task never shows in the result as long as each task writes its own outputs.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace ibert::host {

class ThreadPool {
 public:
  // At least 1; the calling thread counts as one.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Calls body(task, worker) for each task in [0, tasks), worker in [0, threads()). Returns when all have run.
  // Tasks may be taken in any order. The first exception is rethrown here. Not reentrant.
  template <class Body>
  void parallelFor(int64_t tasks, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    run(tasks, [](void* user, int64_t task, int worker) { (*static_cast<Plain*>(user))(task, worker); },
        const_cast<std::remove_const_t<Plain>*>(&body));
  }

 private:
  using Call = void (*)(void* user, int64_t task, int worker);
  void run(int64_t tasks, Call call, void* user);
  void work(int worker);
  void drain(int worker);

  int threads_;
  std::vector<std::thread> workers_;

  // One loop. Written by the caller before `generation_` is raised.
  Call call_ = nullptr;
  void* user_ = nullptr;
  int64_t tasks_ = 0;

  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<uint32_t> generation_{0};
  alignas(64) std::atomic<int32_t> busy_{0};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
  std::atomic<bool> stop_{false};
};

}  // namespace ibert::host

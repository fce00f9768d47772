#include "thread_pool.h"

#include <chrono>
#include <stdexcept>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ibert::host {

namespace {

// Long enough to bridge the gap between two ops of one layer, short enough to be invisible when idle.
constexpr auto kSpin = std::chrono::microseconds(40);
constexpr uint32_t kOpen = 1u << 31;
constexpr int64_t kMostTasks = UINT32_MAX;
constexpr uint64_t kOneTask = uint64_t{1} << 32;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

template <class Condition>
void Gate::wait(Condition&& condition) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (condition()) return;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  // A sleeper makes itself known before it looks once more, and who signals looks for sleepers after the
  // condition has come true: one of the two sees the other.
  for (;;) {
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    const uint32_t epoch = epoch_.load(std::memory_order_seq_cst);
    const bool done = condition();
    if (!done) epoch_.wait(epoch, std::memory_order_seq_cst);
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
    if (done || condition()) return;
  }
}

ThreadPool::ThreadPool(int threads)
    : threads_(threads < 1 ? 1 : threads), ranges_(std::make_unique<Range[]>(threads_)) {
  workers_.reserve(threads_ - 1);
  try {
    for (int worker = 1; worker < threads_; ++worker) {
      workers_.emplace_back([this, worker] { work(worker); });
    }
  } catch (...) {  // the system gives no more threads
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

void ThreadPool::stop() {
  stop_.store(true, std::memory_order_seq_cst);
  opened_.signal();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::run(int64_t tasks, Call call, void* user) {
  if (tasks <= 0) return;
  if (threads_ == 1 || tasks == 1) {
    for (int64_t task = 0; task < tasks; ++task) call(user, task, 0);
    return;
  }
  call_ = call;
  user_ = user;
  failed_.store(false, std::memory_order_relaxed);
  if (tasks > kMostTasks) throw std::length_error("a loop of more than 2^32 - 1 tasks");
  for (int worker = 0; worker < threads_; ++worker) {
    const auto begin = static_cast<uint64_t>(tasks * worker / threads_);
    const auto end = static_cast<uint64_t>(tasks * (worker + 1) / threads_);
    ranges_[worker].bounds.store(begin << 32 | end, std::memory_order_relaxed);
  }
  loop_.store(kOpen, std::memory_order_seq_cst);
  opened_.signal();
  drain(0);
  if ((loop_.fetch_and(~kOpen, std::memory_order_seq_cst) & ~kOpen) != 0) {
    left_.wait([this] { return loop_.load(std::memory_order_seq_cst) == 0; });
  }
  if (failed_.load(std::memory_order_acquire)) {
    std::exception_ptr error = error_;
    error_ = nullptr;
    std::rethrow_exception(error);
  }
}

int64_t ThreadPool::take(int worker) {
  for (int i = 0; i < threads_; ++i) {
    std::atomic<uint64_t>& bounds = ranges_[(worker + i) % threads_].bounds;
    uint64_t range = bounds.load(std::memory_order_relaxed);
    for (;;) {
      const uint64_t begin = range >> 32, end = range & UINT32_MAX;
      if (begin >= end) break;
      const uint64_t rest = i == 0 ? range + kOneTask : range - 1;
      if (bounds.compare_exchange_weak(range, rest, std::memory_order_relaxed))
        return static_cast<int64_t>(i == 0 ? begin : end - 1);
    }
  }
  return -1;
}

void ThreadPool::drain(int worker) {
  for (int64_t task; (task = take(worker)) >= 0;) {
    try {
      call_(user_, task, worker);
    } catch (...) {
      if (!failed_.exchange(true, std::memory_order_acq_rel)) error_ = std::current_exception();
      for (int other = 0; other < threads_; ++other)
        ranges_[other].bounds.store(0, std::memory_order_relaxed);
    }
  }
}

// Enters the loop if it is open.
bool ThreadPool::join() {
  uint32_t loop = loop_.load(std::memory_order_seq_cst);
  while ((loop & kOpen) != 0) {
    if (loop_.compare_exchange_weak(loop, loop + 1, std::memory_order_seq_cst)) return true;
  }
  return false;
}

void ThreadPool::work(int worker) {
  for (;;) {
    bool joined = false;
    opened_.wait([&] { return stop_.load(std::memory_order_seq_cst) || (joined = join()); });
    if (!joined) return;
    drain(worker);
    // No task is left, so nobody need join any more, this worker least of all.
    loop_.fetch_and(~kOpen, std::memory_order_seq_cst);
    if (loop_.fetch_sub(1, std::memory_order_seq_cst) == 1) left_.signal();
  }
}

}  // namespace ibert::host

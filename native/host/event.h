// Events of host streams: a place in one stream that others wait for.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace ibert::host {

class EventState {
 public:
  // The number of a new place, which is passed when a stream comes to it.
  int64_t record();
  void pass(int64_t place);
  // The place that was recorded last; 0 before the first.
  int64_t last();
  // Until that place is passed, or `stopped` says true, which wake() makes it ask again.
  template <class Stopped>
  void wait(int64_t place, Stopped&& stopped) {
    std::unique_lock<std::mutex> lock(mutex_);
    passedOne_.wait(lock, [&] { return passed_ >= place || stopped(); });
  }
  void wake();
  // Seconds since `from` was passed until this was. Throws std::runtime_error where one was not.
  double secondsSince(EventState& from);

 private:
  std::chrono::steady_clock::time_point time();

  std::mutex mutex_;
  std::condition_variable passedOne_;
  int64_t recorded_ = 0, passed_ = 0;
  std::chrono::steady_clock::time_point time_;
};

}  // namespace ibert::host

#include "event.h"

#include <stdexcept>

namespace ibert::host {

int64_t EventState::record() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ++recorded_;
}

void EventState::pass(int64_t place) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (place > passed_) passed_ = place;
    time_ = std::chrono::steady_clock::now();
  }
  passedOne_.notify_all();
}

int64_t EventState::last() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return recorded_;
}

void EventState::wake() {
  // The lock: who is about to wait has seen what changed, or waits already.
  {
    const std::lock_guard<std::mutex> lock(mutex_);
  }
  passedOne_.notify_all();
}

std::chrono::steady_clock::time_point EventState::time() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (recorded_ == 0 || passed_ < recorded_) throw std::runtime_error("elapsed: an event was not passed yet");
  return time_;
}

double EventState::secondsSince(EventState& from) {
  return std::chrono::duration<double>(time() - from.time()).count();
}

}  // namespace ibert::host

#include "emulator/runtime/stream.h"

#include <algorithm>
#include <cstdlib>
#include <future>
#include <set>
#include <utility>

#include "emulator/violation.h"

namespace ibert::emulator {

void Failure::set(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (text_.empty()) text_ = text;
}

std::string Failure::text() {
  const std::lock_guard lock(mutex_);
  return text_;
}

void Failure::clear(const std::string& told) {
  const std::lock_guard lock(mutex_);
  if (text_ == told) text_.clear();
}

int64_t EventState::record() {
  const std::lock_guard lock(mutex_);
  return ++recorded_;
}

int64_t EventState::last() {
  const std::lock_guard lock(mutex_);
  return recorded_;
}

void EventState::pass(int64_t place, const std::shared_ptr<Failure>& failure) {
  {
    const std::lock_guard lock(mutex_);
    passed_ = std::max(passed_, place);
    time_ = std::chrono::steady_clock::now();
    failure_ = failure;
    error_ = failure->text();
  }
  passedOne_.notify_all();
}

void EventState::wait(int64_t place) {
  std::unique_lock lock(mutex_);
  passedOne_.wait(lock, [&] { return passed_ >= place; });
}

std::string EventState::synchronize() {
  std::unique_lock lock(mutex_);
  passedOne_.wait(lock, [&] { return passed_ >= recorded_; });
  if (!error_.empty()) failure_->clear(error_);
  return std::exchange(error_, "");
}

bool EventState::time(std::chrono::steady_clock::time_point* time) {
  const std::lock_guard lock(mutex_);
  *time = time_;
  return recorded_ > 0 && passed_ >= recorded_;
}

namespace {

// Never destroyed: a process may end while streams are at work.
struct Streams {
  std::mutex mutex;
  std::set<StreamQueue*> all;
};

Streams& streams() {
  static auto* instance = new Streams;
  return *instance;
}

// What the emulator knows of its memory goes when the process ends, and no kernel may run then.
void haltAtExit() {
  std::atexit([] {
    const std::lock_guard lock(streams().mutex);
    for (StreamQueue* stream : streams().all) stream->halt();
  });
}

}  // namespace

StreamQueue::StreamQueue() : thread_([this] { loop(); }) {
  const std::lock_guard lock(streams().mutex);
  streams().all.insert(this);
  static const bool once = (haltAtExit(), true);
  (void)once;
}

void StreamQueue::halt() {
  {
    const std::lock_guard lock(mutex_);
    halted_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

StreamQueue::~StreamQueue() {
  {
    const std::lock_guard lock(streams().mutex);
    streams().all.erase(this);
  }
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void StreamQueue::loop() {
  for (;;) {
    Node node;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || halted_ || !queue_.empty(); });
      if (halted_ || queue_.empty()) return;
      node = std::move(queue_.front());
      queue_.pop_front();
    }
    try {
      node(failure);
    } catch (const std::exception& error) {
      failure->set(error.what());
    }
  }
}

void StreamQueue::post(Node node) {
  if (captured) return captured->push_back(std::move(node));
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(node));
  }
  changed_.notify_one();
}

cudaError_t StreamQueue::enqueue(std::function<bool()> launch) {
  post([launch = std::move(launch)](const std::shared_ptr<Failure>& failure) {
    if (!failure->text().empty()) return;
    if (!launch()) failure->set(takeViolation()->text());
    // Again, ahead of what the first launch made to last as long as the process.
    static const bool once = (haltAtExit(), true);
    (void)once;
  });
  return cudaSuccess;
}

std::string StreamQueue::synchronize() {
  const auto done = std::make_shared<std::promise<void>>();
  post([done](const std::shared_ptr<Failure>&) { done->set_value(); });
  done->get_future().wait();
  const std::string text = failure->text();
  failure->clear(text);
  return text;
}

}  // namespace ibert::emulator

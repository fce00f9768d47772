// A stream on the host: one native thread that runs commands in order, with the device's pool for the loops
// inside.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernel.h"

namespace ibert::host {

// Grows, never shrinks; 64-byte aligned.
class Workspace {
 public:
  ~Workspace();
  std::byte* ensure(int64_t bytes);  // throws std::bad_alloc

 private:
  std::byte* memory_ = nullptr;
  int64_t bytes_ = 0;
};

// Shared by the streams of one device.
struct DeviceState {
  const KernelTable* table;
  std::unique_ptr<ThreadPool> pool;
  std::mutex turn;  // one op at a time uses the pool
};

// Ops that were checked, in order, with their arguments.
class RecordedOps {
 public:
  void add(Op op, const void* arguments, size_t bytes);
  // Calls body(op, arguments) until it says false.
  template <class Body>
  void forEach(Body&& body) const {
    for (const Entry& entry : entries_) {
      if (!body(entry.op, arguments_.data() + entry.offset)) return;
    }
  }

 private:
  struct Entry {
    Op op;
    size_t offset;
  };
  std::vector<Entry> entries_;
  std::vector<std::byte> arguments_;
};

class StreamState {
 public:
  explicit StreamState(DeviceState& device);
  // Waits for the op in hand and drops what has not begun.
  ~StreamState();

  void enqueueOp(Op op, const void* arguments, size_t bytes);
  // The recording must outlive the work.
  void enqueueRecording(const RecordedOps& recording);
  void enqueueCopy(void* target, const void* source, int64_t bytes);
  void enqueueFill(void* target, uint8_t value, int64_t bytes);
  void enqueueCheckFinite(bool on);
  void enqueueNotify(void (*callback)(void*, const Message*), void* user);
  // Waits; returns the first error since the last report, empty for none.
  std::string synchronize();
  DeviceState& device() { return device_; }

 private:
  struct Command {
    enum class What { Op, Recording, Copy, Fill, CheckFinite, Notify } what;
    Op op{};
    uint8_t value = 0;
    void* target = nullptr;
    const void* source = nullptr;
    int64_t bytes = 0;
    void (*callback)(void*, const Message*) = nullptr;
    std::unique_ptr<std::byte[]> arguments;
  };

  void push(Command command);
  void loop();
  void run(Command& command);
  void runOp(Op op, const void* arguments);

  DeviceState& device_;
  Workspace workspace_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Command> queue_;
  // Touched by the stream's thread only.
  std::string error_;
  Op running_{};
  bool checkFinite_ = false;
  std::thread thread_;
};

}  // namespace ibert::host

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

#include "../frame/operands.h"
#include "event.h"
#include "kernel.h"

namespace ibert::host {

// Grows, never shrinks; 64-byte aligned. It may move, since recordings here hold no address of it.
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

class StreamState {
 public:
  explicit StreamState(DeviceState& device);
  // Waits for the op in hand and drops what has not begun.
  ~StreamState();

  // The arguments' operands have their addresses.
  void enqueueOp(Op op, std::unique_ptr<std::byte[]> arguments);
  // The recording must outlive the work.
  void enqueueRecording(const frame::OpList& recording);
  void enqueueCopy(void* target, const void* source, int64_t bytes);
  void enqueueFill(void* target, uint8_t value, int64_t bytes);
  void enqueueCheckFinite(bool on);
  void enqueueNotify(void (*callback)(void*, const Message*), void* user);
  // The event must outlive the work.
  void enqueueRecord(EventState& event);
  void enqueueWait(EventState& event);
  // Waits; returns the first error since the last report, empty for none.
  std::string synchronize();
  DeviceState& device() { return device_; }

 private:
  struct Command {
    enum class What { Op, Recording, Copy, Fill, CheckFinite, Notify, Record, Wait } what;
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
  void waitFor(EventState& event, int64_t place);

  DeviceState& device_;
  Workspace workspace_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Command> queue_;
  EventState* awaited_ = nullptr;  // that the thread waits for now
  // Touched by the stream's thread only.
  std::string error_;
  Op running_{};
  bool checkFinite_ = false;
  std::thread thread_;
};

}  // namespace ibert::host

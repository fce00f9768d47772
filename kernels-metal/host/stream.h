// A stream of a Metal device. Whoever enqueues never waits: the stream's front, a thread, encodes work in
// order into command buffers, and its back, another one, waits for what the device has done and calls back.
//
// Copies are the host's, since memory is shared: the front waits for the work before them. A command buffer
// is committed when it holds kMostDispatches kernels, or when somebody waits for what is in it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "event.h"
#include "frame/task_thread.h"
#include "gpu.h"

namespace ibert::metal {

struct RecordingState {
  std::shared_ptr<frame::OpList> ops = std::make_shared<frame::OpList>();
  // Of its first op in records of faults: beyond all that single ops get.
  const int64_t firstNumber = next() << 32;
  bool checked = false;  // some op may fail by what its operands hold

 private:
  static int64_t next() {
    static std::atomic<int64_t> count{0};
    return ++count;
  }
};

// Records of faults in device memory, one for the work until the next report.
class FaultSlots {
 public:
  explicit FaultSlots(const Gpu& gpu) : gpu_(gpu) {}
  ~FaultSlots();
  FaultSlots(const FaultSlots&) = delete;
  FaultSlots& operator=(const FaultSlots&) = delete;

  std::byte* take();  // with no fault in it
  void giveBack(std::byte* slot);
  frame::Fault read(const std::byte* slot) const;

 private:
  const Gpu& gpu_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<GpuBuffer>> pages_;
  std::vector<std::byte*> free_;
};

class StreamState final : public Launcher {
 public:
  explicit StreamState(const Gpu& gpu);
  // Waits for what was committed and drops the rest.
  ~StreamState();
  StreamState(const StreamState&) = delete;
  StreamState& operator=(const StreamState&) = delete;

  const Gpu& gpu() const { return gpu_; }

  // The arguments' operands have their addresses.
  void enqueueOp(Op op, std::shared_ptr<const std::byte[]> arguments);
  // The recording must outlive the work.
  void enqueueRecording(RecordingState& recording);
  void enqueueToDevice(std::byte* target, const void* host, int64_t bytes);
  void enqueueToHost(void* host, const std::byte* source, int64_t bytes);
  void enqueueCopy(std::byte* target, const std::byte* source, int sourceDevice, int64_t bytes);
  void enqueueFill(std::byte* target, uint8_t value, int64_t bytes);
  void enqueueCheckFinite(bool on);
  void enqueueNotify(void (*callback)(void*, const Message*), void* user);
  // The event must outlive the work.
  void enqueueRecord(EventState& event);
  void enqueueWait(EventState& event);
  // Waits; returns the first error since the last report, empty for none.
  std::string synchronize();

  void launch(const char* kernel, int64_t groups, int threads, std::initializer_list<Operand> operands,
              const void* parameters, size_t bytes, int64_t threadgroupBytes,
              TileType type = TileType::float32) override;

 private:
  // Work that is left out after a failure, and fails the stream when it throws.
  template <class Body>
  void enqueue(const char* what, Body&& body);
  // On the front.
  Commands& encoded();
  void commit();
  void settle();
  void ensureWorkspace(int64_t bytes);
  int64_t workspaceOf(Op op, const void* arguments) const;
  void checkIndices(Op op, const void* arguments, int64_t number);
  void checkOutputs(Op op, const void* arguments, int64_t number);
  // Throws where the device failed at what was brought to it.
  void requireSound();
  void runOp(Op op, const void* arguments, int64_t number);
  void runSingle(Op op, const void* arguments);
  void runRecording(RecordingState& recording);
  void report(void (*callback)(void*, const Message*), void* user);
  // From both threads: what the device says of work long since brought there.
  void finish(const std::vector<std::shared_ptr<Commands>>& commands);
  std::string takeDeviceError();

  const Gpu& gpu_;
  const std::unique_ptr<Queue> queue_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::string deviceError_;
  host::EventState* awaited_ = nullptr;  // by the front
  FaultSlots slots_;
  // Touched by the front alone.
  std::byte* record_;
  std::unique_ptr<GpuBuffer> workspace_;
  std::shared_ptr<Commands> commands_;  // not committed yet; null for none
  int dispatches_ = 0;                  // in it
  std::vector<std::shared_ptr<Commands>> committed_;
  std::string error_;
  Op running_{};
  bool checkFinite_ = false;
  frame::CheckedOps checked_;
  // In this order: the back outlives the front.
  std::unique_ptr<frame::TaskThread> back_, front_;
};

}  // namespace ibert::metal

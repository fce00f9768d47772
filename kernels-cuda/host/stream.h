// A stream of a CUDA device. Whoever enqueues never waits: the stream's front, a thread, brings work to the
// device in order, and its back, another one, waits for what the device has done, brings copies from pinned
// to pageable memory and calls back.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "event.h"
#include "faults.h"
#include "frame/task_thread.h"
#include "memory.h"
#include "recording.h"
#include "staging.h"

namespace ibert::cuda {

class StreamState {
 public:
  explicit StreamState(const Gpu& gpu);
  // Waits for what was brought to the device and drops the rest.
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

 private:
  // Work that is left out after a failure, and fails the stream when it throws.
  template <class Body>
  void enqueue(const char* what, Body&& body);
  // On the front.
  void runOp(Op op, const void* arguments, int64_t number);
  void runSingle(Op op, const void* arguments);
  void runRecording(RecordingState& recording);
  RecordingState::Graph capture(RecordingState& recording);
  void ensureWorkspace(int64_t bytes);
  int64_t workspaceOf(Op op, const void* arguments) const;
  void stageToDevice(std::byte* target, const std::byte* host, int64_t bytes);
  void stageToHost(std::byte* host, const std::byte* source, int64_t bytes);
  void report(void (*callback)(void*, const Message*), void* user);
  // From both threads: what the device says of work long since brought there.
  void deviceFailed(cudaError_t error);
  std::string takeDeviceError();

  const Gpu& gpu_;
  const int64_t number_;
  cudaStream_t stream_ = nullptr;
  frame::Fault* record_ = nullptr;  // on the device
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::string deviceError_;
  host::EventState* awaited_ = nullptr;  // by the front
  FaultSlots slots_;
  // Touched by the front alone.
  Workspace workspace_;
  std::byte* scratch_ = nullptr;
  StagingRing ring_;
  std::string error_;
  Op running_{};
  bool checkFinite_ = false;
  frame::CheckedOps checked_;
  // In this order: the back outlives the front.
  std::unique_ptr<frame::TaskThread> back_, front_;
};

}  // namespace ibert::cuda

#include "stream.h"

#include <algorithm>
#include <cstring>

#include "checks.h"
#include "frame/message.h"
#include "kernels.h"

namespace ibert::cuda {

namespace {

int64_t nextStream() {
  static std::atomic<int64_t> count{0};
  return ++count;
}

// Leads to the device's copy of a piece, whether or not that was enqueued.
struct PieceUse {
  StagingRing& ring;
  Piece& piece;
  bool kept = false;
  ~PieceUse() {
    if (!kept) ring.giveBack(piece);
  }
};

}  // namespace

double secondsBetween(EventState& from, EventState& to) {
  float milliseconds = 0;
  cudaError_t error = cudaErrorNotReady;
  if (from.recorded.last() > 0 && to.recorded.last() > 0)
    error = cudaEventElapsedTime(&milliseconds, from.event, to.event);
  if (error == cudaErrorNotReady) throw std::runtime_error("elapsed: an event was not passed yet");
  require(error, "elapsed");
  return milliseconds * 1e-3;
}

StreamState::StreamState(const Gpu& gpu)
    : gpu_(gpu), number_(nextStream()), slots_(gpu), workspace_(gpu), ring_(gpu, [this](cudaError_t error) {
        deviceFailed(error);
      }) {
  gpu.use();
  record_ = reinterpret_cast<frame::Fault*>(allocateDevice(gpu, sizeof(frame::Fault)));
  try {
    require(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
    require(cudaMemsetAsync(record_, 0xff, sizeof(frame::Fault), stream_), "cudaMemset");
  } catch (...) {
    if (stream_ != nullptr) (void)cudaStreamDestroy(stream_);
    releaseDevice(gpu, reinterpret_cast<std::byte*>(record_));
    throw;
  }
  const auto begin = [this] { (void)cudaSetDevice(gpu_.index); };
  back_ = std::make_unique<frame::TaskThread>(begin);
  front_ = std::make_unique<frame::TaskThread>(begin);
}

StreamState::~StreamState() {
  stopping_ = true;
  front_->stop();
  {
    const std::lock_guard lock(mutex_);
    if (awaited_ != nullptr) awaited_->wake();
  }
  front_->end();
  (void)cudaSetDevice(gpu_.index);
  (void)cudaStreamSynchronize(stream_);
  back_->end();
  (void)cudaStreamDestroy(stream_);
  releaseDevice(gpu_, reinterpret_cast<std::byte*>(record_));
}

template <class Body>
void StreamState::enqueue(const char* what, Body&& body) {
  front_->post([this, what, body = std::forward<Body>(body)] {
    if (!error_.empty()) return;  // what follows a failure would compute on rubbish
    try {
      body();
    } catch (const std::exception& error) {
      const std::string name = what == nullptr ? opSchema(running_).name : what, text = error.what();
      error_ = text.rfind(name, 0) == 0 ? text : name + ": " + text;
    }
  });
}

void StreamState::enqueueOp(Op op, std::shared_ptr<const std::byte[]> arguments) {
  enqueue(nullptr, [this, op, arguments = std::move(arguments)] { runSingle(op, arguments.get()); });
}

void StreamState::enqueueRecording(RecordingState& recording) {
  enqueue(nullptr, [this, &recording] { runRecording(recording); });
}

void StreamState::enqueueToDevice(std::byte* target, const void* host, int64_t bytes) {
  enqueue("copy", [=, this] { stageToDevice(target, static_cast<const std::byte*>(host), bytes); });
}

void StreamState::enqueueToHost(void* host, const std::byte* source, int64_t bytes) {
  enqueue("copy", [=, this] { stageToHost(static_cast<std::byte*>(host), source, bytes); });
}

void StreamState::enqueueCopy(std::byte* target, const std::byte* source, int sourceDevice, int64_t bytes) {
  enqueue("copy", [=, this] {
    if (bytes == 0) return;
    require(sourceDevice == gpu_.index
                ? cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToDevice, stream_)
                : cudaMemcpyPeerAsync(target, gpu_.index, source, sourceDevice, bytes, stream_),
            "copy");
  });
}

void StreamState::enqueueFill(std::byte* target, uint8_t value, int64_t bytes) {
  enqueue("fill", [=, this] {
    if (bytes > 0) require(cudaMemsetAsync(target, value, static_cast<size_t>(bytes), stream_), "fill");
  });
}

void StreamState::enqueueCheckFinite(bool on) {
  front_->post([this, on] { checkFinite_ = on; });
}

void StreamState::enqueueNotify(void (*callback)(void*, const Message*), void* user) {
  front_->post([=, this] { report(callback, user); });
}

// Other streams may wait for the place, whether or not the work before it went well.
void StreamState::enqueueRecord(EventState& event) {
  front_->post([this, &event, place = event.recorded.record()] {
    if (const cudaError_t error = cudaEventRecord(event.event, stream_); error != cudaSuccess)
      deviceFailed(error);
    event.recorded.pass(place);
  });
}

void StreamState::enqueueWait(EventState& event) {
  front_->post([this, &event, place = event.recorded.last()] {
    if (place == 0) return;
    const auto await = [this](host::EventState* awaited) {
      const std::lock_guard lock(mutex_);
      awaited_ = awaited;
    };
    await(&event.recorded);
    event.recorded.wait(place, [this] { return stopping_.load(); });
    await(nullptr);
    if (stopping_) return;
    if (const cudaError_t error = cudaStreamWaitEvent(stream_, event.event, 0); error != cudaSuccess)
      deviceFailed(error);
  });
}

std::string StreamState::synchronize() {
  return frame::notified([this](auto callback, void* user) { enqueueNotify(callback, user); });
}

int64_t StreamState::workspaceOf(Op op, const void* arguments) const {
  const Kernel& kernel = kernels().of(op);
  return kernel.workspace == nullptr ? 0 : kernel.workspace(arguments, gpu_.machine);
}

void StreamState::ensureWorkspace(int64_t bytes) {
  scratch_ = workspace_.ensure(bytes, [this] {
    if (const cudaError_t error = cudaStreamSynchronize(stream_); error != cudaSuccess) deviceFailed(error);
  });
}

// The scratch memory is there.
void StreamState::runOp(Op op, const void* arguments, int64_t number) {
  running_ = op;
  checkIndices(op, arguments, number, record_, stream_);
  Context context{stream_, scratch_, gpu_.machine, record_, number};
  kernels().of(op).run(arguments, context);
  if (checkFinite_) checkOutputs(op, arguments, number, record_, stream_);
}

void StreamState::runSingle(Op op, const void* arguments) {
  running_ = op;
  ensureWorkspace(workspaceOf(op, arguments));
  const bool checks = checkFinite_ || frame::mayFail(op, arguments);
  runOp(op, arguments, checks ? checked_.add(op, arguments) : 0);
}

void StreamState::runRecording(RecordingState& recording) {
  int64_t scratch = 0;
  recording.ops->forEach([&](Op op, const void* arguments) {
    running_ = op;
    scratch = std::max(scratch, workspaceOf(op, arguments));
    return true;
  });
  ensureWorkspace(scratch);
  if (recording.ops->size() == 0) return;
  if (recording.checked || checkFinite_) checked_.add(recording.firstNumber, recording.ops);
  if (checkFinite_) {
    int64_t number = recording.firstNumber;
    recording.ops->forEach([&](Op op, const void* arguments) {
      runOp(op, arguments, number++);
      return !stopping_.load();
    });
    return;
  }
  RecordingState::Graph graph{};
  {
    const std::lock_guard lock(recording.mutex);
    if (const auto found = recording.graphs.find(number_); found != recording.graphs.end())
      graph = found->second;
  }
  if (graph.executable == nullptr || graph.workspace != scratch_) {
    const RecordingState::Graph stale = graph;
    graph = capture(recording);
    {
      const std::lock_guard lock(recording.mutex);
      recording.graphs[number_] = graph;
    }
    if (stale.executable != nullptr) (void)cudaGraphExecDestroy(stale.executable);
  }
  require(cudaGraphLaunch(graph.executable, stream_), "cudaGraphLaunch");
}

RecordingState::Graph StreamState::capture(RecordingState& recording) {
  cudaGraph_t graph = nullptr;
  require(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  try {
    int64_t number = recording.firstNumber;
    recording.ops->forEach([&](Op op, const void* arguments) {
      runOp(op, arguments, number++);
      return true;
    });
  } catch (...) {
    if (cudaStreamEndCapture(stream_, &graph) == cudaSuccess && graph != nullptr)
      (void)cudaGraphDestroy(graph);
    (void)cudaGetLastError();
    throw;
  }
  require(cudaStreamEndCapture(stream_, &graph), "cudaStreamEndCapture");
  RecordingState::Graph result{nullptr, scratch_};
  const cudaError_t error = cudaGraphInstantiate(&result.executable, graph, 0);
  (void)cudaGraphDestroy(graph);
  require(error, "cudaGraphInstantiate");
  return result;
}

void StreamState::stageToDevice(std::byte* target, const std::byte* host, int64_t bytes) {
  if (bytes > 0 && isPinned(host, bytes)) {
    require(cudaMemcpyAsync(target, host, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, stream_),
            "copy");
    return;
  }
  for (int64_t done = 0; done < bytes && !stopping_;) {
    const int64_t count = std::min(bytes - done, StagingRing::kPieceBytes);
    PieceUse use{ring_, ring_.take(count)};
    std::memcpy(use.piece.memory, host + done, static_cast<size_t>(count));
    require(cudaMemcpyAsync(target + done, use.piece.memory, static_cast<size_t>(count),
                            cudaMemcpyHostToDevice, stream_),
            "copy");
    require(cudaEventRecord(use.piece.copied, stream_), "copy");
    done += count;
  }
}

void StreamState::stageToHost(std::byte* host, const std::byte* source, int64_t bytes) {
  if (bytes > 0 && isPinned(host, bytes)) {
    require(cudaMemcpyAsync(host, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, stream_),
            "copy");
    return;
  }
  for (int64_t done = 0; done < bytes && !stopping_;) {
    const int64_t count = std::min(bytes - done, StagingRing::kPieceBytes);
    PieceUse use{ring_, ring_.take(count)};
    require(cudaMemcpyAsync(use.piece.memory, source + done, static_cast<size_t>(count),
                            cudaMemcpyDeviceToHost, stream_),
            "copy");
    require(cudaEventRecord(use.piece.copied, stream_), "copy");
    use.kept = true;
    back_->post([this, &piece = use.piece, to = host + done, count] {
      const cudaError_t error = cudaEventSynchronize(piece.copied);
      if (error == cudaSuccess)
        std::memcpy(to, piece.memory, static_cast<size_t>(count));
      else
        deviceFailed(error);
      ring_.giveBack(piece);
    });
    done += count;
  }
}

void StreamState::report(void (*callback)(void*, const Message*), void* user) {
  // What failed on the front comes behind what the device finds in the ops before it.
  auto text = std::make_shared<std::string>(std::exchange(error_, ""));
  const auto ops = std::make_shared<const frame::CheckedOps>(std::exchange(checked_, {}));
  frame::Fault* slot = nullptr;
  cudaEvent_t done = nullptr;
  try {
    require(cudaEventCreateWithFlags(&done, cudaEventBlockingSync | cudaEventDisableTiming),
            "cudaEventCreate");
    if (!ops->empty()) {
      slot = slots_.take();
      slot->op = -1;
      require(cudaMemcpyAsync(slot, record_, sizeof *slot, cudaMemcpyDeviceToHost, stream_), "report");
      require(cudaMemsetAsync(record_, 0xff, sizeof *slot, stream_), "report");
    }
    require(cudaEventRecord(done, stream_), "report");
  } catch (const std::exception& error) {
    if (text->empty()) *text = error.what();
  }
  back_->post([=, this] {
    const cudaError_t error = done == nullptr ? cudaSuccess : cudaEventSynchronize(done);
    if (error != cudaSuccess) deviceFailed(error);
    if (done != nullptr) (void)cudaEventDestroy(done);
    std::string first = takeDeviceError();
    if (slot != nullptr) {
      if (first.empty()) first = ops->text(*slot);
      slots_.giveBack(slot);
    }
    if (first.empty()) first = *text;
    if (first.empty()) return callback(user, nullptr);
    Message message{};
    frame::failWith(&message, first);
    callback(user, &message);
  });
}

void StreamState::deviceFailed(cudaError_t error) {
  const std::string text = "the device failed: " + errorText(error);
  const std::lock_guard lock(mutex_);
  if (deviceError_.empty()) deviceError_ = text;
}

std::string StreamState::takeDeviceError() {
  const std::lock_guard lock(mutex_);
  return std::exchange(deviceError_, "");
}

}  // namespace ibert::cuda

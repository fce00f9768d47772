#include "stream.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "frame/message.h"
#include "kernels.h"

namespace ibert::metal {

namespace {

constexpr int kMostDispatches = 64, kMostOperands = 12;

}  // namespace

double secondsBetween(EventState& from, EventState& to) {
  const auto passed = [](EventState& event) {
    const std::lock_guard lock(event.mutex);
    if (event.commands == nullptr || !event.commands->isFinished())
      throw std::runtime_error("elapsed: an event was not passed yet");
    return event.commands->finishedAt();
  };
  const double begin = passed(from);
  return passed(to) - begin;
}

StreamState::StreamState(const Gpu& gpu)
    : gpu_(gpu), queue_(gpu.use().queue()), slots_(gpu), record_(slots_.take()) {
  back_ = std::make_unique<frame::TaskThread>([] {});
  front_ = std::make_unique<frame::TaskThread>([] {});
}

StreamState::~StreamState() {
  stopping_ = true;
  {
    const std::lock_guard lock(mutex_);
    if (awaited_ != nullptr) awaited_->wake();
  }
  front_->end();
  finish(committed_);
  back_->end();
  gpu_.release(std::move(workspace_));
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
  enqueue("copy", [=, this] {
    if (bytes == 0) return;
    settle();
    gpu_.use().write(target, host, bytes);
  });
}

void StreamState::enqueueToHost(void* host, const std::byte* source, int64_t bytes) {
  enqueue("copy", [=, this] {
    if (bytes == 0) return;
    settle();
    gpu_.use().read(host, source, bytes);
  });
}

void StreamState::enqueueCopy(std::byte* target, const std::byte* source, int, int64_t bytes) {
  enqueue("copy", [=, this] {
    if (bytes == 0) return;
    settle();
    gpu_.use().copy(target, source, bytes);
  });
}

void StreamState::enqueueFill(std::byte* target, uint8_t value, int64_t bytes) {
  enqueue("fill", [=, this] {
    if (bytes == 0) return;
    settle();
    gpu_.use().fill(target, value, bytes);
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
    encoded().signal(*event.event, static_cast<uint64_t>(place));
    {
      const std::lock_guard lock(event.mutex);
      event.commands = commands_;
    }
    commit();
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
    commit();  // what came before does not wait
    await(&event.recorded);
    event.recorded.wait(place, [this] { return stopping_.load(); });
    await(nullptr);
    if (!stopping_) encoded().wait(*event.event, static_cast<uint64_t>(place));
  });
}

std::string StreamState::synchronize() {
  return frame::notified([this](auto callback, void* user) { enqueueNotify(callback, user); });
}

Commands& StreamState::encoded() {
  if (commands_ == nullptr) commands_ = queue_->commands();
  return *commands_;
}

void StreamState::commit() {
  if (commands_ == nullptr) return;
  commands_->commit();
  committed_.push_back(std::move(commands_));
  commands_ = nullptr;
  dispatches_ = 0;
}

void StreamState::settle() {
  commit();
  finish(committed_);
  committed_.clear();
}

void StreamState::finish(const std::vector<std::shared_ptr<Commands>>& commands) {
  for (const auto& each : commands) {
    const std::string error = each->finish();
    const std::lock_guard lock(mutex_);
    if (!error.empty() && deviceError_.empty()) deviceError_ = "the device failed: " + error;
  }
}

std::string StreamState::takeDeviceError() {
  const std::lock_guard lock(mutex_);
  return std::exchange(deviceError_, "");
}

void StreamState::launch(const char* kernel, int64_t groups, int threads,
                         std::initializer_list<Operand> operands, const void* parameters, size_t bytes,
                         int64_t threadgroupBytes, TileType type) {
  Pipeline& pipeline = gpu_.use().pipeline(kernel, type);
  if (threads > pipeline.mostThreads) {
    throw std::runtime_error(std::string("the kernel ") + kernel + " runs with at most " +
                             std::to_string(pipeline.mostThreads) +
                             " threads of a threadgroup here, and has " + std::to_string(threads));
  }
  if (threadgroupBytes > gpu_.machine.threadgroupBytes || groups > UINT32_MAX ||
      operands.size() > kMostOperands)
    throw std::length_error(std::string("the kernel ") + kernel + " asks for more than Metal has");
  Binding bindings[kMostOperands];
  int count = 0;
  for (const Operand& operand : operands) bindings[count++] = gpu_.addresses->find(operand.address);
  // Whole units of sixteen bytes, as Metal wants threadgroup memory.
  encoded().dispatch(
      {&pipeline, bindings, count, parameters, bytes, (threadgroupBytes + 15) / 16 * 16, groups, threads});
  if (++dispatches_ >= kMostDispatches) commit();
}

int64_t StreamState::workspaceOf(Op op, const void* arguments) const {
  const Kernel& kernel = kernels().of(op);
  return kernel.workspace == nullptr ? 0 : kernel.workspace(arguments, gpu_.machine);
}

void StreamState::ensureWorkspace(int64_t bytes) {
  constexpr int64_t kUnit = int64_t{1} << 20;
  if (bytes <= (workspace_ == nullptr ? 0 : workspace_->bytes)) return;
  settle();
  gpu_.release(std::move(workspace_));
  workspace_ = gpu_.allocate(ceilDivide(bytes, kUnit) * kUnit);
}

void StreamState::requireSound() {
  settle();
  const std::lock_guard lock(mutex_);
  if (!deviceError_.empty()) throw std::runtime_error("left out, since the device failed before it");
}

// The scratch memory is there.
void StreamState::runOp(Op op, const void* arguments, int64_t number) {
  running_ = op;
  // A command buffer that fails does not keep those behind it from running, and the record of faults does not
  // tell of it: what a step changes would be lost to whatever the failed work left.
  if (op == Op::adamW) requireSound();
  checkIndices(op, arguments, number);
  Context context{*this, workspace_ == nullptr ? nullptr : workspace_->address, gpu_.machine, record_,
                  number};
  kernels().of(op).run(arguments, context);
  if (checkFinite_) checkOutputs(op, arguments, number);
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
  if (recording.checked || checkFinite_) checked_.add(recording.firstNumber, recording.ops);
  int64_t number = recording.firstNumber;
  recording.ops->forEach([&](Op op, const void* arguments) {
    runOp(op, arguments, number++);
    return !stopping_.load();
  });
}

void StreamState::report(void (*callback)(void*, const Message*), void* user) {
  // What failed on the front comes behind what the device finds in the ops before it.
  auto text = std::make_shared<std::string>(std::exchange(error_, ""));
  const auto ops = std::make_shared<const frame::CheckedOps>(std::exchange(checked_, {}));
  commit();
  auto commands = std::exchange(committed_, {});
  std::byte* slot = nullptr;
  try {
    if (!ops->empty()) slot = std::exchange(record_, slots_.take());
  } catch (const std::exception& error) {
    if (text->empty()) *text = error.what();
  }
  back_->post([=, this, commands = std::move(commands)] {
    finish(commands);
    std::string first = takeDeviceError();
    if (slot != nullptr) {
      if (first.empty()) first = ops->text(slots_.read(slot));
      slots_.giveBack(slot);
    }
    if (first.empty()) first = *text;
    if (first.empty()) return callback(user, nullptr);
    Message message{};
    frame::failWith(&message, first);
    callback(user, &message);
  });
}

}  // namespace ibert::metal

#include "stream.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

#include "../frame/indices.h"
#include "../frame/message.h"
#include "../platform/memory.h"
#include "../schema.h"

namespace ibert::host {

namespace {

// All exponent bits set: an infinity or a NaN.
template <class Word>
int64_t firstNonFinite(const Tensor& tensor, Word exponent) {
  const Word* words = tensor.as<Word>();
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    if ((words[i] & exponent) == exponent) return i;
  }
  return -1;
}

int64_t firstNonFinite(const Tensor& tensor) {
  if (tensor.layout == Layout::Packed) return -1;
  switch (tensor.dtype) {
    case DType::F64:
      return firstNonFinite<uint64_t>(tensor, 0x7ff0000000000000ull);
    case DType::F32:
      return firstNonFinite<uint32_t>(tensor, 0x7f800000u);
    case DType::BF16:
      return firstNonFinite<uint16_t>(tensor, 0x7f80u);
    default:
      return -1;
  }
}

void requireFiniteOutputs(Op op, const void* arguments) {
  const OpSchema& schema = opSchema(op);
  for (const Field& field : schema.fields) {
    if (field.type != FieldType::Tensor || field.role == Role::In || field.role == Role::InOptional) continue;
    const auto& tensor = *reinterpret_cast<const Tensor*>(static_cast<const char*>(arguments) + field.offset);
    if (!tensor) continue;
    const int64_t element = firstNonFinite(tensor);
    if (element < 0) continue;
    throw std::runtime_error(std::string(schema.name) + ": " + field.name +
                             " is not finite, first at element " + std::to_string(element) + " of " +
                             std::to_string(tensor.elements()));
  }
}

}  // namespace

Workspace::~Workspace() {
  platform::releaseAligned(memory_);
}

std::byte* Workspace::ensure(int64_t bytes) {
  if (bytes > bytes_) {
    platform::releaseAligned(memory_);
    bytes_ = 0;
    const size_t rounded = (static_cast<size_t>(bytes) + 4095) / 4096 * 4096;
    memory_ = static_cast<std::byte*>(platform::allocateAligned(4096, rounded));
    if (memory_ == nullptr) throw std::bad_alloc();
    bytes_ = static_cast<int64_t>(rounded);
  }
  return memory_;
}

StreamState::StreamState(DeviceState& device) : device_(device), thread_([this] { loop(); }) {}

StreamState::~StreamState() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(true, std::memory_order_relaxed);
    if (awaited_ != nullptr) awaited_->wake();
  }
  wake_.notify_one();
  thread_.join();
}

void StreamState::push(Command command) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(command));
  }
  wake_.notify_one();
}

void StreamState::enqueueOp(Op op, std::unique_ptr<std::byte[]> arguments) {
  Command command;
  command.what = Command::What::Op;
  command.op = op;
  command.arguments = std::move(arguments);
  push(std::move(command));
}

void StreamState::enqueueRecording(const frame::OpList& recording) {
  Command command;
  command.what = Command::What::Recording;
  command.source = &recording;
  push(std::move(command));
}

void StreamState::enqueueCopy(void* target, const void* source, int64_t bytes) {
  Command command;
  command.what = Command::What::Copy;
  command.target = target;
  command.source = source;
  command.bytes = bytes;
  push(std::move(command));
}

void StreamState::enqueueFill(void* target, uint8_t value, int64_t bytes) {
  Command command;
  command.what = Command::What::Fill;
  command.target = target;
  command.value = value;
  command.bytes = bytes;
  push(std::move(command));
}

void StreamState::enqueueCheckFinite(bool on) {
  Command command;
  command.what = Command::What::CheckFinite;
  command.value = on ? 1 : 0;
  push(std::move(command));
}

void StreamState::enqueueNotify(void (*callback)(void*, const Message*), void* user) {
  Command command;
  command.what = Command::What::Notify;
  command.callback = callback;
  command.target = user;
  push(std::move(command));
}

void StreamState::enqueueRecord(EventState& event) {
  Command command;
  command.what = Command::What::Record;
  command.target = &event;
  command.bytes = event.record();
  push(std::move(command));
}

void StreamState::enqueueWait(EventState& event) {
  Command command;
  command.what = Command::What::Wait;
  command.target = &event;
  command.bytes = event.last();
  push(std::move(command));
}

std::string StreamState::synchronize() {
  return frame::notified([this](auto callback, void* user) { enqueueNotify(callback, user); });
}

void StreamState::loop() {
  for (;;) {
    Command command;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stop_.load(std::memory_order_relaxed) || !queue_.empty(); });
      if (stop_.load(std::memory_order_relaxed)) return;
      command = std::move(queue_.front());
      queue_.pop_front();
    }
    run(command);
  }
}

void StreamState::run(Command& command) {
  if (command.what == Command::What::Notify) {
    if (error_.empty()) {
      command.callback(command.target, nullptr);
    } else {
      Message message{};
      std::strncpy(message.text, error_.c_str(), sizeof(message.text) - 1);
      error_.clear();
      command.callback(command.target, &message);
    }
    return;
  }
  if (command.what == Command::What::CheckFinite) {
    checkFinite_ = command.value != 0;
    return;
  }
  // Other streams may wait for the place, whether or not the work before it went well.
  if (command.what == Command::What::Record)
    return static_cast<EventState*>(command.target)->pass(command.bytes);
  if (command.what == Command::What::Wait)
    return waitFor(*static_cast<EventState*>(command.target), command.bytes);
  if (!error_.empty()) return;  // what follows a failure would compute on rubbish
  const bool moves = command.what == Command::What::Copy || command.what == Command::What::Fill;
  if (moves && command.bytes == 0)
    return;  // an empty tensor may have no memory, which C's functions do not take
  try {
    switch (command.what) {
      case Command::What::Op:
        runOp(command.op, command.arguments.get());
        break;
      case Command::What::Recording:
        static_cast<const frame::OpList*>(command.source)->forEach([this](Op op, const void* arguments) {
          runOp(op, arguments);
          return !stop_.load(std::memory_order_relaxed);
        });
        break;
      case Command::What::Copy:
        std::memmove(command.target, command.source, static_cast<size_t>(command.bytes));
        break;
      case Command::What::Fill:
        std::memset(command.target, command.value, static_cast<size_t>(command.bytes));
        break;
      default:
        break;
    }
  } catch (const std::exception& error) {
    const bool ops = command.what == Command::What::Op || command.what == Command::What::Recording;
    const std::string name = ops ? opSchema(running_).name : "copy";
    const std::string text = error.what();
    error_ = text.rfind(name, 0) == 0 ? text : name + ": " + text;
  }
}

void StreamState::waitFor(EventState& event, int64_t place) {
  const auto await = [this](EventState* awaited) {
    const std::lock_guard<std::mutex> lock(mutex_);
    awaited_ = awaited;
  };
  await(&event);
  event.wait(place, [this] { return stop_.load(std::memory_order_relaxed); });
  await(nullptr);
}

void StreamState::runOp(Op op, const void* arguments) {
  running_ = op;
  if (frame::Fault fault; frame::findFault(op, arguments, &fault))
    throw std::runtime_error(frame::faultText(op, arguments, fault));
  const Kernel& kernel = device_.table->of(op);
  std::lock_guard<std::mutex> turn(device_.turn);
  const int64_t bytes =
      kernel.workspace == nullptr ? 0 : kernel.workspace(arguments, device_.pool->threads());
  Context context{*device_.pool, workspace_.ensure(bytes)};
  kernel.run(arguments, context);
  if (checkFinite_) requireFiniteOutputs(op, arguments);
}

}  // namespace ibert::host

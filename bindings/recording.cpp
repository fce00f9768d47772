// Recorded ops. A step of generation is the same few hundred ops every time, with other inputs in the same
// memory: marshalling and checking them once leaves the processor to the kernels.
#include "handles.h"

namespace ibert::bindings {

const napi_type_tag kRecordingTag = {0x1be27de71ce00004, 0x9d1c5f0a8e3b4c04};

void RecordingHandle::release() noexcept {
  if (recording_ != nullptr) device->backend->releaseRecording(recording_);
  recording_ = nullptr;
  memory_.clear();
}

void RecordingHandle::add(const OpSchema& schema, Marshalled& arguments) {
  constexpr size_t kAlignment = 16;
  entries_.push_back({schema.op, arguments_.size()});
  arguments_.insert(arguments_.end(), arguments.bytes, arguments.bytes + schema.bytes);
  arguments_.resize((arguments_.size() + kAlignment - 1) / kAlignment * kAlignment);
  for (auto& memory : arguments.memory) memory_.push_back(std::move(memory));
}

void RecordingHandle::finish(napi_env env) {
  std::vector<RecordedOp> ops;
  for (const auto& [op, offset] : entries_) ops.push_back({op, arguments_.data() + offset});
  Message message{};
  const auto count = static_cast<int64_t>(ops.size());
  if (device->backend->record(device->device, ops.data(), count, &recording_, &message) != 0)
    fail(env, message.text);
  entries_ = {};
  arguments_ = {};
}

void RecordingHandle::replay(napi_env env, Stream* stream) const {
  Message message{};
  if (device->backend->replay(stream, recording_, &message) != 0) fail(env, message.text);
}

namespace {

using Held = Napi::External<std::shared_ptr<const RecordingHandle>>;

std::shared_ptr<const RecordingHandle>& recordingFrom(const Napi::Value& value) {
  if (!value.IsExternal() || !value.As<Held>().CheckTypeTag(&kRecordingTag))
    fail(value.Env(), "expected a recording");
  return *value.As<Held>().Data();
}

}  // namespace

void StreamWrap::requireNoRecording(napi_env env, const char* what) const {
  if (recording_ != nullptr) fail(env, std::string(what) + ": only ops can be recorded");
}

void StreamWrap::beginRecording(const Napi::CallbackInfo& info) {
  requireOpen(info.Env());
  requireNoRecording(info.Env(), "beginRecording");
  recording_ = std::make_shared<RecordingHandle>(device_);
}

Napi::Value StreamWrap::endRecording(const Napi::CallbackInfo& info) {
  requireOpen(info.Env());
  if (recording_ == nullptr) fail(info.Env(), "endRecording: nothing is being recorded");
  const auto recording = std::move(recording_);
  recording->finish(info.Env());
  auto held = std::make_unique<std::shared_ptr<const RecordingHandle>>(recording);
  auto external =
      Held::New(info.Env(), held.get(),
                [](Napi::Env, std::shared_ptr<const RecordingHandle>* recording) { delete recording; });
  held.release();
  external.TypeTag(&kRecordingTag);
  return external;
}

// replay(recording)
void StreamWrap::replay(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  requireOpen(env);
  requireNoRecording(env, "replay");
  const std::shared_ptr<const RecordingHandle>& recording = recordingFrom(info[0]);
  if (recording == nullptr) fail(env, "the recording was freed");
  if (recording->device != device_) fail(env, "the recording was made on another device");
  keep(recording);
  recording->replay(env, stream_);
}

// freeRecording(recording): work in flight keeps it a little longer.
void StreamWrap::freeRecording(const Napi::CallbackInfo& info) {
  recordingFrom(info[0]).reset();
}

}  // namespace ibert::bindings

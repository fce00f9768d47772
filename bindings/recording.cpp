// Recorded ops. A step of generation is the same few hundred ops every time, with other inputs in the same
// memory: marshalling them once and enqueueing them in one call leaves the processor to the kernels.
#include <cstring>

#include "handles.h"

namespace ibert::bindings {

const napi_type_tag kRecordingTag = {0x1be27de71ce00004, 0x9d1c5f0a8e3b4c04};

void Recording::add(const OpSchema& schema, Marshalled& arguments) {
  constexpr size_t kAlignment = 16;
  entries_.push_back({schema.op, arguments_.size()});
  arguments_.insert(arguments_.end(), arguments.bytes, arguments.bytes + schema.bytes);
  arguments_.resize((arguments_.size() + kAlignment - 1) / kAlignment * kAlignment);
  for (auto& memory : arguments.memory) memory_.push_back(std::move(memory));
}

void Recording::enqueue(napi_env env, Stream* stream) const {
  for (const auto& [op, offset] : entries_) {
    Message message{};
    if (device_->backend->enqueue(stream, op, arguments_.data() + offset, &message) != 0)
      fail(env, message.text);
  }
}

namespace {

using Held = Napi::External<std::shared_ptr<const Recording>>;

std::shared_ptr<const Recording>& recordingFrom(const Napi::Value& value) {
  if (!value.IsExternal() || !value.As<Held>().CheckTypeTag(&kRecordingTag))
    fail(value.Env(), "expected a recording");
  return *value.As<Held>().Data();
}

}  // namespace

void StreamWrap::requireNoRecording(napi_env env, const char* what) const {
  if (recording_ != nullptr) fail(env, std::string(what) + ": only ops can be recorded");
}

void StreamWrap::beginRecording(const Napi::CallbackInfo& info) {
  requireNoRecording(info.Env(), "beginRecording");
  recording_ = std::make_shared<Recording>(device_);
}

Napi::Value StreamWrap::endRecording(const Napi::CallbackInfo& info) {
  if (recording_ == nullptr) fail(info.Env(), "endRecording: nothing is being recorded");
  auto* held = new std::shared_ptr<const Recording>(std::move(recording_));
  recording_.reset();
  auto external = Held::New(info.Env(), held,
                            [](Napi::Env, std::shared_ptr<const Recording>* recording) { delete recording; });
  external.TypeTag(&kRecordingTag);
  return external;
}

// replay(recording)
void StreamWrap::replay(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  requireNoRecording(env, "replay");
  const std::shared_ptr<const Recording>& recording = recordingFrom(info[0]);
  if (recording == nullptr) fail(env, "the recording was freed");
  if (recording->device() != device_) fail(env, "the recording was made on another device");
  replayed_.push_back(recording);
  recording->enqueue(env, stream_);
}

// freeRecording(recording): work in flight keeps it a little longer.
void StreamWrap::freeRecording(const Napi::CallbackInfo& info) {
  recordingFrom(info[0]).reset();
}

}  // namespace ibert::bindings

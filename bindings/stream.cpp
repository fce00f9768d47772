// Streams: JavaScript enqueues and never blocks; a fence (synchronize) is a promise that a native thread
// settles.
#include <cstdio>

#include "handles.h"

namespace ibert::bindings {

// One synchronize(): what it keeps alive until the work before it has run.
struct StreamWrap::Fence {
  Fence(Napi::Env env, StreamWrap* owner) : deferred(Napi::Promise::Deferred::New(env)), stream(owner) {}
  Napi::Promise::Deferred deferred;
  StreamWrap* stream;
  Napi::ThreadSafeFunction completions;
  std::vector<std::shared_ptr<Memory>> memory;
  std::vector<Napi::ObjectReference> host;
  std::vector<std::shared_ptr<const RecordingHandle>> replayed;
  Napi::ObjectReference self;
  bool failed = false;
  std::string error;
};

Napi::Function StreamWrap::define(Napi::Env env) {
  return DefineClass(
      env, "Stream",
      {InstanceMethod<&StreamWrap::enqueue>("enqueue"), InstanceMethod<&StreamWrap::write>("write"),
       InstanceMethod<&StreamWrap::read>("read"), InstanceMethod<&StreamWrap::fill>("fill"),
       InstanceMethod<&StreamWrap::synchronize>("synchronize"),
       InstanceMethod<&StreamWrap::beginRecording>("beginRecording"),
       InstanceMethod<&StreamWrap::endRecording>("endRecording"),
       InstanceMethod<&StreamWrap::replay>("replay"),
       InstanceMethod<&StreamWrap::freeRecording>("freeRecording"),
       InstanceMethod<&StreamWrap::checkFinite>("checkFinite")});
}

StreamWrap::StreamWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const Napi::Env env = info.Env();
  device_ = DeviceWrap::from(info[0]).handle();
  Message message{};
  Stream* stream = nullptr;
  if (device_->backend->createStream(device_->device, &stream, &message) != 0) fail(env, message.text);
  stream_ = stream;
  completions_ = Napi::ThreadSafeFunction::New(env, Napi::Function(), "ibert.stream", 0, 1);
  completions_.Unref(env);  // an idle stream does not keep the process alive
  // Hooks run last in, first out: this one while `completions_`, which has a hook of its own, still takes
  // calls.
  napi_add_env_cleanup_hook(env, &StreamWrap::shutDown, this);
}

StreamWrap::~StreamWrap() {
  if (stream_ == nullptr) return;
  napi_remove_env_cleanup_hook(Env(), &StreamWrap::shutDown, this);
  shutDown(this);
}

// At the end of the stream or of its environment, whichever comes first.
void StreamWrap::shutDown(void* self) {
  auto* stream = static_cast<StreamWrap*>(self);
  stream->device_->backend->destroyStream(stream->stream_);  // waits for its work
  stream->stream_ = nullptr;
  stream->completions_.Release();
}

void StreamWrap::keep(const std::shared_ptr<Memory>& memory) {
  // Consecutive ops share an arena: comparing with the last few avoids most duplicates.
  const size_t size = memory_.size();
  for (size_t i = size; i > 0 && i + 4 > size; --i) {
    if (memory_[i - 1] == memory) return;
  }
  memory_.push_back(memory);
}

void StreamWrap::keepHost(const Napi::Value& array) {
  host_.push_back(Napi::Persistent(array.As<Napi::Object>()));
}

// enqueue(op, ...values)
Napi::Value StreamWrap::enqueue(const Napi::CallbackInfo& info) {
  const OpSchema& schema = schemaOf(info[0]);
  napi_value values[32];
  const size_t count = info.Length() - 1;
  if (count > 32) fail(info.Env(), "too many arguments");
  for (size_t i = 0; i < count; ++i) values[i] = info[i + 1];
  Marshalled arguments;
  marshal(info.Env(), schema, count, values, arguments);
  for (const auto& memory : arguments.memory) {
    if (memory->device != device_)
      fail(info.Env(), std::string(schema.name) + ": a tensor lies on another device");
    if (recording_ == nullptr) keep(memory);
  }
  if (recording_ != nullptr) {
    recording_->add(schema, arguments);
    return info.Env().Undefined();
  }
  Message message{};
  if (device_->backend->enqueue(stream_, schema.op, arguments.bytes, &message) != 0)
    fail(info.Env(), message.text);
  return info.Env().Undefined();
}

namespace {
std::shared_ptr<Memory> memoryOf(napi_env env, const TensorWrap& tensor) {
  std::shared_ptr<Memory> memory = tensor.memory();
  if (memory == nullptr) fail(env, "the tensor's buffer was freed");
  return memory;
}

Napi::TypedArray hostArray(const Napi::CallbackInfo& info, const TensorWrap& tensor) {
  if (!info[1].IsTypedArray()) fail(info.Env(), "expected a typed array");
  const auto array = info[1].As<Napi::TypedArray>();
  if (static_cast<int64_t>(array.ByteLength()) != tensor.bytes()) {
    fail(info.Env(), "the array has " + std::to_string(array.ByteLength()) + " bytes, the tensor " +
                         std::to_string(tensor.bytes()));
  }
  if (tensor.tensor().data == nullptr) fail(info.Env(), "a planned tensor has no memory");
  return array;
}

char* hostData(const Napi::TypedArray& array) {
  return static_cast<char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
}
}  // namespace

// write(tensor, array): array is read when the stream comes to it; it must not change before the next fence.
Napi::Value StreamWrap::write(const Napi::CallbackInfo& info) {
  requireNoRecording(info.Env(), "write");
  const TensorWrap& tensor = TensorWrap::from(info[0]);
  const auto array = hostArray(info, tensor);
  keep(memoryOf(info.Env(), tensor));
  keepHost(array);
  Message message{};
  if (device_->backend->copyToDevice(stream_, tensor.tensor().data, hostData(array), tensor.bytes(),
                                     &message) != 0) {
    fail(info.Env(), message.text);
  }
  return info.Env().Undefined();
}

// read(tensor, array): array is filled when the next fence is passed.
Napi::Value StreamWrap::read(const Napi::CallbackInfo& info) {
  requireNoRecording(info.Env(), "read");
  const TensorWrap& tensor = TensorWrap::from(info[0]);
  const auto array = hostArray(info, tensor);
  keep(memoryOf(info.Env(), tensor));
  keepHost(array);
  Message message{};
  if (device_->backend->copyToHost(stream_, hostData(array), tensor.tensor().data, tensor.bytes(),
                                   &message) != 0) {
    fail(info.Env(), message.text);
  }
  return info.Env().Undefined();
}

// fill(tensor, byte)
Napi::Value StreamWrap::fill(const Napi::CallbackInfo& info) {
  requireNoRecording(info.Env(), "fill");
  const TensorWrap& tensor = TensorWrap::from(info[0]);
  if (tensor.tensor().data == nullptr) fail(info.Env(), "a planned tensor has no memory");
  keep(memoryOf(info.Env(), tensor));
  Message message{};
  const auto value = static_cast<uint8_t>(info[1].As<Napi::Number>().Uint32Value());
  if (device_->backend->fill(stream_, tensor.tensor().data, value, tensor.bytes(), &message) != 0) {
    fail(info.Env(), message.text);
  }
  return info.Env().Undefined();
}

// checkFinite(on)
void StreamWrap::checkFinite(const Napi::CallbackInfo& info) {
  device_->backend->checkFinite(stream_, info[0].ToBoolean() ? 1 : 0);
}

// On the backend's thread.
void StreamWrap::finished(void* user, const Message* error) {
  auto* fence = static_cast<Fence*>(user);
  if (error != nullptr) {
    fence->failed = true;
    fence->error = error->text;
  }
  const auto settle = [](Napi::Env env, Napi::Function, Fence* done) {
    // No environment: it is being torn down, and the promise with it.
    if (env != nullptr) {
      Napi::HandleScope scope(env);
      if (--done->stream->waiting_ == 0) done->stream->completions_.Unref(env);
      if (done->failed) {
        done->deferred.Reject(Napi::Error::New(env, done->error).Value());
      } else {
        done->deferred.Resolve(env.Undefined());
      }
    }
    delete done;
  };
  if (fence->completions.NonBlockingCall(fence, settle) != napi_ok) {
    // The environment is gone; nothing may touch JavaScript any more, so the fence's references are left to
    // it.
    fence->memory.clear();
    fence->replayed.clear();
  }
}

Napi::Value StreamWrap::synchronize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  requireNoRecording(env, "synchronize");
  auto* fence = new Fence(env, this);
  fence->completions = completions_;
  fence->memory = std::move(memory_);
  fence->host = std::move(host_);
  fence->replayed = std::move(replayed_);
  fence->self = Napi::Persistent(Value());  // the stream outlives its open fences
  memory_.clear();
  host_.clear();
  replayed_.clear();
  const Napi::Promise promise = fence->deferred.Promise();
  if (waiting_++ == 0) completions_.Ref(env);
  Message message{};
  if (device_->backend->notify(stream_, &StreamWrap::finished, fence, &message) != 0) {
    if (--waiting_ == 0) completions_.Unref(env);
    delete fence;
    fail(env, message.text);
  }
  return promise;
}

}  // namespace ibert::bindings

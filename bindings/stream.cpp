// Streams: JavaScript enqueues and never blocks; a fence (synchronize) is a promise that a native thread
// settles.
//
// An environment may end at any moment: a worker is terminated, the process exits. From then on no JavaScript
// can run, and every call into Node-API may say so. So nothing here that runs by itself (the fences'
// callback, the end of the environment) throws or trusts such a call, and a fence, which holds references of
// the environment, never leaves the environment's thread: the backend's thread only says that it was passed.
#include <algorithm>

#include "handles.h"

namespace ibert::bindings {

// One synchronize(): what it keeps alive until the work before it has run.
struct StreamWrap::Fence {
  StreamWrap* stream;
  napi_deferred deferred = nullptr;
  std::vector<std::shared_ptr<const void>> kept;
  std::vector<Napi::ObjectReference> host;
  Napi::ObjectReference self;  // the stream outlives its open fences
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
       InstanceMethod<&StreamWrap::checkFinite>("checkFinite"), InstanceMethod<&StreamWrap::close>("close")});
}

StreamWrap::StreamWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const Napi::Env env = info.Env();
  device_ = DeviceWrap::from(info[0]).handle();
  device_->requireOpen();
  const napi_value name = Napi::String::New(env, "ibert.stream");
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this,
                                      &StreamWrap::settleOnThread, &wake_) != napi_ok) {
    fail(env, "no stream can be opened while the environment ends");
  }
  napi_unref_threadsafe_function(env, wake_);  // an idle stream does not keep the process alive
  Message message{};
  if (device_->backend->createStream(device_->device, &stream_, &message) != 0) {
    napi_release_threadsafe_function(wake_, napi_tsfn_abort);
    fail(env, message.text);
  }
  ++device_->streams;
  // Hooks run last in, first out: this one while `wake_`, which has a hook of its own, is still there.
  napi_add_env_cleanup_hook(env, &StreamWrap::environmentEnds, this);
}

StreamWrap::~StreamWrap() {
  if (stream_ == nullptr) return;
  napi_remove_env_cleanup_hook(Env(), &StreamWrap::environmentEnds, this);
  stop();
}

// close(): work that has not begun is dropped, and its fences reject.
void StreamWrap::close(const Napi::CallbackInfo& info) {
  if (stream_ == nullptr) return;
  const Napi::Env env = info.Env();
  napi_remove_env_cleanup_hook(env, &StreamWrap::environmentEnds, this);
  const Napi::Object self = info.This().As<Napi::Object>();  // held while its fences let go of it
  stop();
  settle(env);
  for (const auto& fence : fences_) {
    fence->failed = true;
    fence->error =
        std::string("the device ") + device_->backend->name + " was closed before this work had run";
    passed_.push_back(fence.get());
  }
  settle(env);
  static_cast<void>(self);
}

void StreamWrap::environmentEnds(void* self) noexcept {
  auto* stream = static_cast<StreamWrap*>(self);
  stream->stop();
  // Their promises end with the environment.
  stream->passed_.clear();
  stream->fences_.clear();
}

// At the end of the stream or of its environment, whichever comes first. Waits for the op in hand.
void StreamWrap::stop() noexcept {
  device_->backend->destroyStream(stream_);
  stream_ = nullptr;
  --device_->streams;
  napi_release_threadsafe_function(wake_, napi_tsfn_abort);
  recording_.reset();
  kept_.clear();
  host_.clear();
}

void StreamWrap::requireOpen(napi_env env) const {
  if (stream_ == nullptr) fail(env, std::string("the device ") + device_->backend->name + " was closed");
}

void StreamWrap::keep(std::shared_ptr<const void> used) {
  // Consecutive ops share an arena: comparing with the last few avoids most duplicates.
  const size_t size = kept_.size();
  for (size_t i = size; i > 0 && i + 4 > size; --i) {
    if (kept_[i - 1] == used) return;
  }
  kept_.push_back(std::move(used));
}

void StreamWrap::keepHost(const Napi::TypedArray& array) {
  // A mapped file may be let go of while it is still read.
  if (auto region = mappedRegion(array)) keep(std::move(region));
  host_.push_back(Napi::Persistent(array.As<Napi::Object>()));
}

// enqueue(op, ...values)
Napi::Value StreamWrap::enqueue(const Napi::CallbackInfo& info) {
  requireOpen(info.Env());
  const OpSchema& schema = schemaOf(info[0]);
  napi_value values[32];
  const size_t count = info.Length() - 1;
  if (count > 32) fail(info.Env(), "too many arguments");
  for (size_t i = 0; i < count; ++i) values[i] = info[i + 1];
  Marshalled arguments;
  marshal(info.Env(), schema, count, values, arguments);
  requireOpen(info.Env());  // again, since reading an array may run anything
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
  napi_value buffer;
  bool plain = false;
  if (napi_get_typedarray_info(info.Env(), array, nullptr, nullptr, nullptr, &buffer, nullptr) != napi_ok ||
      napi_is_arraybuffer(info.Env(), buffer, &plain) != napi_ok || !plain) {
    fail(info.Env(), "an array over memory that threads share is not taken");
  }
  if (static_cast<int64_t>(array.ByteLength()) != tensor.bytes()) {
    fail(info.Env(), "the array has " + std::to_string(array.ByteLength()) + " bytes, the tensor " +
                         std::to_string(tensor.bytes()));
  }
  if (tensor.tensor().buffer == nullptr) fail(info.Env(), "a planned tensor has no memory");
  return array;
}

char* hostData(const Napi::TypedArray& array) {
  return static_cast<char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
}
}  // namespace

// write(tensor, array): array is read when the stream comes to it; it must not change before the next fence.
Napi::Value StreamWrap::write(const Napi::CallbackInfo& info) {
  requireOpen(info.Env());
  requireNoRecording(info.Env(), "write");
  const TensorWrap& tensor = TensorWrap::from(info[0]);
  const auto array = hostArray(info, tensor);
  keep(memoryOf(info.Env(), tensor));
  keepHost(array);
  Message message{};
  if (device_->backend->copyToDevice(stream_, tensor.tensor().buffer, tensor.tensor().offset, hostData(array),
                                     tensor.bytes(), &message) != 0) {
    fail(info.Env(), message.text);
  }
  return info.Env().Undefined();
}

// read(tensor, array): array is filled when the next fence is passed.
Napi::Value StreamWrap::read(const Napi::CallbackInfo& info) {
  requireOpen(info.Env());
  requireNoRecording(info.Env(), "read");
  const TensorWrap& tensor = TensorWrap::from(info[0]);
  const auto array = hostArray(info, tensor);
  keep(memoryOf(info.Env(), tensor));
  keepHost(array);
  Message message{};
  if (device_->backend->copyToHost(stream_, hostData(array), tensor.tensor().buffer, tensor.tensor().offset,
                                   tensor.bytes(), &message) != 0) {
    fail(info.Env(), message.text);
  }
  return info.Env().Undefined();
}

// fill(tensor, byte)
Napi::Value StreamWrap::fill(const Napi::CallbackInfo& info) {
  requireOpen(info.Env());
  requireNoRecording(info.Env(), "fill");
  const TensorWrap& tensor = TensorWrap::from(info[0]);
  if (tensor.tensor().buffer == nullptr) fail(info.Env(), "a planned tensor has no memory");
  keep(memoryOf(info.Env(), tensor));
  Message message{};
  const auto value = static_cast<uint8_t>(wholeNumber(info[1], "the byte to fill with", 0, 255));
  if (device_->backend->fill(stream_, tensor.tensor().buffer, tensor.tensor().offset, value, tensor.bytes(),
                             &message) != 0) {
    fail(info.Env(), message.text);
  }
  return info.Env().Undefined();
}

// checkFinite(on)
void StreamWrap::checkFinite(const Napi::CallbackInfo& info) {
  requireOpen(info.Env());
  device_->backend->checkFinite(stream_, info[0].ToBoolean() ? 1 : 0);
}

// On the backend's thread, which must not touch what the fence holds.
void StreamWrap::finished(void* user, const Message* error) {
  auto* fence = static_cast<Fence*>(user);
  StreamWrap* stream = fence->stream;
  if (error != nullptr) {
    fence->failed = true;
    fence->error = error->text;
  }
  const std::lock_guard<std::mutex> lock(stream->mutex_);
  stream->passed_.push_back(fence);
  // It fails only where the environment ends, which lets go of all fences.
  napi_call_threadsafe_function(stream->wake_, nullptr, napi_tsfn_nonblocking);
}

void StreamWrap::settleOnThread(napi_env env, napi_value, void* self, void*) noexcept {
  // Without an environment there may be no stream any more.
  if (env == nullptr) return;
  auto* stream = static_cast<StreamWrap*>(self);
  if (stream->stream_ != nullptr) stream->settle(env);
}

// Settles the promises of the fences that were passed, in their order.
void StreamWrap::settle(napi_env env) noexcept {
  std::vector<Fence*> passed;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    passed.swap(passed_);
  }
  for (Fence* fence : passed) {
    const auto held =
        std::find_if(fences_.begin(), fences_.end(), [fence](const auto& one) { return one.get() == fence; });
    const std::unique_ptr<Fence> done = std::move(*held);
    fences_.erase(held);
    napi_handle_scope scope;
    if (napi_open_handle_scope(env, &scope) != napi_ok) continue;
    napi_value value = nullptr;
    if (!done->failed) {
      napi_get_undefined(env, &value);
      napi_resolve_deferred(env, done->deferred, value);
    } else if (napi_create_string_utf8(env, done->error.c_str(), done->error.size(), &value) == napi_ok &&
               napi_create_error(env, nullptr, value, &value) == napi_ok) {
      napi_reject_deferred(env, done->deferred, value);
    }
    napi_close_handle_scope(env, scope);
  }
  if (fences_.empty() && !passed.empty() && stream_ != nullptr) napi_unref_threadsafe_function(env, wake_);
}

Napi::Value StreamWrap::synchronize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  requireOpen(env);
  requireNoRecording(env, "synchronize");
  auto fence = std::make_unique<Fence>();
  fence->stream = this;
  napi_value promise;
  if (napi_create_promise(env, &fence->deferred, &promise) != napi_ok) throw Napi::Error::New(env);
  fence->self = Napi::Persistent(Value());
  fence->kept.swap(kept_);
  fence->host.swap(host_);
  fences_.push_back(std::move(fence));
  if (fences_.size() == 1) napi_ref_threadsafe_function(env, wake_);
  Message message{};
  if (device_->backend->notify(stream_, &StreamWrap::finished, fences_.back().get(), &message) != 0) {
    // What it was to keep is kept by the next one.
    kept_.swap(fences_.back()->kept);
    host_.swap(fences_.back()->host);
    fences_.pop_back();
    if (fences_.empty()) napi_unref_threadsafe_function(env, wake_);
    fail(env, message.text);
  }
  return Napi::Value(env, promise);
}

}  // namespace ibert::bindings

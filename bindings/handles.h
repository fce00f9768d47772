// What the wrapped JavaScript objects hold.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"
#include "schema.h"

namespace ibert::bindings {

// An open device; its buffers and streams keep it open.
struct DeviceHandle {
  const Backend* backend;
  Device* device;
  ~DeviceHandle() { backend->closeDevice(device); }
};

// Device memory. Work in flight keeps it alive (StreamHandle::pending).
struct Memory {
  std::shared_ptr<DeviceHandle> device;
  void* data = nullptr;  // null: planned, counted only
  int64_t bytes = 0;
  ~Memory() {
    if (data != nullptr) device->backend->release(device->device, data);
  }
};

// Type tags, so that a wrong external object throws instead of crashing.
extern const napi_type_tag kDeviceTag;
extern const napi_type_tag kBufferTag;
extern const napi_type_tag kTensorTag;
extern const napi_type_tag kRecordingTag;

class DeviceWrap : public Napi::ObjectWrap<DeviceWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit DeviceWrap(const Napi::CallbackInfo& info);
  const std::shared_ptr<DeviceHandle>& handle() const { return handle_; }
  static DeviceWrap& from(const Napi::Value& value);

 private:
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value packedBytes(const Napi::CallbackInfo& info);
  Napi::Value workspaceBytes(const Napi::CallbackInfo& info);
  Napi::Value whyUnsupported(const Napi::CallbackInfo& info);
  Napi::Value kernelName(const Napi::CallbackInfo& info);
  std::shared_ptr<DeviceHandle> handle_;
};

// new Buffer(device, bytes, planned)
class BufferWrap : public Napi::ObjectWrap<BufferWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit BufferWrap(const Napi::CallbackInfo& info);
  const std::shared_ptr<Memory>& memory() const { return memory_; }
  static BufferWrap& from(const Napi::Value& value);

 private:
  void free(const Napi::CallbackInfo& info);
  std::shared_ptr<Memory> memory_;
};

// new Tensor(buffer, byteOffset, shape, dtype, layout)
class TensorWrap : public Napi::ObjectWrap<TensorWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit TensorWrap(const Napi::CallbackInfo& info);
  const Tensor& tensor() const { return tensor_; }
  int64_t bytes() const { return bytes_; }
  // Null when the buffer was freed.
  std::shared_ptr<Memory> memory() const { return memory_.lock(); }
  static TensorWrap& from(const Napi::Value& value);
  static TensorWrap* tryFrom(napi_env env, napi_value value);

 private:
  Tensor tensor_{};
  int64_t bytes_ = 0;
  // A view keeps no memory: it would last until the garbage collector comes by.
  std::weak_ptr<Memory> memory_;
};

// Arguments of an op, in the order of its fields.
struct Marshalled {
  alignas(16) std::byte bytes[4096];
  std::vector<std::shared_ptr<Memory>> memory;
};
// Throws Napi::Error naming op and field.
void marshal(napi_env env, const OpSchema& schema, size_t count, const napi_value* values, Marshalled& out);
const OpSchema& schemaOf(const Napi::Value& op);

// Ops that are enqueued together any number of times, and the memory that they use.
class RecordingHandle {
 public:
  explicit RecordingHandle(std::shared_ptr<DeviceHandle> device) : device_(std::move(device)) {}
  ~RecordingHandle();
  RecordingHandle(const RecordingHandle&) = delete;
  RecordingHandle& operator=(const RecordingHandle&) = delete;

  const std::shared_ptr<DeviceHandle>& device() const { return device_; }
  void add(const OpSchema& schema, Marshalled& arguments);
  // No more ops. Both throw Napi::Error with the backend's message.
  void finish(napi_env env);
  void replay(napi_env env, Stream* stream) const;

 private:
  struct Entry {
    Op op;
    size_t offset;
  };
  std::shared_ptr<DeviceHandle> device_;
  Recording* recording_ = nullptr;
  std::vector<std::shared_ptr<Memory>> memory_;
  // Until it is finished.
  std::vector<Entry> entries_;
  std::vector<std::byte> arguments_;
};

class StreamWrap : public Napi::ObjectWrap<StreamWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit StreamWrap(const Napi::CallbackInfo& info);
  ~StreamWrap() override;

 private:
  struct Fence;
  Napi::Value enqueue(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value fill(const Napi::CallbackInfo& info);
  Napi::Value synchronize(const Napi::CallbackInfo& info);
  void checkFinite(const Napi::CallbackInfo& info);
  void beginRecording(const Napi::CallbackInfo& info);
  Napi::Value endRecording(const Napi::CallbackInfo& info);
  void replay(const Napi::CallbackInfo& info);
  void freeRecording(const Napi::CallbackInfo& info);
  void requireNoRecording(napi_env env, const char* what) const;
  void keep(const std::shared_ptr<Memory>& memory);
  void keepHost(const Napi::Value& array);
  static void finished(void* user, const Message* error);
  static void shutDown(void* self);

  std::shared_ptr<DeviceHandle> device_;
  Stream* stream_ = nullptr;
  Napi::ThreadSafeFunction completions_;
  int waiting_ = 0;  // fences whose promise is open
  // What the work enqueued since the last fence uses.
  std::vector<std::shared_ptr<Memory>> memory_;
  std::vector<Napi::ObjectReference> host_;
  std::vector<std::shared_ptr<const RecordingHandle>> replayed_;
  // Takes the ops while one is being made.
  std::shared_ptr<RecordingHandle> recording_;
};

Napi::Value describeOps(const Napi::CallbackInfo& info);
Napi::Value checkOp(const Napi::CallbackInfo& info);
Napi::Value mapFile(const Napi::CallbackInfo& info);
Napi::Value forgetFile(const Napi::CallbackInfo& info);
Napi::Value trimHeap(const Napi::CallbackInfo& info);

// Throws a JavaScript error with this text.
[[noreturn]] void fail(napi_env env, const std::string& text);

}  // namespace ibert::bindings

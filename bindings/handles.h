// What the wrapped JavaScript objects hold.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "backend.h"
#include "schema.h"

namespace ibert::bindings {

struct DeviceHandle;

// The largest number that JavaScript holds exactly.
constexpr int64_t kMostNumber = (int64_t{1} << 53) - 1;

// Of a tensor. Bytes, padded ones too, and sums and products of a few sizes then fit 64 bits.
constexpr int64_t kMaxElements = int64_t{1} << 48;

// What a device holds. It is let go of when nobody uses it any more, or when the device is closed.
class Resource {
 public:
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;
  virtual ~Resource();
  // Once at most has an effect; no work may still use it.
  virtual void release() noexcept = 0;

  const std::shared_ptr<DeviceHandle> device;

 protected:
  explicit Resource(std::shared_ptr<DeviceHandle> owner);
};

// An open device of one environment; its resources and streams keep the handle. All of it belongs to the
// environment's thread.
struct DeviceHandle {
  DeviceHandle(napi_env environment, const Backend* opened, Device* native)
      : env(environment), backend(opened), device(native) {}
  ~DeviceHandle() { close(); }
  DeviceHandle(const DeviceHandle&) = delete;
  DeviceHandle& operator=(const DeviceHandle&) = delete;

  // Lets go of all that the device holds, and of the device; its streams are closed.
  void close() noexcept;
  bool closed() const { return device == nullptr; }
  // Throws Napi::Error when the device was closed.
  void requireOpen() const;

  const napi_env env;
  const Backend* const backend;
  Device* device;
  int streams = 0;
  std::unordered_set<Resource*> resources;
};

// Device memory. Work in flight keeps it alive (StreamWrap::kept_). V8 is told of it, since a small object in
// JavaScript may stand for gigabytes.
class Memory : public Resource {
 public:
  // `planned` memory is counted only. Throws Napi::Error.
  Memory(std::shared_ptr<DeviceHandle> owner, int64_t size, bool planned);
  ~Memory() override { release(); }
  void release() noexcept override;
  bool released() const { return released_; }
  // Null when it is only planned.
  Buffer* buffer() const { return buffer_; }
  int64_t bytes() const { return bytes_; }

 private:
  Buffer* buffer_ = nullptr;
  int64_t bytes_;
  bool released_ = false;
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
  void close(const Napi::CallbackInfo& info);
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
  Napi::Value free(const Napi::CallbackInfo& info);
  std::shared_ptr<Memory> memory_;
};

// new Tensor(buffer, byteOffset, shape, dtype, layout)
class TensorWrap : public Napi::ObjectWrap<TensorWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit TensorWrap(const Napi::CallbackInfo& info);
  const Tensor& tensor() const { return tensor_; }
  int64_t bytes() const { return bytes_; }
  // Null when the buffer was freed, or its device closed.
  std::shared_ptr<Memory> memory() const {
    std::shared_ptr<Memory> memory = memory_.lock();
    return memory == nullptr || memory->released() ? nullptr : memory;
  }
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
class RecordingHandle : public Resource {
 public:
  explicit RecordingHandle(std::shared_ptr<DeviceHandle> owner) : Resource(std::move(owner)) {}
  ~RecordingHandle() override { release(); }
  void release() noexcept override;

  void add(const OpSchema& schema, Marshalled& arguments);
  // No more ops. Both throw Napi::Error with the backend's message.
  void finish(napi_env env);
  void replay(napi_env env, Stream* stream) const;

 private:
  struct Entry {
    Op op;
    size_t offset;
  };
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
  void close(const Napi::CallbackInfo& info);
  void requireOpen(napi_env env) const;
  void requireNoRecording(napi_env env, const char* what) const;
  void keep(std::shared_ptr<const void> used);
  void keepHost(const Napi::TypedArray& array);
  void stop() noexcept;
  void settle(napi_env env) noexcept;
  static void finished(void* user, const Message* error);
  static void settleOnThread(napi_env env, napi_value function, void* self, void* data) noexcept;
  static void environmentEnds(void* self) noexcept;

  std::shared_ptr<DeviceHandle> device_;
  Stream* stream_ = nullptr;  // null: closed
  napi_threadsafe_function wake_ = nullptr;
  // Fences whose promise is open.
  std::vector<std::unique_ptr<Fence>> fences_;
  // Those of them whose work has run; all that the backend's thread shares with this one.
  std::mutex mutex_;
  std::vector<Fence*> passed_;
  // What the work enqueued since the last fence uses: device memory, recordings, mapped files; and arrays.
  std::vector<std::shared_ptr<const void>> kept_;
  std::vector<Napi::ObjectReference> host_;
  // Takes the ops while one is being made.
  std::shared_ptr<RecordingHandle> recording_;
};

// The mapped part of a file that an array shows, or null where the array is another's.
std::shared_ptr<const void> mappedRegion(const Napi::TypedArray& array);

Napi::Value describeOps(const Napi::CallbackInfo& info);
Napi::Value checkOp(const Napi::CallbackInfo& info);
Napi::Value opensDriver(const Napi::CallbackInfo& info);
Napi::Value probeBackend(const Napi::CallbackInfo& info);
Napi::Value mapFile(const Napi::CallbackInfo& info);
Napi::Value unmapFile(const Napi::CallbackInfo& info);
Napi::Value trimHeap(const Napi::CallbackInfo& info);
Napi::Value deviceMemory(const Napi::CallbackInfo& info);

// Throws a JavaScript error with this text.
[[noreturn]] void fail(napi_env env, const std::string& text);

// A whole number from `low` to `high`; throws a JavaScript error that begins with `what` for anything else.
int64_t wholeNumber(const Napi::Value& value, const std::string& what, int64_t low = -kMostNumber,
                    int64_t high = kMostNumber);

}  // namespace ibert::bindings

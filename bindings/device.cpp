#include <algorithm>
#include <cstdint>

#include "handles.h"
#include "loader.h"

namespace ibert::bindings {

const napi_type_tag kDeviceTag = {0x1be27de71ce00001, 0x9d1c5f0a8e3b4c01};

Napi::Function DeviceWrap::define(Napi::Env env) {
  return DefineClass(
      env, "Device",
      {InstanceMethod<&DeviceWrap::info>("info"), InstanceMethod<&DeviceWrap::packedBytes>("packedBytes"),
       InstanceMethod<&DeviceWrap::workspaceBytes>("workspaceBytes"),
       InstanceMethod<&DeviceWrap::whyUnsupported>("whyUnsupported"),
       InstanceMethod<&DeviceWrap::kernelName>("kernelName"), InstanceMethod<&DeviceWrap::close>("close")});
}

namespace {

// What is in an error's `code` (Obstacle of lib/runtime/probe.ts).
const char* codeOf(Obstacle obstacle) {
  switch (obstacle) {
    case Obstacle::NoDriver:
      return "no-driver";
    case Obstacle::DriverTooOld:
      return "driver-too-old";
    case Obstacle::DriverBroken:
      return "driver-broken";
    case Obstacle::NoDevice:
      return "no-device";
    case Obstacle::Architecture:
      return "architecture";
    default:
      return "other";
  }
}

[[noreturn]] void failToRun(napi_env env, const std::string& name, Obstacle obstacle,
                            const Message& message) {
  Napi::Error error = Napi::Error::New(env, "the backend " + name + " cannot run here: " + message.text);
  error.Set("code", codeOf(obstacle));
  throw error;
}

std::string backendName(const Napi::Value& value) {
  if (!value.IsString()) fail(value.Env(), "the name of a backend is not a string");
  return value.As<Napi::String>();
}

const Backend* loadBackend(napi_env env, const std::string& name) {
  try {
    return openBackend(name);
  } catch (const BackendMissing& missing) {
    Napi::Error error = Napi::Error::New(env, missing.what());
    error.Set("code", "not-installed");
    throw error;
  } catch (const std::exception& error) {
    fail(env, error.what());
  }
}

void requireRunnable(napi_env env, const Backend* backend, const std::string& name) {
  Message message{};
  const int obstacle = backend->probe(&message);
  if (obstacle != 0) failToRun(env, name, static_cast<Obstacle>(obstacle), message);
}

}  // namespace

// opensDriver(backend): loads its library.
Napi::Value opensDriver(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), loadBackend(info.Env(), backendName(info[0]))->opensDriver != 0);
}

// probeBackend(backend): throws what keeps it from running here.
Napi::Value probeBackend(const Napi::CallbackInfo& info) {
  const std::string name = backendName(info[0]);
  requireRunnable(info.Env(), loadBackend(info.Env(), name), name);
  return info.Env().Undefined();
}

// new Device(backend, threads, index, architecture): with an architecture a planned device of it
DeviceWrap::DeviceWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const std::string name = backendName(info[0]);
  DeviceOptions options{};
  options.threads = static_cast<int32_t>(wholeNumber(info[1], "threads", INT32_MIN, INT32_MAX));
  options.index = static_cast<int32_t>(wholeNumber(info[2], "the index of a device", 0, INT32_MAX));
  std::string architecture;
  if (info[3].IsString()) {
    architecture = info[3].As<Napi::String>();
    options.planned = architecture.c_str();
  }
  const Backend* backend = loadBackend(info.Env(), name);
  if (options.planned == nullptr) requireRunnable(info.Env(), backend, name);
  Message message{};
  Device* device = nullptr;
  if (backend->openDevice(&options, &device, &message) != 0)
    failToRun(info.Env(), name, Obstacle::Other, message);
  handle_ = std::make_shared<DeviceHandle>(info.Env(), backend, device);
  Value().TypeTag(&kDeviceTag);
}

DeviceWrap& DeviceWrap::from(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kDeviceTag))
    fail(value.Env(), "expected a Device");
  return *Unwrap(value.As<Napi::Object>());
}

Napi::Value DeviceWrap::info(const Napi::CallbackInfo& info) {
  handle_->requireOpen();
  DeviceInfo device{};
  handle_->backend->deviceInfo(handle_->device, &device);
  Napi::Object result = Napi::Object::New(info.Env());
  result["backend"] = handle_->backend->name;
  result["name"] = static_cast<const char*>(device.name);
  result["architecture"] = static_cast<const char*>(device.architecture);
  result["memoryBytes"] = static_cast<double>(device.memoryBytes);
  result["availableBytes"] = static_cast<double>(device.availableBytes);
  result["maxBufferBytes"] = static_cast<double>(device.maxBufferBytes);
  result["sharesHostMemory"] = device.sharesHostMemory != 0;
  result["roundsRows"] = device.roundsRows != 0;
  result["threads"] = device.threads;
  if (device.bytesPerSecond > 0) {
    Napi::Object peaks = Napi::Object::New(info.Env());
    peaks["bf16FlopsPerSecond"] = device.bf16FlopsPerSecond;
    peaks["f32FlopsPerSecond"] = device.f32FlopsPerSecond;
    peaks["bytesPerSecond"] = device.bytesPerSecond;
    result["peaks"] = peaks;
  }
  return result;
}

Napi::Value DeviceWrap::packedBytes(const Napi::CallbackInfo& info) {
  handle_->requireOpen();
  const auto dtype = static_cast<DType>(wholeNumber(info[0], "a dtype", 0, INT32_MAX));
  if (dtypeInfo(dtype) == nullptr) fail(info.Env(), "unknown dtype");
  const int64_t rows = wholeNumber(info[1], "rows", 0, kMaxElements);
  const int64_t columns = wholeNumber(info[2], "columns", 0, kMaxElements / std::max<int64_t>(rows, 1));
  return Napi::Number::New(
      info.Env(), static_cast<double>(handle_->backend->packedBytes(handle_->device, dtype, rows, columns)));
}

namespace {
// Values of an op call that follow the op number.
void marshalRest(const Napi::CallbackInfo& info, const OpSchema& schema, Marshalled& out) {
  std::vector<napi_value> values;
  for (size_t i = 1; i < info.Length(); ++i) values.push_back(info[i]);
  marshal(info.Env(), schema, values.size(), values.data(), out);
}

// … that agree with each other: backends are asked of no others.
void marshalChecked(const Napi::CallbackInfo& info, const OpSchema& schema, Marshalled& out) {
  marshalRest(info, schema, out);
  try {
    checkArguments(schema.op, out.bytes, true);
  } catch (const std::exception& error) {
    fail(info.Env(), error.what());
  }
}
}  // namespace

Napi::Value DeviceWrap::workspaceBytes(const Napi::CallbackInfo& info) {
  const OpSchema& schema = schemaOf(info[0]);
  Marshalled arguments;
  marshalChecked(info, schema, arguments);
  handle_->requireOpen();  // last, since reading an array may run anything
  const int64_t bytes = handle_->backend->workspaceBytes(handle_->device, schema.op, arguments.bytes);
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

Napi::Value DeviceWrap::whyUnsupported(const Napi::CallbackInfo& info) {
  const OpSchema& schema = schemaOf(info[0]);
  Marshalled arguments;
  marshalChecked(info, schema, arguments);
  handle_->requireOpen();  // last, since reading an array may run anything
  Message message{};
  if (handle_->backend->supports(handle_->device, schema.op, arguments.bytes, &message) == 0)
    return info.Env().Null();
  return Napi::String::New(info.Env(), message.text);
}

// kernelName(op, ...values): without values that of the op in general.
Napi::Value DeviceWrap::kernelName(const Napi::CallbackInfo& info) {
  const OpSchema& schema = schemaOf(info[0]);
  Marshalled arguments;
  const bool given = info.Length() > 1;
  if (given) marshalChecked(info, schema, arguments);
  handle_->requireOpen();
  const char* name =
      handle_->backend->kernelName(handle_->device, schema.op, given ? arguments.bytes : nullptr);
  return name == nullptr ? info.Env().Null() : Napi::String::New(info.Env(), name);
}

// close(): frees all that the device holds, and its threads. Its streams are closed first.
void DeviceWrap::close(const Napi::CallbackInfo& info) {
  if (handle_->streams > 0) fail(info.Env(), "the device has an open stream");
  handle_->close();
}

Napi::Value checkOp(const Napi::CallbackInfo& info) {
  const OpSchema& schema = schemaOf(info[0]);
  Marshalled arguments;
  marshalChecked(info, schema, arguments);
  return info.Env().Undefined();
}

}  // namespace ibert::bindings

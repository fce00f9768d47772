// The backend's table of functions over devices, streams and memory of CUDA.
#include <cstring>

#include "driver.h"
#include "event.h"
#include "frame/checks.h"
#include "frame/message.h"
#include "gpu.h"
#include "kernels.h"
#include "memory.h"
#include "recording.h"
#include "stream.h"

namespace ibert::cuda {

namespace {

using frame::failWith;
using frame::guarded;

const Gpu& gpuOf(Device* device) {
  return *reinterpret_cast<const Gpu*>(device);
}
StreamState& state(Stream* stream) {
  return *reinterpret_cast<StreamState*>(stream);
}
EventState& state(Event* event) {
  return *reinterpret_cast<EventState*>(event);
}
// Graphs are made when a recording is replayed.
RecordingState& state(const Recording* recording) {
  return *reinterpret_cast<RecordingState*>(const_cast<Recording*>(recording));
}

// A place in a buffer that a copy or a fill covers.
std::byte* placeIn(const char* what, Buffer* buffer, int64_t offset, int64_t bytes) {
  const DeviceBuffer& extent = bufferOf(buffer);
  if (offset < 0 || bytes < 0 || offset > extent.bytes || bytes > extent.bytes - offset) {
    throw std::runtime_error(std::string(what) + ": " + std::to_string(bytes) + " bytes at " +
                             std::to_string(offset) + " do not lie in a buffer of " +
                             std::to_string(extent.bytes) + " bytes");
  }
  return extent.memory + offset;
}

// Checks the op and gives the operands of the frame's copy their addresses.
void resolve(const Gpu& gpu, Op op, std::byte* arguments) {
  frame::requireRunnable(kernels(), op, arguments);
  frame::resolveOperands(op, arguments, kernels().packedBytes, [&](Buffer* buffer) -> const DeviceBuffer& {
    const DeviceBuffer& extent = bufferOf(buffer);
    if (extent.device != gpu.index) {
      throw std::runtime_error(std::string(opSchema(op).name) + ": an operand lies on device " +
                               std::to_string(extent.device) + ", the stream is of device " +
                               std::to_string(gpu.index));
    }
    return extent;
  });
}

void setDevices(Backend& backend) {
  backend.probe = [](Message* message) { return probed(message, [] { openGpu(0); }); };
  backend.openDevice = [](const DeviceOptions* options, Device** device, Message* message) {
    return guarded(message, [&] {
      auto opened = std::make_unique<Gpu>(options->planned != nullptr ? plannedGpu(options->planned)
                                                                      : openGpu(options->index));
      *device = reinterpret_cast<Device*>(opened.release());
    });
  };
  backend.closeDevice = [](Device* device) { delete &gpuOf(device); };
  backend.deviceInfo = [](Device* device, DeviceInfo* info) {
    const Gpu& gpu = gpuOf(device);
    Message ignored;
    if (guarded(&ignored, [&] { *info = gpu.present(); }) != 0) *info = gpu.info;
  };
  backend.packedBytes = [](Device*, DType dtype, int64_t rows, int64_t columns) {
    return kernels().packedBytes(dtype, rows, columns);
  };
  backend.workspaceBytes = [](Device* device, Op op, const void* arguments) -> int64_t {
    const Kernel& kernel = kernels().of(op);
    return kernel.workspace == nullptr ? 0 : kernel.workspace(arguments, gpuOf(device).machine);
  };
  backend.supports = [](Device*, Op op, const void* arguments, Message* message) {
    const std::string why = frame::whyUnsupported(kernels(), op, arguments);
    return why.empty() ? 0 : failWith(message, why);
  };
  backend.kernelName = [](Device*, Op op, const void* arguments) {
    return frame::kernelName(kernels(), op, arguments);
  };
}

void setMemory(Backend& backend) {
  backend.allocate = [](Device* device, int64_t bytes, Buffer** buffer, Message* message) {
    return guarded(message, [&] {
      auto created = std::make_unique<DeviceBuffer>(DeviceBuffer{nullptr, bytes, gpuOf(device).index});
      created->memory = allocateDevice(gpuOf(device), bytes);
      *buffer = reinterpret_cast<Buffer*>(created.release());
    });
  };
  backend.release = [](Device* device, Buffer* buffer) {
    const std::unique_ptr<DeviceBuffer> released(&bufferOf(buffer));
    releaseDevice(gpuOf(device), released->memory);
  };
  backend.allocateHost = [](Device* device, int64_t bytes, void** memory, Message* message) {
    return guarded(message, [&] { *memory = allocatePinned(gpuOf(device), bytes); });
  };
  backend.releaseHost = [](Device*, void* memory) { releasePinned(static_cast<std::byte*>(memory)); };
}

void setWork(Backend& backend) {
  backend.createStream = [](Device* device, Stream** stream, Message* message) {
    return guarded(message, [&] { *stream = reinterpret_cast<Stream*>(new StreamState(gpuOf(device))); });
  };
  backend.destroyStream = [](Stream* stream) { delete &state(stream); };
  backend.enqueue = [](Stream* stream, Op op, const void* arguments, Message* message) {
    return guarded(message, [&] {
      const size_t bytes = opSchema(op).bytes;
      const std::shared_ptr<std::byte[]> own(new std::byte[bytes]);
      std::memcpy(own.get(), arguments, bytes);
      resolve(state(stream).gpu(), op, own.get());
      state(stream).enqueueOp(op, own);
    });
  };
  backend.record = [](Device* device, const RecordedOp* ops, int64_t count, Recording** recording,
                      Message* message) {
    return guarded(message, [&] {
      auto recorded = std::make_unique<RecordingState>();
      for (int64_t i = 0; i < count; ++i) {
        std::byte* own = recorded->ops->add(ops[i].op, ops[i].arguments, opSchema(ops[i].op).bytes);
        resolve(gpuOf(device), ops[i].op, own);
        recorded->checked |= mayFail(ops[i].op, own);
      }
      *recording = reinterpret_cast<Recording*>(recorded.release());
    });
  };
  backend.replay = [](Stream* stream, const Recording* recording, Message* message) {
    return guarded(message, [&] { state(stream).enqueueRecording(state(recording)); });
  };
  backend.releaseRecording = [](Recording* recording) { delete &state(recording); };
  backend.checkFinite = [](Stream* stream, int on) { state(stream).enqueueCheckFinite(on != 0); };
  backend.notify = [](Stream* stream, void (*callback)(void*, const Message*), void* user, Message* message) {
    return guarded(message, [&] { state(stream).enqueueNotify(callback, user); });
  };
  backend.synchronize = [](Stream* stream, Message* message) {
    return guarded(message, [&] {
      const std::string error = state(stream).synchronize();
      if (!error.empty()) throw std::runtime_error(error);
    });
  };
}

void setCopies(Backend& backend) {
  backend.copyToDevice = [](Stream* stream, Buffer* target, int64_t offset, const void* host, int64_t bytes,
                            Message* message) {
    return guarded(message, [&] {
      state(stream).enqueueToDevice(placeIn("copyToDevice", target, offset, bytes), host, bytes);
    });
  };
  backend.copyToHost = [](Stream* stream, void* host, Buffer* source, int64_t offset, int64_t bytes,
                          Message* message) {
    return guarded(message, [&] {
      state(stream).enqueueToHost(host, placeIn("copyToHost", source, offset, bytes), bytes);
    });
  };
  backend.copy = [](Stream* stream, Buffer* target, int64_t targetOffset, Buffer* source,
                    int64_t sourceOffset, int64_t bytes, Message* message) {
    return guarded(message, [&] {
      state(stream).enqueueCopy(placeIn("copy", target, targetOffset, bytes),
                                placeIn("copy", source, sourceOffset, bytes), bufferOf(source).device, bytes);
    });
  };
  backend.fill = [](Stream* stream, Buffer* target, int64_t offset, uint8_t value, int64_t bytes,
                    Message* message) {
    return guarded(message,
                   [&] { state(stream).enqueueFill(placeIn("fill", target, offset, bytes), value, bytes); });
  };
}

void setEvents(Backend& backend) {
  backend.createEvent = [](Device* device, Event** event, Message* message) {
    return guarded(message, [&] { *event = reinterpret_cast<Event*>(new EventState(gpuOf(device))); });
  };
  backend.destroyEvent = [](Event* event) { delete &state(event); };
  backend.recordEvent = [](Stream* stream, Event* event, Message* message) {
    return guarded(message, [&] { state(stream).enqueueRecord(state(event)); });
  };
  backend.waitEvent = [](Stream* stream, Event* event, Message* message) {
    return guarded(message, [&] { state(stream).enqueueWait(state(event)); });
  };
  backend.elapsed = [](Event* from, Event* to, double* seconds, Message* message) {
    return guarded(message, [&] { *seconds = secondsBetween(state(from), state(to)); });
  };
}

}  // namespace

const void* extension(const char* name) {
#ifdef __CUDACC__
  return nullptr;
#else
  return emulator::runtimeExtension(name);
#endif
}

const Backend* backend() {
  static const Backend backend = [] {
    Backend result{};
    result.abiVersion = kBackendAbiVersion;
    result.tableHash = opTableHash();
    result.name = kBackendName;
#ifdef __CUDACC__
    result.opensDriver = 1;
#endif
    setDevices(result);
    setMemory(result);
    setWork(result);
    setCopies(result);
    setEvents(result);
    result.extension = extension;
    return result;
  }();
  return &backend;
}

}  // namespace ibert::cuda

extern "C" __attribute__((visibility("default"))) const ibert::Backend* ibertBackend() {
  return ibert::cuda::backend();
}

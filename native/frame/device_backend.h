// The backend's table of functions over the devices, streams and memory of GPUs, whoever makes them.
//
// Parts is the GPU's own side, as static members:
//   Gpu, StreamState, EventState, RecordingState, DeviceBuffer  its types; a DeviceBuffer has memory, bytes
//   and
//                                                   device, a Gpu index, info, machine and present()
//   kernels()                                       the table of all kernels
//   open(const DeviceOptions&)                      a Gpu; throws what keeps it from being one
//   probe(Message*)                                 as Backend::probe
//   allocate(const Gpu&, bytes), release(const Gpu&, DeviceBuffer*)
//   allocateHost(const Gpu&, bytes), releaseHost(std::byte*)
//   secondsBetween(EventState&, EventState&)        throws where one of them was not passed
//   extension(const char*)                          as Backend::extension
#pragma once

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "checks.h"
#include "faults.h"
#include "message.h"
#include "operands.h"

namespace ibert::frame {

template <class Parts>
class DeviceBackend {
 public:
  static Backend table(const char* name) {
    Backend result{};
    result.abiVersion = kBackendAbiVersion;
    result.tableHash = opTableHash();
    result.name = name;
    setDevices(result);
    setMemory(result);
    setWork(result);
    setCopies(result);
    setEvents(result);
    result.extension = Parts::extension;
    return result;
  }

 private:
  using Gpu = typename Parts::Gpu;
  using StreamState = typename Parts::StreamState;
  using EventState = typename Parts::EventState;
  using RecordingState = typename Parts::RecordingState;
  using DeviceBuffer = typename Parts::DeviceBuffer;

  static const Gpu& gpuOf(Device* device) { return *reinterpret_cast<const Gpu*>(device); }
  static DeviceBuffer& bufferOf(Buffer* buffer) { return *reinterpret_cast<DeviceBuffer*>(buffer); }
  static StreamState& state(Stream* stream) { return *reinterpret_cast<StreamState*>(stream); }
  static EventState& state(Event* event) { return *reinterpret_cast<EventState*>(event); }
  // What a device makes of a recording is made when it is replayed.
  static RecordingState& state(const Recording* recording) {
    return *reinterpret_cast<RecordingState*>(const_cast<Recording*>(recording));
  }

  // A place in a buffer that a copy or a fill covers.
  static std::byte* placeIn(const char* what, Buffer* buffer, int64_t offset, int64_t bytes) {
    const DeviceBuffer& extent = bufferOf(buffer);
    if (offset < 0 || bytes < 0 || offset > extent.bytes || bytes > extent.bytes - offset) {
      throw std::runtime_error(std::string(what) + ": " + std::to_string(bytes) + " bytes at " +
                               std::to_string(offset) + " do not lie in a buffer of " +
                               std::to_string(extent.bytes) + " bytes");
    }
    return extent.memory + offset;
  }

  // Checks the op and gives the operands of the frame's copy their addresses.
  static void resolve(const Gpu& gpu, Op op, std::byte* arguments) {
    requireRunnable(Parts::kernels(), op, arguments);
    resolveOperands(op, arguments, Parts::kernels().packedBytes, [&](Buffer* buffer) -> const DeviceBuffer& {
      const DeviceBuffer& extent = bufferOf(buffer);
      if (extent.device != gpu.index) {
        throw std::runtime_error(std::string(opSchema(op).name) + ": an operand lies on device " +
                                 std::to_string(extent.device) + ", the stream is of device " +
                                 std::to_string(gpu.index));
      }
      return extent;
    });
  }

  static void setDevices(Backend& backend) {
    backend.probe = Parts::probe;
    backend.openDevice = [](const DeviceOptions* options, Device** device, Message* message) {
      return guarded(message, [&] {
        auto opened = std::make_unique<Gpu>(Parts::open(*options));
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
      return Parts::kernels().packedBytes(dtype, rows, columns);
    };
    backend.workspaceBytes = [](Device* device, Op op, const void* arguments) -> int64_t {
      const auto& kernel = Parts::kernels().of(op);
      return kernel.workspace == nullptr ? 0 : kernel.workspace(arguments, gpuOf(device).machine);
    };
    backend.supports = [](Device*, Op op, const void* arguments, Message* message) {
      const std::string why = whyUnsupported(Parts::kernels(), op, arguments);
      return why.empty() ? 0 : failWith(message, why);
    };
    backend.kernelName = [](Device* device, Op op, const void* arguments) {
      return frame::kernelName(Parts::kernels(), op, arguments, gpuOf(device).machine);
    };
  }

  static void setMemory(Backend& backend) {
    backend.allocate = [](Device* device, int64_t bytes, Buffer** buffer, Message* message) {
      return guarded(message,
                     [&] { *buffer = reinterpret_cast<Buffer*>(Parts::allocate(gpuOf(device), bytes)); });
    };
    backend.release = [](Device* device, Buffer* buffer) {
      Parts::release(gpuOf(device), &bufferOf(buffer));
    };
    backend.allocateHost = [](Device* device, int64_t bytes, void** memory, Message* message) {
      return guarded(message, [&] { *memory = Parts::allocateHost(gpuOf(device), bytes); });
    };
    backend.releaseHost = [](Device*, void* memory) { Parts::releaseHost(static_cast<std::byte*>(memory)); };
  }

  static void setWork(Backend& backend) {
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
    backend.notify = [](Stream* stream, void (*callback)(void*, const Message*), void* user,
                        Message* message) {
      return guarded(message, [&] { state(stream).enqueueNotify(callback, user); });
    };
    backend.synchronize = [](Stream* stream, Message* message) {
      return guarded(message, [&] {
        const std::string error = state(stream).synchronize();
        if (!error.empty()) throw std::runtime_error(error);
      });
    };
  }

  static void setCopies(Backend& backend) {
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
                                  placeIn("copy", source, sourceOffset, bytes), bufferOf(source).device,
                                  bytes);
      });
    };
    backend.fill = [](Stream* stream, Buffer* target, int64_t offset, uint8_t value, int64_t bytes,
                      Message* message) {
      return guarded(
          message, [&] { state(stream).enqueueFill(placeIn("fill", target, offset, bytes), value, bytes); });
    };
  }

  static void setEvents(Backend& backend) {
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
      return guarded(message, [&] { *seconds = Parts::secondsBetween(state(from), state(to)); });
    };
  }
};

}  // namespace ibert::frame

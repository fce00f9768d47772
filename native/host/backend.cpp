#include "backend.h"

#include <cstdio>
#include <cstring>

#include "../frame/checks.h"
#include "../frame/message.h"
#include "../platform/memory.h"
#include "../platform/processor.h"
#include "memory.h"
#include "stream.h"

namespace ibert::host {

namespace {

using frame::failWith;
using frame::guarded;

DeviceState* state(Device* device) {
  return reinterpret_cast<DeviceState*>(device);
}
StreamState* state(Stream* stream) {
  return reinterpret_cast<StreamState*>(stream);
}
const frame::OpList* state(const Recording* recording) {
  return reinterpret_cast<const frame::OpList*>(recording);
}
EventState& state(Event* event) {
  return *reinterpret_cast<EventState*>(event);
}

std::string processorName() {
  const std::string name = platform::processorName();
  return name.empty() ? "CPU" : name;
}

const KernelTable& tableOf(Device* device) {
  return *state(device)->table;
}

// A place in a buffer that a copy or a fill covers.
std::byte* placeIn(const char* what, Buffer* buffer, int64_t offset, int64_t bytes) {
  const HostBuffer& extent = bufferOf(buffer);
  if (offset < 0 || bytes < 0 || offset > extent.bytes || bytes > extent.bytes - offset) {
    throw std::runtime_error(std::string(what) + ": " + std::to_string(bytes) + " bytes at " +
                             std::to_string(offset) + " do not lie in a buffer of " +
                             std::to_string(extent.bytes) + " bytes");
  }
  return extent.memory + offset;
}

// Checks the op and gives the operands of the frame's copy their addresses.
void resolve(const KernelTable& table, Op op, std::byte* arguments) {
  frame::requireRunnable(table, op, arguments);
  frame::resolveOperands(op, arguments, table.packedBytes,
                         [](Buffer* buffer) -> const HostBuffer& { return bufferOf(buffer); });
}

}  // namespace

int probeHost(const KernelTable& (*choose)(), Message* message) {
  return guarded(message, [&] { choose(); });
}

int openHostDevice(const KernelTable& (*choose)(), const DeviceOptions* options, Device** device,
                   Message* message) {
  return guarded(message, [&] {
    const KernelTable& table = choose();
    if (options->planned != nullptr && std::strcmp(options->planned, table.architecture) != 0) {
      throw std::runtime_error(std::string("the backend ") + table.backend +
                               " plans for this machine alone, which is " + table.architecture +
                               ", not for " + options->planned);
    }
    if (options->index != 0) throw std::runtime_error("the host has one device, number 0");
    if (options->threads < 0 || options->threads > 1024)
      throw std::runtime_error("threads must be in 0..1024");
    auto created = std::make_unique<DeviceState>();
    created->table = &table;
    created->pool =
        std::make_unique<ThreadPool>(options->threads == 0 ? platform::usableCores() : options->threads);
    *device = reinterpret_cast<Device*>(created.release());
  });
}

Backend hostBackendTemplate(const char* name) {
  Backend backend{};
  backend.abiVersion = kBackendAbiVersion;
  backend.tableHash = opTableHash();
  backend.name = name;
  backend.closeDevice = [](Device* device) { delete state(device); };
  backend.deviceInfo = [](Device* device, DeviceInfo* info) {
    *info = {};
    std::snprintf(info->name, sizeof(info->name), "%s", processorName().c_str());
    std::snprintf(info->architecture, sizeof(info->architecture), "%s", tableOf(device).architecture);
    info->memoryBytes = platform::physicalMemory();
    info->availableBytes = platform::availableMemory();
    info->maxBufferBytes = info->memoryBytes;
    info->threads = state(device)->pool->threads();
    info->sharesHostMemory = 1;
  };
  backend.allocate = [](Device*, int64_t bytes, Buffer** buffer, Message* message) {
    return guarded(message, [&] {
      auto created = std::make_unique<HostBuffer>(HostBuffer{nullptr, bytes});
      created->memory = allocatePages(bytes);
      *buffer = reinterpret_cast<Buffer*>(created.release());
    });
  };
  backend.release = [](Device*, Buffer* buffer) {
    const std::unique_ptr<HostBuffer> released(&bufferOf(buffer));
    releasePages(released->memory);
  };
  backend.allocateHost = [](Device*, int64_t bytes, void** memory, Message* message) {
    return guarded(message, [&] { *memory = allocatePages(bytes); });
  };
  backend.releaseHost = [](Device*, void* memory) { releasePages(static_cast<std::byte*>(memory)); };
  backend.packedBytes = [](Device* device, DType dtype, int64_t rows, int64_t columns) {
    return tableOf(device).packedBytes(dtype, rows, columns);
  };
  backend.workspaceBytes = [](Device* device, Op op, const void* arguments) -> int64_t {
    const Kernel& kernel = tableOf(device).of(op);
    return kernel.workspace == nullptr ? 0 : kernel.workspace(arguments, state(device)->pool->threads());
  };
  backend.supports = [](Device* device, Op op, const void* arguments, Message* message) {
    const std::string why = frame::whyUnsupported(tableOf(device), op, arguments);
    return why.empty() ? 0 : failWith(message, why);
  };
  backend.kernelName = [](Device* device, Op op, const void* arguments) {
    return frame::kernelName(tableOf(device), op, arguments, state(device)->pool->threads());
  };
  backend.createStream = [](Device* device, Stream** stream, Message* message) {
    return guarded(message, [&] { *stream = reinterpret_cast<Stream*>(new StreamState(*state(device))); });
  };
  backend.destroyStream = [](Stream* stream) { delete state(stream); };
  backend.enqueue = [](Stream* stream, Op op, const void* arguments, Message* message) {
    return guarded(message, [&] {
      const size_t bytes = opSchema(op).bytes;
      std::unique_ptr<std::byte[]> own(new std::byte[bytes]);
      std::memcpy(own.get(), arguments, bytes);
      resolve(*state(stream)->device().table, op, own.get());
      state(stream)->enqueueOp(op, std::move(own));
    });
  };
  backend.record = [](Device* device, const RecordedOp* ops, int64_t count, Recording** recording,
                      Message* message) {
    return guarded(message, [&] {
      auto recorded = std::make_unique<frame::OpList>();
      for (int64_t i = 0; i < count; ++i)
        resolve(tableOf(device), ops[i].op,
                recorded->add(ops[i].op, ops[i].arguments, opSchema(ops[i].op).bytes));
      *recording = reinterpret_cast<Recording*>(recorded.release());
    });
  };
  backend.replay = [](Stream* stream, const Recording* recording, Message* message) {
    return guarded(message, [&] { state(stream)->enqueueRecording(*state(recording)); });
  };
  backend.releaseRecording = [](Recording* recording) { delete state(recording); };
  backend.copyToDevice = [](Stream* stream, Buffer* target, int64_t offset, const void* host, int64_t bytes,
                            Message* message) {
    return guarded(message, [&] {
      state(stream)->enqueueCopy(placeIn("copyToDevice", target, offset, bytes), host, bytes);
    });
  };
  backend.copyToHost = [](Stream* stream, void* host, Buffer* source, int64_t offset, int64_t bytes,
                          Message* message) {
    return guarded(message, [&] {
      state(stream)->enqueueCopy(host, placeIn("copyToHost", source, offset, bytes), bytes);
    });
  };
  backend.copy = [](Stream* stream, Buffer* target, int64_t targetOffset, Buffer* source,
                    int64_t sourceOffset, int64_t bytes, Message* message) {
    return guarded(message, [&] {
      state(stream)->enqueueCopy(placeIn("copy", target, targetOffset, bytes),
                                 placeIn("copy", source, sourceOffset, bytes), bytes);
    });
  };
  backend.fill = [](Stream* stream, Buffer* target, int64_t offset, uint8_t value, int64_t bytes,
                    Message* message) {
    return guarded(message,
                   [&] { state(stream)->enqueueFill(placeIn("fill", target, offset, bytes), value, bytes); });
  };
  backend.notify = [](Stream* stream, void (*callback)(void*, const Message*), void* user, Message* message) {
    return guarded(message, [&] { state(stream)->enqueueNotify(callback, user); });
  };
  backend.synchronize = [](Stream* stream, Message* message) {
    return guarded(message, [&] {
      const std::string error = state(stream)->synchronize();
      if (!error.empty()) throw std::runtime_error(error);
    });
  };
  backend.checkFinite = [](Stream* stream, int on) { state(stream)->enqueueCheckFinite(on != 0); };
  backend.createEvent = [](Device*, Event** event, Message* message) {
    return guarded(message, [&] { *event = reinterpret_cast<Event*>(new EventState); });
  };
  backend.destroyEvent = [](Event* event) { delete &state(event); };
  backend.recordEvent = [](Stream* stream, Event* event, Message* message) {
    return guarded(message, [&] { state(stream)->enqueueRecord(state(event)); });
  };
  backend.waitEvent = [](Stream* stream, Event* event, Message* message) {
    return guarded(message, [&] { state(stream)->enqueueWait(state(event)); });
  };
  backend.elapsed = [](Event* from, Event* to, double* seconds, Message* message) {
    return guarded(message, [&] { *seconds = state(to).secondsSince(state(from)); });
  };
  backend.extension = [](const char*) -> const void* { return nullptr; };
  return backend;
}

}  // namespace ibert::host

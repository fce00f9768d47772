#include "backend.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#include <sys/mman.h>
#endif
#include <unistd.h>

#include "../schema.h"
#include "stream.h"

namespace ibert::host {

namespace {

// Training's buffers in pages of this size made a step 1 to 3 % faster.
constexpr size_t kHugePage = size_t{2} << 20;

DeviceState* state(Device* device) {
  return reinterpret_cast<DeviceState*>(device);
}
StreamState* state(Stream* stream) {
  return reinterpret_cast<StreamState*>(stream);
}
const RecordedOps* state(const Recording* recording) {
  return reinterpret_cast<const RecordedOps*>(recording);
}

int failWith(Message* message, const std::string& text) {
  std::snprintf(message->text, sizeof(message->text), "%s", text.c_str());
  return 1;
}

// Runs body; an exception becomes the message.
template <class Body>
int guarded(Message* message, Body&& body) {
  try {
    body();
    return 0;
  } catch (const std::bad_alloc&) {
    return failWith(message, "out of memory");
  } catch (const std::exception& error) {
    return failWith(message, error.what());
  }
}

int usableCores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

std::string processorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "CPU";
}

int64_t physicalMemory() {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
}

const Kernel& kernelOf(Device* device, Op op) {
  return state(device)->table->kernels[static_cast<int>(op)];
}

std::string whyUnsupported(Device* device, Op op, const void* arguments) {
  const Kernel& kernel = kernelOf(device, op);
  if (kernel.run == nullptr) {
    return std::string(opSchema(op).name) + ": the backend " + state(device)->table->backend +
           " lacks this op";
  }
  if (kernel.unsupported == nullptr) return "";
  const std::string why = kernel.unsupported(arguments);
  return why.empty() ? ""
                     : std::string(opSchema(op).name) + ": " + why + " (backend " +
                           state(device)->table->backend + ")";
}

// Throws what is wrong with the arguments of an op that is to run on this device.
void requireRunnable(Device* device, Op op, const void* arguments) {
  checkArguments(op, arguments);
  const std::string why = whyUnsupported(device, op, arguments);
  if (!why.empty()) throw std::runtime_error(why);
}

}  // namespace

int probeHost(const KernelTable& (*choose)(), Message* message) {
  return guarded(message, [&] { choose(); });
}

int openHostDevice(const KernelTable& (*choose)(), const DeviceOptions* options, Device** device,
                   Message* message) {
  return guarded(message, [&] {
    if (options->index != 0) throw std::runtime_error("the host has one device, number 0");
    if (options->threads < 0 || options->threads > 1024)
      throw std::runtime_error("threads must be in 0..1024");
    auto created = std::make_unique<DeviceState>();
    created->table = &choose();
    created->pool = std::make_unique<ThreadPool>(options->threads == 0 ? usableCores() : options->threads);
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
    std::snprintf(info->architecture, sizeof(info->architecture), "%s", state(device)->table->architecture);
    info->memoryBytes = physicalMemory();
    info->threads = state(device)->pool->threads();
  };
  backend.allocate = [](Device*, int64_t bytes, void** memory, Message* message) {
    // Whole pages, so that a tensor's tail can be read by full vectors.
    const size_t rounded = (static_cast<size_t>(std::max<int64_t>(bytes, 1)) + 64 + 4095) / 4096 * 4096;
    const bool huge = rounded >= kHugePage;
    *memory = std::aligned_alloc(huge ? kHugePage : 4096, rounded);
#if defined(__linux__)
    if (*memory != nullptr && huge) madvise(*memory, rounded, MADV_HUGEPAGE);  // only ever a hint
#endif
    if (*memory != nullptr) return 0;
    return failWith(message, "out of memory: " + std::to_string(bytes) + " bytes");
  };
  backend.release = [](Device*, void* memory) { std::free(memory); };
  backend.packedBytes = [](Device* device, DType dtype, int64_t rows, int64_t columns) {
    return state(device)->table->packedBytes(dtype, rows, columns);
  };
  backend.workspaceBytes = [](Device* device, Op op, const void* arguments) -> int64_t {
    const Kernel& kernel = kernelOf(device, op);
    return kernel.workspace == nullptr ? 0 : kernel.workspace(arguments, state(device)->pool->threads());
  };
  backend.supports = [](Device* device, Op op, const void* arguments, Message* message) {
    const std::string why = whyUnsupported(device, op, arguments);
    return why.empty() ? 0 : failWith(message, why);
  };
  backend.kernelName = [](Device* device, Op op) -> const char* {
    const Kernel& kernel = kernelOf(device, op);
    return kernel.run == nullptr ? nullptr : kernel.path;
  };
  backend.createStream = [](Device* device, Stream** stream, Message* message) {
    return guarded(message, [&] { *stream = reinterpret_cast<Stream*>(new StreamState(*state(device))); });
  };
  backend.destroyStream = [](Stream* stream) { delete state(stream); };
  backend.enqueue = [](Stream* stream, Op op, const void* arguments, Message* message) {
    return guarded(message, [&] {
      requireRunnable(reinterpret_cast<Device*>(&state(stream)->device()), op, arguments);
      state(stream)->enqueueOp(op, arguments, opSchema(op).bytes);
    });
  };
  backend.record = [](Device* device, const RecordedOp* ops, int64_t count, Recording** recording,
                      Message* message) {
    return guarded(message, [&] {
      auto recorded = std::make_unique<RecordedOps>();
      for (int64_t i = 0; i < count; ++i) {
        requireRunnable(device, ops[i].op, ops[i].arguments);
        recorded->add(ops[i].op, ops[i].arguments, opSchema(ops[i].op).bytes);
      }
      *recording = reinterpret_cast<Recording*>(recorded.release());
    });
  };
  backend.replay = [](Stream* stream, const Recording* recording, Message* message) {
    return guarded(message, [&] { state(stream)->enqueueRecording(*state(recording)); });
  };
  backend.releaseRecording = [](Recording* recording) { delete state(recording); };
  const auto copy = [](Stream* stream, void* target, const void* source, int64_t bytes, Message* message) {
    return guarded(message, [&] { state(stream)->enqueueCopy(target, source, bytes); });
  };
  backend.copyToDevice = copy;
  backend.copyToHost = copy;
  backend.fill = [](Stream* stream, void* target, uint8_t value, int64_t bytes, Message* message) {
    return guarded(message, [&] { state(stream)->enqueueFill(target, value, bytes); });
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
  return backend;
}

}  // namespace ibert::host

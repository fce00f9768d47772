// The hardware over the emulator: command buffers run on a thread of their queue, launches one after another.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "emulator/memory.h"
#include "emulator/place.h"
#include "emulator/report_extension.h"
#include "emulator/schedules.h"
#include "emulator/violation.h"
#include "entry.h"
#include "frame/task_thread.h"
#include "hardware.h"

namespace ibert::metal {

namespace {

std::map<std::string, Entry>& entries() {
  static auto* all = new std::map<std::string, Entry>;
  return *all;
}

std::atomic<const char*> failure{nullptr};  // of the next command buffer

struct EmulatedBuffer final : GpuBuffer {
  explicit EmulatedBuffer(int64_t size) {
    address = static_cast<std::byte*>(emulator::allocate(static_cast<size_t>(size)));
    bytes = size;
  }
  ~EmulatedBuffer() override { emulator::release(address); }
};

struct EmulatedPipeline final : Pipeline {
  explicit EmulatedPipeline(const Entry& entry) : entry(entry) {
    name = entry.name;
    // As grid.h declares all kernels; IBERT_EMULATED_THREADS=128 is a GPU that gives them fewer.
    const char* threads = std::getenv("IBERT_EMULATED_THREADS");
    mostThreads = threads == nullptr ? 256 : static_cast<int>(std::strtol(threads, nullptr, 10));
  }
  const Entry& entry;
};

struct EmulatedEvent final : GpuEvent {
  std::mutex mutex;
  std::condition_variable risen;
  uint64_t value = 0;
};

class EmulatedCommands final : public Commands, public std::enable_shared_from_this<EmulatedCommands> {
 public:
  explicit EmulatedCommands(frame::TaskThread& queue) : queue_(queue) {}

  void dispatch(const Dispatch& dispatch) override {
    const Entry& entry = static_cast<EmulatedPipeline*>(dispatch.pipeline)->entry;
    const auto require = [&](bool right, const char* what, int64_t asked, int64_t has) {
      if (right) return;
      throw std::logic_error(std::string("the kernel ") + entry.name + " has " + std::to_string(has) + " " +
                             what + ", and is given " + std::to_string(asked));
    };
    require(dispatch.bindingCount == entry.operands, "buffers", dispatch.bindingCount, entry.operands);
    require(dispatch.parameterBytes == entry.parameterBytes, "bytes of parameters",
            static_cast<int64_t>(dispatch.parameterBytes), static_cast<int64_t>(entry.parameterBytes));
    require((dispatch.threadgroupBytes > 0) == entry.hasThreadgroupMemory, "threadgroup memory",
            dispatch.threadgroupBytes, entry.hasThreadgroupMemory);
    Call call{};
    for (int i = 0; i < dispatch.bindingCount; ++i) {
      const Binding& binding = dispatch.bindings[i];
      call.operands[i] = binding.buffer == nullptr ? nullptr : binding.buffer->address + binding.offset;
    }
    std::memcpy(call.parameters, dispatch.parameters, dispatch.parameterBytes);
    steps_.push_back([this, call, &entry, groups = static_cast<unsigned>(dispatch.groups),
                      threads = static_cast<unsigned>(dispatch.threads),
                      memory = static_cast<size_t>(dispatch.threadgroupBytes)] {
      if (!error_.empty()) return;
      if (emulator::launchKernel(entry.run, &call, sizeof call, entry.function,
                                 std::source_location::current(), groups, threads, memory))
        return;
      const auto violation = emulator::takeViolation();
      error_ = violation ? violation->text() : "a launch failed";
    });
  }
  void signal(GpuEvent& event, uint64_t value) override {
    steps_.push_back([&own = static_cast<EmulatedEvent&>(event), value] {
      {
        const std::lock_guard lock(own.mutex);
        if (value > own.value) own.value = value;
      }
      own.risen.notify_all();
    });
  }
  void wait(GpuEvent& event, uint64_t value) override {
    steps_.push_back([&own = static_cast<EmulatedEvent&>(event), value] {
      std::unique_lock lock(own.mutex);
      own.risen.wait(lock, [&] { return own.value >= value; });
    });
  }
  void commit() override {
    if (const char* text = failure.exchange(nullptr)) error_ = text;
    queue_.post([self = shared_from_this()] {
      for (const auto& step : self->steps_) step();
      self->steps_.clear();
      {
        const std::lock_guard lock(self->mutex_);
        self->finishedAt_ = std::chrono::steady_clock::now();
        self->isFinished_ = true;
      }
      self->finished_.notify_all();
    });
  }
  bool isFinished() override {
    const std::lock_guard lock(mutex_);
    return isFinished_;
  }
  std::string finish() override {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] { return isFinished_; });
    return error_;
  }
  double finishedAt() override {
    const std::lock_guard lock(mutex_);
    return std::chrono::duration<double>(finishedAt_.time_since_epoch()).count();
  }

 private:
  frame::TaskThread& queue_;
  std::vector<std::function<void()>> steps_;
  std::string error_;
  std::mutex mutex_;
  std::condition_variable finished_;
  bool isFinished_ = false;
  std::chrono::steady_clock::time_point finishedAt_;
};

class EmulatedQueue final : public Queue {
 public:
  std::shared_ptr<Commands> commands() override { return std::make_shared<EmulatedCommands>(thread_); }

 private:
  frame::TaskThread thread_{[] {}};
};

class EmulatedHardware final : public Hardware {
 public:
  DeviceInfo info() override {
    DeviceInfo result{};
    std::snprintf(result.name, sizeof result.name, "emulated Apple GPU");
    const char* family = std::getenv("IBERT_EMULATED_GPU");
    std::snprintf(result.architecture, sizeof result.architecture, "%s",
                  family == nullptr || *family == 0 ? "emulated" : family);
    result.memoryBytes = result.maxBufferBytes = static_cast<int64_t>(emulator::kDeviceBytes);
    result.availableBytes = result.memoryBytes - static_cast<int64_t>(emulator::allocatedBytes());
    result.sharesHostMemory = 1;
    return result;
  }
  // IBERT_EMULATED_METAL=3.0 is a system without it.
  bool hasBfloat() override {
    const char* version = std::getenv("IBERT_EMULATED_METAL");
    return version == nullptr || std::strcmp(version, "3.0") != 0;
  }
  std::unique_ptr<GpuBuffer> allocate(int64_t bytes) override {
    return std::make_unique<EmulatedBuffer>(bytes);
  }
  void write(std::byte* to, const void* from, int64_t bytes) override {
    emulator::copyToDevice(to, from, static_cast<size_t>(bytes));
  }
  void read(void* to, const std::byte* from, int64_t bytes) override {
    emulator::copyToHost(to, from, static_cast<size_t>(bytes));
  }
  void copy(std::byte* to, const std::byte* from, int64_t bytes) override {
    emulator::copyOnDevice(to, from, static_cast<size_t>(bytes));
  }
  void fill(std::byte* to, uint8_t value, int64_t bytes) override {
    emulator::fill(to, value, static_cast<size_t>(bytes));
  }
  Pipeline& pipeline(const char* kernel, TileType type) override {
    const std::string name = std::string(kernel) + (type == TileType::bf16 ? kBf16Entry : "");
    const std::lock_guard lock(mutex_);
    auto& found = pipelines_[name];
    if (found == nullptr) {
      const auto entry = entries().find(name);
      if (entry == entries().end()) throw std::runtime_error("there is no kernel " + name);
      found = std::make_unique<EmulatedPipeline>(entry->second);
    }
    return *found;
  }
  std::unique_ptr<Queue> queue() override { return std::make_unique<EmulatedQueue>(); }
  std::unique_ptr<GpuEvent> event() override { return std::make_unique<EmulatedEvent>(); }

 private:
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<EmulatedPipeline>> pipelines_;
};

}  // namespace

bool addEntry(const Entry& entry) {
  return entries().emplace(entry.name, entry).second;
}

const char* const kBackendName = "metal-emulated";

std::shared_ptr<Hardware> openHardware(int index) {
  if (index != 0) throw std::runtime_error("the emulator has one Metal device, number 0");
  return std::make_shared<EmulatedHardware>();
}

const void* hardwareExtension(const char* name) {
  if (std::strcmp(name, kFailNext) == 0)
    return reinterpret_cast<const void*>(+[](const char* text) { failure = text; });
  const void* report = emulator::ReportExtension<emulator::describeMetal>::of(name);
  return report != nullptr ? report : emulator::schedulesExtension(name);
}

}  // namespace ibert::metal

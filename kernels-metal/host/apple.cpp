// The hardware of a Mac. It builds without Apple's SDK, and nobody has run it on one yet.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "command_error.h"
#include "hardware.h"
#include "objc.h"
#include "source.h"

namespace ibert::metal {

namespace {

using objc::Id;
using objc::Owned;
using objc::Pool;
using objc::send;

// Constants of Metal's headers.
constexpr unsigned long kStorageModeShared = 0, kLanguage30 = 3 << 16, kLanguage31 = (3 << 16) + 1,
                        kStatusCompleted = 4, kStatusError = 5;
constexpr long kFamilyApple1 = 1001, kFamilyApple9 = 1009;

// MTLSize
struct Size {
  unsigned long width, height, depth;
};

// NSOperatingSystemVersion
struct Version {
  long major, minor, patch;
};

std::string textOf(Id string) {
  const char* text = string == nullptr ? nullptr : send<const char*>(string, "UTF8String");
  return text == nullptr ? "" : text;
}
std::string errorOf(Id error) {
  const std::string text = error == nullptr ? "" : textOf(send(error, "localizedDescription"));
  return text.empty() ? "no reason given" : text;
}
Id stringOf(const char* text) {
  return send(objc::classNamed("NSString"), "stringWithUTF8String:", text);
}

struct AppleBuffer final : GpuBuffer {
  explicit AppleBuffer(Owned buffer, int64_t size) : buffer(std::move(buffer)) {
    address = send<std::byte*>(this->buffer.get(), "contents");
    bytes = size;
  }
  Owned buffer;
};

struct ApplePipeline final : Pipeline {
  Owned state;
};

struct AppleEvent final : GpuEvent {
  Owned event;
};

class AppleCommands final : public Commands {
 public:
  explicit AppleCommands(Id queue) {
    const Pool pool;
    buffer_ = Owned::retain(send(queue, "commandBuffer"));
    if (!buffer_) throw std::bad_alloc();
  }
  void dispatch(const Dispatch& dispatch) override {
    const Pool pool;
    if (!encoder_) encoder_ = Owned::retain(send(buffer_.get(), "computeCommandEncoder"));
    if (!encoder_) throw std::runtime_error("Metal gave no encoder");
    const Id encoder = encoder_.get();
    send<void>(encoder,
               "setComputePipelineState:", static_cast<ApplePipeline*>(dispatch.pipeline)->state.get());
    for (int i = 0; i < dispatch.bindingCount; ++i) {
      const Binding& binding = dispatch.bindings[i];
      send<void>(encoder, "setBuffer:offset:atIndex:",
                 binding.buffer == nullptr ? Id() : static_cast<AppleBuffer*>(binding.buffer)->buffer.get(),
                 static_cast<unsigned long>(binding.offset), static_cast<unsigned long>(i));
    }
    send<void>(encoder, "setBytes:length:atIndex:", dispatch.parameters,
               static_cast<unsigned long>(dispatch.parameterBytes),
               static_cast<unsigned long>(dispatch.bindingCount));
    if (dispatch.threadgroupBytes > 0)
      send<void>(encoder,
                 "setThreadgroupMemoryLength:atIndex:", static_cast<unsigned long>(dispatch.threadgroupBytes),
                 0UL);
    send<void>(encoder, "dispatchThreadgroups:threadsPerThreadgroup:",
               Size{static_cast<unsigned long>(dispatch.groups), 1, 1},
               Size{static_cast<unsigned long>(dispatch.threads), 1, 1});
  }
  void signal(GpuEvent& event, uint64_t value) override {
    endEncoding();
    send<void>(buffer_.get(), "encodeSignalEvent:value:", static_cast<AppleEvent&>(event).event.get(), value);
  }
  void wait(GpuEvent& event, uint64_t value) override {
    endEncoding();
    send<void>(buffer_.get(), "encodeWaitForEvent:value:", static_cast<AppleEvent&>(event).event.get(),
               value);
  }
  void commit() override {
    endEncoding();
    send<void>(buffer_.get(), "commit");
  }
  bool isFinished() override {
    const auto status = send<unsigned long>(buffer_.get(), "status");
    return status == kStatusCompleted || status == kStatusError;
  }
  std::string finish() override {
    const Pool pool;
    send<void>(buffer_.get(), "waitUntilCompleted");
    if (send<unsigned long>(buffer_.get(), "status") != kStatusError) return "";
    const Id error = send(buffer_.get(), "error");
    return commandError(error == nullptr ? 0 : send<long>(error, "code"), errorOf(error));
  }
  double finishedAt() override { return send<double>(buffer_.get(), "GPUEndTime"); }

 private:
  void endEncoding() {
    if (encoder_) send<void>(encoder_.get(), "endEncoding");
    encoder_ = {};
  }

  Owned buffer_, encoder_;
};

class AppleQueue final : public Queue {
 public:
  explicit AppleQueue(Id device) : queue_(Owned::adopt(send(device, "newCommandQueue"))) {
    if (!queue_) throw std::bad_alloc();
  }
  std::shared_ptr<Commands> commands() override { return std::make_shared<AppleCommands>(queue_.get()); }

 private:
  Owned queue_;
};

class AppleHardware final : public Hardware {
 public:
  explicit AppleHardware(Owned device) : device_(std::move(device)) {}

  DeviceInfo info() override {
    const Pool pool;
    const auto number = [&](const char* what) {
      return static_cast<int64_t>(send<unsigned long>(device_.get(), what));
    };
    DeviceInfo result{};
    std::snprintf(result.name, sizeof result.name, "%s", textOf(send(device_.get(), "name")).c_str());
    long family = newestFamily();
    while (family > kFamilyApple1 && !send<bool>(device_.get(), "supportsFamily:", family)) --family;
    std::snprintf(result.architecture, sizeof result.architecture, "apple%ld", family - kFamilyApple1 + 1);
    result.memoryBytes = number("recommendedMaxWorkingSetSize");
    result.availableBytes = result.memoryBytes - number("currentAllocatedSize");
    result.maxBufferBytes = number("maxBufferLength");
    result.sharesHostMemory = 1;
    return result;
  }
  std::unique_ptr<GpuBuffer> allocate(int64_t bytes) override {
    Owned buffer =
        Owned::adopt(send(device_.get(), "newBufferWithLength:options:", static_cast<unsigned long>(bytes),
                          kStorageModeShared));
    if (!buffer) throw std::bad_alloc();
    return std::make_unique<AppleBuffer>(std::move(buffer), bytes);
  }
  void write(std::byte* to, const void* from, int64_t bytes) override { std::memcpy(to, from, bytes); }
  void read(void* to, const std::byte* from, int64_t bytes) override { std::memcpy(to, from, bytes); }
  void copy(std::byte* to, const std::byte* from, int64_t bytes) override { std::memmove(to, from, bytes); }
  void fill(std::byte* to, uint8_t value, int64_t bytes) override { std::memset(to, value, bytes); }
  // It came with macOS 14.
  bool hasBfloat() override {
    const Pool pool;
    const Id process = send(objc::classNamed("NSProcessInfo"), "processInfo");
    return send<bool>(process, "isOperatingSystemAtLeastVersion:", Version{14, 0, 0});
  }
  Pipeline& pipeline(const char* name, TileType type) override {
    const std::lock_guard lock(mutex_);
    auto& found = pipelines_[{name, type}];
    if (found == nullptr) found = compiled(name, type);
    return *found;
  }
  std::unique_ptr<Queue> queue() override { return std::make_unique<AppleQueue>(device_.get()); }
  std::unique_ptr<GpuEvent> event() override {
    auto event = std::make_unique<AppleEvent>();
    event->event = Owned::adopt(send(device_.get(), "newSharedEvent"));
    if (!event->event) throw std::bad_alloc();
    return event;
  }

 private:
  // IBERT_METAL_FAMILY=6 treats a newer GPU as an M1's elder, to run what such GPUs run.
  static long newestFamily() {
    const char* text = std::getenv("IBERT_METAL_FAMILY");
    const long number = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
    return number < 1 ? kFamilyApple9 : std::min(kFamilyApple9, kFamilyApple1 - 1 + number);
  }
  Id library(int file, TileType type) {
    Owned& library = libraries_[{file, type}];
    if (library) return library.get();
    const bool isBf16 = type == TileType::bf16;
    const Owned options = Owned::adopt(send(objc::classNamed("MTLCompileOptions"), "new"));
    // Infinities and NaN are numbers here.
    send<void>(options.get(), "setFastMathEnabled:", false);
    send<void>(options.get(), "setLanguageVersion:", isBf16 ? kLanguage31 : kLanguage30);
    if (isBf16)
      send<void>(options.get(), "setPreprocessorMacros:",
                 send(objc::classNamed("NSDictionary"), "dictionaryWithObject:forKey:", stringOf("1"),
                      stringOf("IBERT_BF16_TILES")));
    Id error = nullptr;
    library =
        Owned::adopt(send(device_.get(), "newLibraryWithSource:options:error:", stringOf(kSourceTexts[file]),
                          options.get(), &error));
    if (!library)
      throw std::runtime_error(std::string("Metal does not compile ") + kSourceNames[file] +
                               (isBf16 ? " in bf16: " : ": ") + errorOf(error));
    return library.get();
  }
  std::unique_ptr<ApplePipeline> compiled(const char* name, TileType type) {
    const Pool pool;
    for (int i = 0; i < kKernelCount; ++i) {
      if (std::strcmp(kKernelSources[i].kernel, name) != 0) continue;
      const Owned function =
          Owned::adopt(send(library(kKernelSources[i].file, type), "newFunctionWithName:", stringOf(name)));
      if (!function) break;
      Id error = nullptr;
      auto pipeline = std::make_unique<ApplePipeline>();
      pipeline->name = name;
      pipeline->state = Owned::adopt(
          send(device_.get(), "newComputePipelineStateWithFunction:error:", function.get(), &error));
      if (!pipeline->state)
        throw std::runtime_error(std::string("Metal makes no pipeline of ") + name + ": " + errorOf(error));
      pipeline->mostThreads =
          static_cast<int>(send<unsigned long>(pipeline->state.get(), "maxTotalThreadsPerThreadgroup"));
      return pipeline;
    }
    throw std::runtime_error(std::string("there is no kernel ") + name);
  }

  Owned device_;
  std::mutex mutex_;
  std::map<std::pair<int, TileType>, Owned> libraries_;
  std::map<std::pair<std::string, TileType>, std::unique_ptr<ApplePipeline>> pipelines_;
};

}  // namespace

const char* const kBackendName = "metal";

std::shared_ptr<Hardware> openHardware(int index) {
  objc::load();
  const auto create = reinterpret_cast<Id (*)()>(objc::metalFunction("MTLCreateSystemDefaultDevice"));
  if (create == nullptr) throw std::runtime_error("no Metal here: MTLCreateSystemDefaultDevice is missing");
  const Pool pool;
  Owned device = Owned::adopt(create());
  if (!device) throw std::runtime_error("no Metal here: the system gives no device");
  if (index != 0) throw std::runtime_error("a Mac has one Metal device, number 0");
  return std::make_shared<AppleHardware>(std::move(device));
}

const void* hardwareExtension(const char*) {
  return nullptr;
}

}  // namespace ibert::metal

// The backend's table of functions over devices, streams and memory of Metal.
#include <new>

#include "frame/device_backend.h"
#include "kernels.h"
#include "stream.h"

namespace ibert::metal {

namespace {

// As frame/device_backend.h wants them.
struct Parts {
  using Gpu = metal::Gpu;
  using StreamState = metal::StreamState;
  using EventState = metal::EventState;
  using RecordingState = metal::RecordingState;
  using DeviceBuffer = metal::DeviceBuffer;

  static const KernelTable& kernels() { return metal::kernels(); }
  static Gpu open(const DeviceOptions& options) {
    return options.planned != nullptr ? plannedGpu(options.planned) : openGpu(options.index);
  }
  static int probe(Message* message) {
    const int status = frame::guarded(message, [] { openGpu(0); });
    return status == 0 ? 0 : static_cast<int>(Obstacle::NoDevice);
  }
  static DeviceBuffer* allocate(const Gpu& gpu, int64_t bytes) {
    auto created =
        std::make_unique<DeviceBuffer>(DeviceBuffer{nullptr, bytes, gpu.index, gpu.allocate(bytes)});
    created->memory = created->buffer->address;
    return created.release();
  }
  static void release(const Gpu& gpu, DeviceBuffer* buffer) {
    const std::unique_ptr<DeviceBuffer> released(buffer);
    gpu.release(std::move(released->buffer));
  }
  // Memory is shared and copies are the host's, so that any memory of the host will do.
  static std::byte* allocateHost(const Gpu& gpu, int64_t bytes) {
    gpu.use();
    return static_cast<std::byte*>(::operator new(static_cast<size_t>(bytes), kHostAlignment));
  }
  static void releaseHost(std::byte* memory) { ::operator delete(memory, kHostAlignment); }
  static double secondsBetween(EventState& from, EventState& to) { return metal::secondsBetween(from, to); }
  static const void* extension(const char* name) { return hardwareExtension(name); }

 private:
  static constexpr std::align_val_t kHostAlignment{256};
};

}  // namespace

const Backend* backend() {
  static const Backend backend = frame::DeviceBackend<Parts>::table(kBackendName);
  return &backend;
}

}  // namespace ibert::metal

extern "C" __attribute__((visibility("default"))) const ibert::Backend* ibertBackend() {
  return ibert::metal::backend();
}

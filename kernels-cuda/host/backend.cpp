// The backend's table of functions over devices, streams and memory of CUDA.
#include "driver.h"
#include "event.h"
#include "frame/device_backend.h"
#include "gpu.h"
#include "kernels.h"
#include "memory.h"
#include "recording.h"
#include "stream.h"

namespace ibert::cuda {

namespace {

// As frame/device_backend.h wants them.
struct Parts {
  using Gpu = cuda::Gpu;
  using StreamState = cuda::StreamState;
  using EventState = cuda::EventState;
  using RecordingState = cuda::RecordingState;
  using DeviceBuffer = cuda::DeviceBuffer;

  static const KernelTable& kernels() { return cuda::kernels(); }
  static Gpu open(const DeviceOptions& options) {
    return options.planned != nullptr ? plannedGpu(options.planned) : openGpu(options.index);
  }
  static int probe(Message* message) {
    return probed(message, [] { openGpu(0); });
  }
  static DeviceBuffer* allocate(const Gpu& gpu, int64_t bytes) {
    auto created = std::make_unique<DeviceBuffer>(DeviceBuffer{nullptr, bytes, gpu.index});
    created->memory = allocateDevice(gpu, bytes);
    return created.release();
  }
  static void release(const Gpu& gpu, DeviceBuffer* buffer) {
    const std::unique_ptr<DeviceBuffer> released(buffer);
    releaseDevice(gpu, released->memory);
  }
  static std::byte* allocateHost(const Gpu& gpu, int64_t bytes) { return allocatePinned(gpu, bytes); }
  static void releaseHost(std::byte* memory) { releasePinned(memory); }
  static double secondsBetween(EventState& from, EventState& to) { return cuda::secondsBetween(from, to); }
  static const void* extension(const char* name) {
#ifdef __CUDACC__
    return nullptr;
#else
    return emulator::runtimeExtension(name);
#endif
  }
};

}  // namespace

const Backend* backend() {
  static const Backend backend = [] {
    Backend result = frame::DeviceBackend<Parts>::table(kBackendName);
#ifdef __CUDACC__
    result.opensDriver = 1;
#endif
    return result;
  }();
  return &backend;
}

}  // namespace ibert::cuda

extern "C" __attribute__((visibility("default"))) const ibert::Backend* ibertBackend() {
  return ibert::cuda::backend();
}

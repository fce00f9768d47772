#include "emulator/runtime/runtime.h"

#include <atomic>
#include <cstdlib>
#include <map>
#include <new>
#include <stdexcept>
#include <utility>

#include "emulator/memory.h"
#include "emulator/runtime/stream.h"

using namespace ibert::emulator;

namespace {

// Two, so that copies from one to another are seen; their memory is one region.
constexpr int kDevices = 2;
constexpr size_t kMemory = kDeviceBytes;

// Never destroyed: a process may exit while its threads still copy.
std::mutex& pinnedMutex = *new std::mutex;
std::map<const char*, size_t>& pinned = *new std::map<const char*, size_t>;  // by address
thread_local std::string lastError;
std::atomic<int64_t> captured{0};  // graphs

StreamQueue& queueOf(cudaStream_t stream) {
  return *static_cast<StreamQueue*>(stream);
}

cudaError_t told(const std::string& text) {
  if (text.empty()) return cudaSuccess;
  lastError = text;
  return cudaErrorLaunchFailure;
}

bool isPinned(const void* memory, size_t bytes) {
  const std::lock_guard lock(pinnedMutex);
  const auto* at = static_cast<const char*>(memory);
  auto after = pinned.upper_bound(at);
  if (after == pinned.begin()) return false;
  const auto& [begin, size] = *std::prev(after);
  return at + bytes <= begin + size;
}

}  // namespace

namespace ibert::emulator {

int64_t captures() {
  return captured;
}

std::string takeDeviceError() {
  return std::exchange(lastError, "");
}

}  // namespace ibert::emulator

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible != nullptr && *visible == 0) return cudaErrorNoDevice;
  *count = kDevices;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  return device >= 0 && device < kDevices ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= kDevices) return cudaErrorInvalidDevice;
  *properties = {"emulated GPU", kMemory, 227 << 10, 9, 0, 132};
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  *total = kMemory;
  *available = kMemory - std::min(kMemory, allocatedBytes());
  return cudaSuccess;
}

cudaError_t cudaGetLastError() {
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  try {
    *memory = allocate(bytes);
    return cudaSuccess;
  } catch (const std::bad_alloc&) {
    return cudaErrorMemoryAllocation;
  }
}

cudaError_t cudaFree(void* memory) {
  try {
    release(memory);
    return cudaSuccess;
  } catch (const std::invalid_argument&) {
    return cudaErrorInvalidValue;
  }
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  constexpr size_t kPage = 4096;
  bytes = (std::max<size_t>(bytes, 1) + kPage - 1) / kPage * kPage;
  *memory = std::aligned_alloc(kPage, bytes);
  if (*memory == nullptr) return cudaErrorMemoryAllocation;
  const std::lock_guard lock(pinnedMutex);
  pinned[static_cast<char*>(*memory)] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  {
    const std::lock_guard lock(pinnedMutex);
    if (pinned.erase(static_cast<char*>(memory)) == 0) return cudaErrorInvalidValue;
  }
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new StreamQueue;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return told(queueOf(stream).synchronize());
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (kind == cudaMemcpyHostToDevice && !isPinned(from, bytes)) return cudaErrorInvalidValue;
  if (kind == cudaMemcpyDeviceToHost && !isPinned(to, bytes)) return cudaErrorInvalidValue;
  queueOf(stream).post([=](const std::shared_ptr<Failure>&) {
    if (kind == cudaMemcpyHostToDevice) return copyToDevice(to, from, bytes);
    if (kind == cudaMemcpyDeviceToHost) return copyToHost(to, from, bytes);
    copyOnDevice(to, from, bytes);
  });
  return cudaSuccess;
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  queueOf(stream).post([=](const std::shared_ptr<Failure>&) { fill(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  queueOf(stream).post([state = event->state, place = event->state->record()](
                           const std::shared_ptr<Failure>& failure) { state->pass(place, failure); });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return told(event->state->synchronize());
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  std::chrono::steady_clock::time_point begin, end;
  if (!from->state->time(&begin) || !to->state->time(&end)) return cudaErrorNotReady;
  *milliseconds = std::chrono::duration<float, std::milli>(end - begin).count();
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  queueOf(stream).post([state = event->state, place = event->state->last()](const std::shared_ptr<Failure>&) {
    state->wait(place);
  });
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  queueOf(stream).captured = std::make_unique<std::vector<Node>>();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  auto nodes = std::move(queueOf(stream).captured);
  if (!nodes) return cudaErrorInvalidValue;
  ++captured;
  *graph = new CUgraph_st{std::move(*nodes)};
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraphExec_st{graph->nodes};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const Node& node : executable->nodes) queueOf(stream).post(node);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

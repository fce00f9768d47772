// Scratch memory of a stream of the CUDA backend: it grows in place over addresses that were reserved, and
// moves on a device that lacks that.
#include <cstdlib>
#include <cstring>

#include "../../kernels-cuda/host/memory.h"  // native/host/ has one too
#include "check.h"
#include "cuda_runtime_kernels.h"
#include "emulator/memory.h"

namespace ibert::tests {

namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int kCount = 32;

struct Fixture {
  Fixture() : gpu(cuda::openGpu(0)) {
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaMallocHost(reinterpret_cast<void**>(&host), kCount * sizeof(int));
  }
  ~Fixture() {
    cudaStreamDestroy(stream);
    cudaFreeHost(host);
  }
  std::byte* ensure(cuda::Workspace& workspace, int64_t bytes) {
    return workspace.ensure(bytes, [this] {
      ++settled;
      cudaStreamSynchronize(stream);
    });
  }
  int read(const std::byte* at) {
    cudaMemcpyAsync(host, at, kCount * sizeof(int), cudaMemcpyDeviceToHost, stream);
    const cudaError_t error = cudaStreamSynchronize(stream);
    return error == cudaSuccess ? host[kCount - 1] : -1;
  }
  cudaError_t add(std::byte* at) {
    addOne(stream, reinterpret_cast<int*>(at), kCount);
    return cudaStreamSynchronize(stream);
  }

  const cuda::Gpu gpu;
  cudaStream_t stream = nullptr;
  int* host = nullptr;
  int settled = 0;
};

void testGrowth() {
  const size_t before = emulator::allocatedBytes();
  {
    Fixture fixture;
    cuda::Workspace workspace(fixture.gpu);
    expect(workspace.growsInPlace(), "the device grows memory in place");
    std::byte* const begin = fixture.ensure(workspace, 0);
    expect(begin != nullptr && emulator::allocatedBytes() == before, "an address, and no memory yet");
    expect(fixture.add(begin) == cudaErrorLaunchFailure, "nothing may be touched there");
    expect(emulator::takeDeviceError().find("reads out of bounds") != std::string::npos, "and it is named");
    fixture.ensure(workspace, 1);
    expect(emulator::allocatedBytes() == before + 2 * kMiB, "memory comes in whole pieces");
    cudaMemsetAsync(begin, 0, kCount * sizeof(int), fixture.stream);
    expect(fixture.add(begin) == cudaSuccess, "it is usable");
    // Across the seams of pieces, and not beyond the last.
    for (const int64_t size : {3 * kMiB, 4 * kMiB, 64 * kMiB + 1}) {
      expect(fixture.ensure(workspace, size) == begin, "growth leaves the address");
      cudaMemsetAsync(begin + kMiB, 0, static_cast<size_t>(size - kMiB), fixture.stream);
      expect(fixture.add(begin + size / 4 * 4 - kCount * 4) == cudaSuccess, "what was added is usable");
    }
    expect(fixture.read(begin) == 1, "growth leaves what was there");
    expect(fixture.add(begin + 66 * kMiB) == cudaErrorLaunchFailure,
           "behind the last piece is out of bounds");
    const std::string text = emulator::takeDeviceError();
    expect(text.find("of an allocation of " + std::to_string(66 * kMiB) + " bytes") != std::string::npos,
           "pieces are one allocation: " + text);
    expect(fixture.ensure(workspace, 2) == begin && fixture.settled == 0, "nobody had to wait");
  }
  expect(emulator::allocatedBytes() == before, "all of it is given back");
}

void testOutOfMemory() {
  Fixture fixture;
  cuda::Workspace workspace(fixture.gpu);
  std::byte* const begin = fixture.ensure(workspace, kMiB);
  cudaMemsetAsync(begin, 0, kMiB, fixture.stream);
  expectError([&] { fixture.ensure(workspace, int64_t{1} << 50); },
              "out of memory: 1125899906842624 bytes asked for, ", "more than the device has");
  // All but a little of the device is somebody else's; nobody touches it.
  emulator::takeMemory(static_cast<size_t>(fixture.gpu.info.memoryBytes - 8 * kMiB));
  expectError([&] { fixture.ensure(workspace, 16 * kMiB); },
              "out of memory: 16777216 bytes asked for, 6291456 of ", "no room to grow");
  expect(fixture.ensure(workspace, kMiB) == begin && fixture.add(begin) == cudaSuccess &&
             fixture.read(begin) == 1,
         "what there was is usable after a growth that failed");
  expect(fixture.ensure(workspace, 4 * kMiB) == begin, "and what fits can still be had");
  emulator::giveMemoryBack(static_cast<size_t>(fixture.gpu.info.memoryBytes - 8 * kMiB));
  expect(fixture.ensure(workspace, 16 * kMiB) == begin, "and the rest when there is room");
}

// Two streams do not come into each other's addresses.
void testMany() {
  Fixture fixture;
  cuda::Workspace first(fixture.gpu);
  for (int round = 0; round < 200; ++round) {
    cuda::Workspace second(fixture.gpu);
    expect(second.growsInPlace(), "addresses come back");
    const std::byte* other = fixture.ensure(second, (round % 3 + 1) * kMiB);
    expect(std::abs(other - fixture.ensure(first, kMiB)) >= fixture.gpu.info.memoryBytes, "ranges lie apart");
  }
}

void testWithout() {
  setenv("IBERT_EMULATOR_VIRTUAL_MEMORY", "0", 1);
  Fixture fixture;
  cuda::Workspace workspace(fixture.gpu);
  expect(!workspace.growsInPlace(), "a device that lacks it");
  expect(fixture.ensure(workspace, 0) == nullptr, "has nothing before it is asked for");
  std::byte* const begin = fixture.ensure(workspace, kMiB);
  fixture.ensure(workspace, kMiB);
  expect(begin != nullptr && fixture.settled == 1, "and memory of the size that is needed");
  std::byte* const moved = fixture.ensure(workspace, 4 * kMiB);
  expect(fixture.settled == 2, "waits for the work that uses what is given up");
  cudaMemsetAsync(moved, 0, 4 * kMiB, fixture.stream);
  expect(fixture.add(moved + 4 * kMiB - kCount * 4) == cudaSuccess, "and has more then");
  expectError([&] { fixture.ensure(workspace, int64_t{1} << 50); },
              "out of memory: 1125899906842624 bytes asked for, ", "memory that runs out");
  expect(fixture.ensure(workspace, kMiB) != nullptr, "can be asked for again");
  unsetenv("IBERT_EMULATOR_VIRTUAL_MEMORY");
}

}  // namespace

}  // namespace ibert::tests

int main() {
  using namespace ibert::tests;
  testGrowth();
  testOutOfMemory();
  testMany();
  testWithout();
  return report();
}

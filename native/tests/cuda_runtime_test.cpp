// The emulated CUDA runtime: work that runs later and in order, and what becomes of a kernel that breaks a
// rule.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>
#include <vector>

#include "check.h"
#include "cuda_runtime_kernels.h"

namespace ibert::tests {

namespace {

constexpr int kCount = 16;
constexpr size_t kBytes = kCount * sizeof(int);

struct Fixture {
  Fixture() {
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaMalloc(reinterpret_cast<void**>(&words), kBytes);
    cudaMallocHost(reinterpret_cast<void**>(&host), kBytes);
    cudaMemsetAsync(words, 0, kBytes, stream);
  }
  ~Fixture() {
    cudaStreamDestroy(stream);
    cudaFree(words);
    cudaFreeHost(host);
  }
  int read() {
    cudaMemcpyAsync(host, words, kBytes, cudaMemcpyDeviceToHost, stream);
    cudaStreamSynchronize(stream);
    return host[kCount - 1];
  }

  cudaStream_t stream = nullptr;
  int *words = nullptr, *host = nullptr;
};

// Nothing of a stream runs before the other has come to the event that it waits for.
void testLater() {
  Fixture first, second;
  cudaEvent_t gate;
  cudaEventCreateWithFlags(&gate, cudaEventDefault);
  for (int i = 0; i < 100; ++i) addOne(first.stream, first.words, kCount);
  cudaEventRecord(gate, first.stream);
  cudaStreamWaitEvent(second.stream, gate, 0);
  cudaMemcpyAsync(second.words, first.words, kBytes, cudaMemcpyDeviceToDevice, second.stream);
  expect(second.read() == 100, "a stream waits for an event of another");
  cudaEventDestroy(gate);
}

void testGraph() {
  Fixture fixture;
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  cudaStreamBeginCapture(fixture.stream, cudaStreamCaptureModeThreadLocal);
  addOne(fixture.stream, fixture.words, kCount);
  addOne(fixture.stream, fixture.words, kCount);
  expect(cudaStreamEndCapture(fixture.stream, &graph) == cudaSuccess, "a graph is captured");
  expect(fixture.read() == 0, "what is captured does not run");
  cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  for (int i = 0; i < 5; ++i) cudaGraphLaunch(executable, fixture.stream);
  cudaGraphExecDestroy(executable);
  expect(fixture.read() == 10, "a graph runs as often as it is launched");
}

void testViolation() {
  Fixture fixture, other;
  cudaEvent_t event;
  cudaEventCreateWithFlags(&event, cudaEventDefault);
  expect(writeBehind(fixture.stream, fixture.words, kCount) == cudaSuccess, "a launch returns at once");
  addOne(fixture.stream, fixture.words, kCount);
  cudaEventRecord(event, fixture.stream);
  expect(cudaEventSynchronize(event) == cudaErrorLaunchFailure, "who waits is told of the failure");
  const std::string text = emulator::takeDeviceError();
  expect(text.find("behind") != std::string::npos && text.find("writes out of bounds") != std::string::npos,
         "with kernel and rule: " + text);
  expect(fixture.read() == 0, "no kernel behind it ran");
  addOne(fixture.stream, fixture.words, kCount);
  addOne(other.stream, other.words, kCount);
  expect(fixture.read() == 1, "after it was told the stream works on");
  expect(other.read() == 1, "other streams never noticed");
  cudaEventDestroy(event);
}

void testStrict() {
  Fixture fixture;
  std::vector<int> pageable(kCount);
  expect(cudaMemcpyAsync(fixture.words, pageable.data(), kBytes, cudaMemcpyHostToDevice, fixture.stream) ==
             cudaErrorInvalidValue,
         "pageable memory is refused");
  cudaMemcpyAsync(fixture.words, fixture.host, kBytes + 4, cudaMemcpyHostToDevice, fixture.stream);
  expect(cudaStreamSynchronize(fixture.stream) == cudaErrorLaunchFailure, "a copy out of bounds fails");
  const std::string text = emulator::takeDeviceError();
  expect(text.find("copy to the device of 68 bytes") != std::string::npos, "and is named: " + text);
}

// A process that ends while a stream is at work ends as it was told to.
void testEnd() {
  for (int round = 0; round < 8; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      auto* fixture = new Fixture;  // never released
      for (int i = 0; i < 100000; ++i) addOne(fixture->stream, fixture->words, kCount);
      std::this_thread::sleep_for(std::chrono::milliseconds(round));
      std::exit(7);
    }
    int status = 0;
    waitpid(child, &status, 0);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 7, "the end of a process with work in flight");
  }
}

}  // namespace

}  // namespace ibert::tests

int main() {
  using namespace ibert::tests;
  testEnd();
  testLater();
  testGraph();
  testViolation();
  testStrict();
  return report();
}

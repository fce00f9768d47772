// Events of CUDA streams. A stream comes to the place of an event twice: its front records it, then the
// device passes it. Another stream's front waits for the first, the other stream on the device for the
// second.
#pragma once

#include "gpu.h"
#include "host/event.h"
#include "runtime.h"

namespace ibert::cuda {

struct EventState {
  explicit EventState(const Gpu& gpu) : gpu(gpu) {
    gpu.use();
    require(cudaEventCreateWithFlags(&event, cudaEventBlockingSync), "cudaEventCreate");
  }
  ~EventState() { (void)cudaEventDestroy(event); }
  EventState(const EventState&) = delete;
  EventState& operator=(const EventState&) = delete;

  const Gpu& gpu;
  cudaEvent_t event = nullptr;
  host::EventState recorded;
};

// Throws where one of them was not passed.
double secondsBetween(EventState& from, EventState& to);

}  // namespace ibert::cuda

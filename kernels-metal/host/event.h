// Events of streams. A stream comes to the place of an event twice: its front encodes it, then the device
// passes it. Another stream's front waits for the first, the other stream on the device for the second.
#pragma once

#include <memory>
#include <mutex>

#include "gpu.h"
#include "host/event.h"

namespace ibert::metal {

struct EventState {
  explicit EventState(const Gpu& gpu) : event(gpu.use().event()) {}

  std::unique_ptr<GpuEvent> event;
  host::EventState recorded;
  std::mutex mutex;
  std::shared_ptr<Commands> commands;  // that signal its last place
};

// Throws where one of them was not passed.
double secondsBetween(EventState& from, EventState& to);

}  // namespace ibert::metal

// Where the record of a stream's first fault (frame/faults.h) is read.
#pragma once

#include <mutex>
#include <vector>

#include "frame/faults.h"
#include "memory.h"

namespace ibert::cuda {

// Pinned places that records are copied into, one for each report on its way.
class FaultSlots {
 public:
  explicit FaultSlots(const Gpu& gpu) : gpu_(gpu) {}
  ~FaultSlots();
  FaultSlots(const FaultSlots&) = delete;
  FaultSlots& operator=(const FaultSlots&) = delete;

  frame::Fault* take();
  void giveBack(frame::Fault* slot);

 private:
  const Gpu& gpu_;
  std::mutex mutex_;
  std::vector<std::byte*> pages_;
  std::vector<frame::Fault*> free_;
};

}  // namespace ibert::cuda

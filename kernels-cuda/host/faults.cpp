#include "faults.h"

#include "kernel.h"

namespace ibert::cuda {

static_assert(kNotFinite == frame::kNotFinite && kNoneAllowed == frame::kNoneAllowed);

FaultSlots::~FaultSlots() {
  for (std::byte* page : pages_) releasePinned(page);
}

frame::Fault* FaultSlots::take() {
  constexpr int64_t kPage = 4096;
  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    pages_.push_back(allocatePinned(gpu_, kPage));
    auto* slots = reinterpret_cast<frame::Fault*>(pages_.back());
    for (int64_t i = kPage / static_cast<int64_t>(sizeof(frame::Fault)); i-- > 0;) free_.push_back(slots + i);
  }
  frame::Fault* slot = free_.back();
  free_.pop_back();
  return slot;
}

void FaultSlots::giveBack(frame::Fault* slot) {
  const std::lock_guard lock(mutex_);
  free_.push_back(slot);
}

}  // namespace ibert::cuda

#include "staging.h"

namespace ibert::cuda {

StagingRing::StagingRing(const Gpu& gpu, std::function<void(cudaError_t)> failed)
    : gpu_(gpu), failed_(std::move(failed)) {}

StagingRing::~StagingRing() {
  for (const auto& piece : pieces_) (void)cudaEventDestroy(piece->copied);
  for (const cudaEvent_t event : events_) (void)cudaEventDestroy(event);
  if (memory_ != nullptr) releasePinned(memory_);
}

cudaEvent_t StagingRing::event() {
  cudaEvent_t event;
  if (events_.empty()) {
    require(cudaEventCreateWithFlags(&event, cudaEventBlockingSync | cudaEventDisableTiming),
            "cudaEventCreate");
    return event;
  }
  event = events_.back();
  events_.pop_back();
  return event;
}

Piece& StagingRing::take(int64_t bytes) {
  constexpr int64_t kAlignment = 256;
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (memory_ == nullptr) memory_ = allocatePinned(gpu_, kBytes);
  // In use: [begin_, end_), or [begin_, kBytes) and [0, end_) where it went round; a full ring is never left
  // with begin_ == end_.
  for (;;) {
    if (pieces_.empty()) begin_ = end_ = 0;
    if (pieces_.empty() || end_ > begin_) {
      if (end_ + bytes <= kBytes) break;
      if (bytes < begin_) {
        end_ = 0;
        break;
      }
    } else if (end_ + bytes < begin_) {
      break;
    }
    releaseOldest();
  }
  pieces_.push_back(std::make_unique<Piece>(Piece{memory_ + end_, end_ + bytes, event(), false}));
  end_ += bytes;
  return *pieces_.back();
}

void StagingRing::giveBack(Piece& piece) {
  {
    const std::lock_guard lock(mutex_);
    piece.returned = true;
  }
  returned_.notify_one();
}

void StagingRing::releaseOldest() {
  Piece& oldest = *pieces_.front();
  {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [&] { return oldest.returned; });
  }
  if (const cudaError_t error = cudaEventSynchronize(oldest.copied); error != cudaSuccess) failed_(error);
  events_.push_back(oldest.copied);
  begin_ = oldest.end;
  pieces_.pop_front();
}

}  // namespace ibert::cuda

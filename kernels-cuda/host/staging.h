// A ring of pinned memory through which pageable memory of the host is copied: a device copies from and to
// pinned memory only, and everything else would block the thread that asks.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "memory.h"
#include "runtime.h"

namespace ibert::cuda {

// A piece of the ring while a copy uses it.
struct Piece {
  std::byte* memory;
  int64_t end;         // in the ring
  cudaEvent_t copied;  // recorded behind the device's copy
  bool returned;       // nobody uses it but, maybe, the device
};

class StagingRing {
 public:
  static constexpr int64_t kBytes = int64_t{16} << 20, kPieceBytes = kBytes / 4;

  // `failed` is told of errors of the device that a wait brought to light.
  StagingRing(const Gpu& gpu, std::function<void(cudaError_t)> failed);
  ~StagingRing();
  StagingRing(const StagingRing&) = delete;
  StagingRing& operator=(const StagingRing&) = delete;

  // Room for at most kPieceBytes, which may take until an older piece was returned and copied. One thread
  // takes.
  Piece& take(int64_t bytes);
  // From any thread.
  void giveBack(Piece& piece);

 private:
  void releaseOldest();
  cudaEvent_t event();

  const Gpu& gpu_;
  const std::function<void(cudaError_t)> failed_;
  std::byte* memory_ = nullptr;
  int64_t begin_ = 0, end_ = 0;  // of what is in use, which may go round
  std::deque<std::unique_ptr<Piece>> pieces_;
  std::vector<cudaEvent_t> events_;
  std::mutex mutex_;
  std::condition_variable returned_;
};

}  // namespace ibert::cuda

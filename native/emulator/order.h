// What happened before what. An access has an epoch: the segment in which its warp then was, and its lane. A
// warp gets a new segment (and its interval number grows) wherever all its lanes are ordered with each other:
// at __syncwarp and at barriers. So two accesses of one warp are ordered if they are of one lane or of
// different intervals, and those of other warps if the interval is one that is known through a barrier. One
// clock a warp is all it takes, and still lanes that exchange something without __syncwarp are seen. Shuffles
// order nothing, as in CUDA.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace ibert::emulator {

// An epoch: segment, lane, flags.
inline constexpr unsigned kSegmentShift = 7, kLaneShift = 2;
inline constexpr uint32_t kFlags = 3;
inline constexpr uint32_t kInFlight = 1;     // of a write: an asynchronous copy that nobody waited for
inline constexpr uint32_t kAtomic = 2;       // of a write
inline constexpr uint32_t kManyReaders = 1;  // of a read: other threads read at the same time
inline constexpr uint32_t kOtherWarps = 2;   // of a read: some of them in other warps
inline constexpr uint32_t kMostSegments = 1u << (32 - kSegmentShift);

struct WarpOrder {
  uint32_t interval = 0, lastBarrier = 0;  // the latter: the first interval since it waited at a barrier
  std::array<uint32_t, 32>
      known;  // of each warp of the block: intervals below are ordered before what comes now
  std::array<uint32_t, 32> epochs;  // of an access of each lane now
  // Epochs from `from`, `span` of them, are known to be ordered: what a block did before a barrier of all its
  // threads.
  uint32_t from = 0, span = 0;
  // Epochs of this launch below `othersBelow` are known not to be: other blocks', of which nothing is known;
  // and those from `concurrentFrom` on, by other threads, as nothing was learnt of any since.
  uint32_t othersBelow = 0, concurrentFrom = ~0u;
};

// What a thread knew when it signalled other blocks.
struct Publication {
  uint32_t block;
  std::array<uint32_t, 32> known;
  uint32_t warp, lane, interval, segment;  // of the signalling thread itself: its accesses up to this segment
};

struct Foreign {
  std::vector<std::shared_ptr<const Publication>> publications;
};

struct BlockOrder {
  uint32_t activeSince = 0;  // first segment since this block runs without another in between
  bool foreign = false;      // some thread knows of other blocks
};

// A round of a barrier.
struct BarrierOrder {
  std::array<uint32_t, 32> known{};
  std::shared_ptr<const Foreign> foreign;
  uint32_t warps = 0;
};

}  // namespace ibert::emulator

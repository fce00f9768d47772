// The threads of a block, its warps and barriers: a resumable set, of which several may be alive at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "emulator/async_copies.h"
#include "emulator/index.h"
#include "emulator/order.h"
#include "emulator/stack.h"

namespace ibert::emulator {

struct Block;
struct Warp;

inline constexpr unsigned kLanes = 32, kMostThreads = 1024, kMostWarps = kMostThreads / kLanes,
                          kNamedBarriers = 16, kBarriers = kNamedBarriers + 2;

struct Thread {
  enum class State : uint8_t { fresh, ready, running, waiting, ended };

  Context context;  // from its first step to its end
  Block* block = nullptr;
  Warp* warp = nullptr;
  Index index;
  uint16_t linear = 0;
  uint8_t lane = 0;
  State state = State::fresh;
  const char* waitsFor = nullptr;  // what, and of which number or address
  uint64_t waitsForValue = 0;
  AsyncCopies copies;
  std::shared_ptr<const Foreign> foreign;  // what it knows of other blocks (order.h)
};

// Lanes that meet for one instruction: the last to come computes for all.
struct Meeting {
  const char* what = nullptr;
  uint32_t mask = 0, arrived = 0;
};

struct Warp {
  unsigned number = 0;
  uint32_t lanes = 0, ended = 0;       // those that exist, those that ended
  uint32_t ready = 0;                  // for the schedule by priorities
  std::vector<Meeting> meetings;       // more than one only where lanes named different masks
  std::array<void*, kLanes> operands;  // of the lanes that wait in a meeting
  WarpOrder order;
};

struct Barrier {
  unsigned arrived = 0, expected = 0;
  std::vector<Thread*> waiting;
  // Masks for each warp: who arrived in this round, and who of them waits for its end.
  std::array<uint32_t, kMostWarps> lanes, syncing;
  // __syncthreads_or, _and, _count
  unsigned count = 0, result = 0;
  BarrierOrder order;
};

struct Block {
  Index index;
  unsigned number = 0;  // in the grid
  unsigned slot = 0;    // of its shared memory
  unsigned alive = 0;   // threads that did not end
  char* shared = nullptr;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::array<Barrier, kBarriers> barriers;
  std::vector<Thread*> ready;  // for the schedules lastFirst and random
  // for priorities: warps by rank, and the ranks whose warps have ready threads
  std::array<uint8_t, kMostWarps> warpOfRank, rankOfWarp;
  uint32_t readyRanks = 0;
  BlockOrder order;
};

}  // namespace ibert::emulator

#include "emulator/order.h"

#include <algorithm>

#include "emulator/launch.h"

namespace ibert::emulator {

namespace {

uint32_t newSegment(const Block& block, const Warp& warp) {
  Launch& launch = *launchNow;
  const uint32_t segment = launch.firstSegment + uint32_t(launch.segments.size());
  // 25 bits name some 30 million; more in one launch is beyond what anybody emulates.
  if (segment + 1 >= kMostSegments)
    launch.fail("one launch holds too many barriers for the race detector: make the grid smaller");
  launch.segments.push_back({block.number, warp.number, warp.order.interval});
  return segment;
}

void setEpochs(const Block& block, Warp& warp) {
  const uint32_t segment = newSegment(block, warp);
  for (unsigned lane = 0; lane < kLanes; ++lane)
    warp.order.epochs[lane] = segment << kSegmentShift | lane << kLaneShift;
}

}  // namespace

std::shared_ptr<const Foreign> joined(const std::shared_ptr<const Foreign>& a,
                                      const std::shared_ptr<const Foreign>& b) {
  if (!a || a == b) return b;
  if (!b) return a;
  auto both = std::make_shared<Foreign>(*a);
  for (const auto& publication : b->publications)
    if (std::find(a->publications.begin(), a->publications.end(), publication) == a->publications.end())
      both->publications.push_back(publication);
  return both;
}

// What the current thread did and knows, for those who will wait; what it does next is not part of it.
std::shared_ptr<const Publication> publish() {
  if (!launchNow->settings.checks) return nullptr;
  Thread& self = *current;
  WarpOrder& order = self.warp->order;
  auto publication =
      std::make_shared<Publication>(Publication{self.block->number, order.known, self.warp->number, self.lane,
                                                order.interval, order.epochs[self.lane] >> kSegmentShift});
  order.epochs[self.lane] = newSegment(*self.block, *self.warp) << kSegmentShift | uint32_t(self.lane)
                                                                                       << kLaneShift;
  return publication;
}

void learn(const std::vector<std::shared_ptr<const Publication>>& publications) {
  if (!launchNow->settings.checks || publications.empty()) return;
  Thread& self = *current;
  auto foreign = std::make_shared<Foreign>();
  foreign->publications = publications;
  self.foreign = joined(self.foreign, foreign);
  self.block->order.foreign = true;
  for (Warp& warp : self.block->warps) {
    warp.order.othersBelow = 0;
    warp.order.concurrentFrom = ~0u;
  }
}

void beginOrder(Block& block) {
  if (!launchNow->settings.checks) return;
  block.order = {launchNow->firstSegment + uint32_t(launchNow->segments.size()), false};
  for (Warp& warp : block.warps) {
    warp.order.interval = warp.order.lastBarrier = 0;
    warp.order.known.fill(0);
    warp.order.from = warp.order.span = 0;
    warp.order.othersBelow = warp.order.concurrentFrom = block.order.activeSince << kSegmentShift;
    setEpochs(block, warp);
  }
}

namespace {

void shareForeign(Warp& warp) {
  if (!current->block->order.foreign) return;
  Thread* first = current - current->lane;
  std::shared_ptr<const Foreign> all;
  for (unsigned lane = 0; lane < kLanes; ++lane)
    if (warp.lanes >> lane & 1) all = joined(all, first[lane].foreign);
  for (unsigned lane = 0; lane < kLanes; ++lane)
    if (warp.lanes >> lane & 1) first[lane].foreign = all;
}

}  // namespace

void orderWarp(Warp& warp) {
  if (!launchNow->settings.checks) return;
  ++warp.order.interval;
  warp.order.concurrentFrom = ~0u;
  setEpochs(*current->block, warp);
  shareForeign(warp);
}

// What the warp does from now on is not part of what the others will know. One that waits does nothing until
// the end of the round, which brings its new epochs.
void orderArrival(Warp& warp, BarrierOrder& round, bool waits) {
  if (!launchNow->settings.checks) return;
  if (waits) {
    ++warp.order.interval;
    shareForeign(warp);
  } else {
    orderWarp(warp);
  }
  for (unsigned w = 0; w < kMostWarps; ++w) round.known[w] = std::max(round.known[w], warp.order.known[w]);
  round.known[warp.number] = std::max(round.known[warp.number], warp.order.interval);
  round.warps |= 1u << warp.number;
  round.foreign = joined(round.foreign, current->foreign);
}

void orderRound(Block& block, Barrier& barrier) {
  if (!launchNow->settings.checks) return;
  const Launch& launch = *launchNow;
  const uint32_t since = block.order.activeSince,
                 now = launch.firstSegment + uint32_t(launch.segments.size());
  unsigned waiting = 0;
  for (uint32_t lanes : barrier.syncing) waiting += unsigned(__builtin_popcount(lanes));
  const bool whole = waiting == block.threads.size();
  for (Warp& warp : block.warps) {
    if (!barrier.syncing[warp.number]) continue;
    for (unsigned w = 0; w < kMostWarps; ++w)
      warp.order.known[w] = std::max(warp.order.known[w], barrier.order.known[w]);
    if (whole) {
      warp.order.from = since << kSegmentShift;
      warp.order.span = (now - since) << kSegmentShift;
      warp.order.concurrentFrom = now << kSegmentShift;
    } else {
      warp.order.concurrentFrom = ~0u;
    }
    warp.order.lastBarrier = warp.order.interval;
    setEpochs(block, warp);
    if (!barrier.order.foreign) continue;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      if (!(warp.lanes >> lane & 1)) continue;
      Thread& thread = block.threads[warp.number * kLanes + lane];
      thread.foreign = joined(thread.foreign, barrier.order.foreign);
    }
  }
}

}  // namespace ibert::emulator

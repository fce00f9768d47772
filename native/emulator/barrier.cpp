// __syncthreads, the named barriers and Metal's. They count threads, as the hardware does, and are stricter
// in what they let pass: whole warps only, nobody twice in a round, no thread that ended.
#include "emulator/launch.h"
#include "emulator/meeting.h"

namespace ibert::emulator {

namespace {

constexpr const char* kNames[kBarriers] = {
    "__syncthreads", "barrier 1",           "barrier 2",
    "barrier 3",     "barrier 4",           "barrier 5",
    "barrier 6",     "barrier 7",           "barrier 8",
    "barrier 9",     "barrier 10",          "barrier 11",
    "barrier 12",    "barrier 13",          "barrier 14",
    "barrier 15",    "threadgroup_barrier", "threadgroup_barrier without memory"};
constexpr unsigned kOrdering = kNamedBarriers, kWaitingOnly = kNamedBarriers + 1;  // Metal's

bool orders(const Block& block, const Barrier& barrier) {
  return &barrier != &block.barriers[kWaitingOnly];
}

// Counts the current thread's arrival; true when the round is complete.
bool arrive(Barrier& barrier, const char* name, unsigned threads, bool waits) {
  Thread& self = *current;
  Block& block = *self.block;
  const unsigned all = unsigned(block.threads.size());
  const unsigned expected = threads ? threads : all;
  if (expected > all) launchNow->fail(name, " of ", expected, " threads in a block of ", all);
  if (threads && threads % kLanes) launchNow->fail(name, " of ", threads, " threads, not whole warps");
  if (barrier.arrived && barrier.expected != expected)
    launchNow->fail(name, " of ", expected, " threads, while others wait there for ", barrier.expected);
  uint32_t& lanes = barrier.lanes[self.warp->number];
  if (lanes >> self.lane & 1) launchNow->fail("arrives at ", name, " twice in one round");
  lanes |= 1u << self.lane;
  if (waits) barrier.syncing[self.warp->number] |= 1u << self.lane;
  barrier.expected = expected;
  if (lanes == self.warp->lanes && orders(block, barrier)) orderArrival(*self.warp, barrier.order, waits);
  if (++barrier.arrived < expected) return false;
  for (const Warp& warp : block.warps)
    if (barrier.lanes[warp.number] && barrier.lanes[warp.number] != warp.lanes)
      launchNow->fail(name, " is complete although only some lanes of warp ", warp.number, " arrived");
  return true;
}

void finish(Barrier& barrier) {
  if (launchNow->recorder) ++launchNow->recorder->report.barriers;
  Block& block = *current->block;
  if (orders(block, barrier)) orderRound(block, barrier);
  barrier.arrived = 0;
  barrier.order = {};
  barrier.lanes.fill(0);
  barrier.syncing.fill(0);
  for (Thread* thread : barrier.waiting) launchNow->wake(*thread);
  barrier.waiting.clear();
}

Barrier& barrierOf(unsigned id) {
  if (id >= kNamedBarriers) launchNow->fail("names barrier ", id, ": there are 16");
  return current->block->barriers[id];
}

// Arrives and waits for the end of the round.
void sync(Barrier& barrier, const char* name, unsigned threads) {
  if (arrive(barrier, name, threads, true)) {
    barrier.result = barrier.count;
    barrier.count = 0;
    finish(barrier);
  } else {
    Thread* self = current;  // GCC's sanitizer takes the address of a thread_local for null
    barrier.waiting.push_back(self);
    launchNow->wait(name);
  }
}

}  // namespace

unsigned syncBarrier(unsigned id, unsigned threads, Reduction reduction, bool predicate) {
  Barrier& barrier = barrierOf(id);
  if (reduction != Reduction::none) barrier.count += predicate;
  sync(barrier, kNames[id], threads);
  switch (reduction) {
    case Reduction::any:
      return barrier.result > 0;
    case Reduction::all:
      return barrier.result == barrier.expected;
    default:
      return barrier.result;
  }
}

void threadgroupBarrier(bool orders) {
  const unsigned id = orders ? kOrdering : kWaitingOnly;
  sync(current->block->barriers[id], kNames[id], 0);
}

void arriveAtBarrier(unsigned id, unsigned threads) {
  if (threads == 0) launchNow->fail("arrives at a barrier of no threads");
  Barrier& barrier = barrierOf(id);
  // bar.arrive is of a whole warp: nobody goes on before all lanes are there.
  if (!meet("bar.arrive", ~0u, nullptr)) return;
  Thread* self = current;
  Thread* first = self - self->lane;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if (!(self->warp->lanes >> lane & 1)) continue;
    current = first + lane;
    if (arrive(barrier, kNames[id], threads, false)) finish(barrier);
  }
  current = self;
  depart(~0u);
}

}  // namespace ibert::emulator

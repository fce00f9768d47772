#include "emulator/launch.h"

#include <algorithm>
#include <mutex>
#include <numeric>

#include "emulator/access_path.h"
#include "emulator/instructions.h"
#include "emulator/memory.h"
#include "emulator/message.h"

namespace ibert::emulator {

constinit thread_local Thread* current = nullptr;
Launch* launchNow;

namespace {

std::mutex launching;
thread_local std::optional<Violation> lastViolation;
Stacks stacks;
uint32_t nextSegment = 2;  // 0 and 1 are no launch's (memory.h)
bool cellsAreStale = false;

constexpr size_t kMostShared = 227 << 10;  // a block of an H100

Index placeIn(Extent extent, unsigned number) {
  return {number % extent.x, number / extent.x % extent.y, number / extent.x / extent.y};
}

std::string text(const Index& i) {
  return message("(", i.x, ", ", i.y, ", ", i.z, ")");
}

void enterThreads() {
  arrived();
  launchNow->runThreads();
}

}  // namespace

bool runLaunch(const Kernel& kernel, Extent grid, Extent block, size_t sharedBytes) {
  std::lock_guard lock(launching);
  reserveRegion();
  Settings now = settings();
  now.checks |= now.report;  // which counts by what the checks note
  if (!now.checks) {
    cellsAreStale = true;
  } else if (cellsAreStale || nextSegment > kMostSegments / 2) {
    renewCells(cellsAreStale);
    cellsAreStale = false;
    nextSegment = 2;
  }
  Launch launch(kernel, grid, block, sharedBytes, now);
  launch.firstSegment = nextSegment;
  launchNow = &launch;
  watch = {now.checks, now.checks && !now.report ? kRegionBytes : 0, nextSegment << kSegmentShift, 0};
  if (now.report) launch.recorder = std::make_unique<Recorder>();
  lastViolation = launch.run();
  if (launch.recorder && !lastViolation) {
    launch.recorder->report.kernel = describeKernel(kernel);
    ++launch.recorder->report.launches;
    launch.recorder->report.threads = uint64_t(block.x) * block.y * block.z;
    launch.recorder->report.sharedBytes = sharedBytes;
    addReport(launch.recorder->report);
  }
  launchNow = nullptr;
  nextSegment += uint32_t(launch.segments.size());
  return !lastViolation;
}

std::optional<Violation> takeViolation() {
  auto violation = std::move(lastViolation);
  lastViolation.reset();
  return violation;
}

std::string Violation::text() const {
  return kernel + ", block " + emulator::text({block[0], block[1], block[2]}) + ", thread " +
         emulator::text({thread[0], thread[1], thread[2]}) + ": " + what +
         (where.empty() ? "" : " at " + where) + " [" + schedule + "]";
}

Launch::Launch(const Kernel& kernel, Extent grid, Extent block, size_t sharedBytes, const Settings& settings)
    : kernel(kernel),
      grid(grid),
      block(block),
      sharedBytes(sharedBytes),
      settings(settings),
      random(settings.seed),
      firstSegment(0) {}

std::optional<Violation> Launch::run() {
  const size_t threads = size_t(block.x) * block.y * block.z, blocks = size_t(grid.x) * grid.y * grid.z;
  // What a real launch refuses too.
  std::string refused;
  if (threads == 0 || threads > kMostThreads || block.z > 64)
    refused = message("a block of ", threads, " threads");
  if (blocks == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    refused = message("a grid of ", grid.x, " x ", grid.y, " x ", grid.z, " blocks");
  if (sharedBytes > kMostShared)
    refused = message(sharedBytes, " bytes of shared memory, more than the ", kMostShared, " of an H100");
  if (!refused.empty()) return violationAt(nullptr, "cannot launch " + refused, nullptr);

  host_ = hostContext();
  std::vector<unsigned> order(blocks);
  std::iota(order.begin(), order.end(), 0u);
  if (settings.schedule == Schedule::lastFirst) {
    std::reverse(order.begin(), order.end());
  } else {
    for (size_t i = blocks; i > 1; --i) std::swap(order[i - 1], order[random.below(unsigned(i))]);
  }

  size_t begun = 0;
  while (!violation_) {
    std::vector<size_t> runnable;
    for (size_t i = 0; i < resident_.size(); ++i)
      if (!resident_[i]->ready.empty() || resident_[i]->readyRanks) runnable.push_back(i);
    const bool room = begun < blocks && resident_.size() < mostResident();
    size_t chosen;
    if (!runnable.empty() && !(room && random.oneIn(4))) {
      chosen = runnable[random.below(unsigned(runnable.size()))];
    } else if (room) {
      open(order[begun++]);
      chosen = resident_.size() - 1;
    } else if (!resident_.empty()) {
      violation_ = deadlock();
      break;
    } else {
      break;
    }
    runBlock(*resident_[chosen]);
    if (!violation_ && resident_[chosen]->alive == 0) close(chosen);
  }
  if (violation_) stacks.giveBackAll();
  return std::move(violation_);
}

Block& Launch::open(unsigned number) {
  if (idle_.empty()) idle_.push_back(std::make_unique<Block>());
  resident_.push_back(std::move(idle_.back()));
  idle_.pop_back();
  Block& b = *resident_.back();
  if (freeSlots_.empty()) freeSlots_.push_back(slots_++);
  b.slot = freeSlots_.back();
  freeSlots_.pop_back();
  b.number = number;
  b.index = placeIn(grid, number);
  b.shared = openShared(b.slot, sharedBytes, settings.checks);
  b.alive = block.x * block.y * block.z;
  b.threads.resize(b.alive);
  b.warps.resize((b.alive + kLanes - 1) / kLanes);
  b.ready.clear();
  b.readyRanks = 0;
  for (Barrier& barrier : b.barriers) {
    barrier.arrived = barrier.count = 0;
    barrier.waiting.clear();
    barrier.lanes.fill(0);
    barrier.syncing.fill(0);
    barrier.order = {};
  }
  const unsigned warps = unsigned(b.warps.size());
  for (unsigned w = 0; w < warps; ++w) b.warpOfRank[w] = uint8_t(w);
  for (unsigned w = warps; w > 1; --w) std::swap(b.warpOfRank[w - 1], b.warpOfRank[random.below(w)]);
  for (unsigned rank = 0; rank < warps; ++rank) b.rankOfWarp[b.warpOfRank[rank]] = uint8_t(rank);
  for (unsigned w = 0; w < warps; ++w) {
    Warp& warp = b.warps[w];
    const unsigned lanes = std::min(kLanes, b.alive - w * kLanes);
    warp.number = w;
    warp.lanes = lanes == kLanes ? ~0u : (1u << lanes) - 1;
    warp.ended = warp.ready = 0;
    warp.meetings.clear();
  }
  Index index;
  for (unsigned i = 0; i < b.alive; ++i) {
    Thread& t = b.threads[i];
    t.block = &b;
    t.warp = &b.warps[i / kLanes];
    t.index = index;
    t.linear = uint16_t(i);
    t.lane = uint8_t(i % kLanes);
    t.state = Thread::State::fresh;
    t.waitsFor = nullptr;
    t.copies.clear();
    t.foreign.reset();
    if (++index.x == block.x) {
      index.x = 0;
      if (++index.y == block.y) index.y = 0, ++index.z;
    }
    if (settings.schedule != Schedule::priorities) {
      b.ready.push_back(&t);
    } else {
      t.warp->ready |= 1u << t.lane;
      b.readyRanks |= 1u << b.rankOfWarp[t.warp->number];
    }
  }
  beginOrder(b);
  return b;
}

void Launch::close(size_t i) {
  if (recorder) {
    ++recorder->report.blocks;
    recorder->endBlock(resident_[i]->number);
  }
  freeSlots_.push_back(resident_[i]->slot);
  idle_.push_back(std::move(resident_[i]));
  resident_.erase(resident_.begin() + ptrdiff_t(i));
}

void Launch::runBlock(Block& b) {
  if (active_ != &b || resident_.size() > 1) b.order.activeSince = firstSegment + uint32_t(segments.size());
  active_ = &b;
  Thread* thread = next();
  if (thread->state == Thread::State::fresh) thread->context = stacks.take(enterThreads);
  thread->state = Thread::State::running;
  current = thread;
  switchTo(host_, thread->context);
  current = nullptr;
}

// The ready thread of the active block whose turn it is; null when there is none.
Thread* Launch::next() {
  Block& b = *active_;
  if (settings.schedule == Schedule::priorities) {
    if (!b.readyRanks) return nullptr;
    if (random.oneIn(512)) {  // another warp leads from now on
      const unsigned warps = unsigned(b.warps.size()), first = random.below(warps),
                     second = random.below(warps);
      const auto bit = [&](unsigned rank) { return b.readyRanks >> rank & 1; };
      if (bit(first) != bit(second)) b.readyRanks ^= 1u << first | 1u << second;
      std::swap(b.warpOfRank[first], b.warpOfRank[second]);
      b.rankOfWarp[b.warpOfRank[first]] = uint8_t(first);
      b.rankOfWarp[b.warpOfRank[second]] = uint8_t(second);
    }
    const unsigned rank = unsigned(__builtin_ctz(b.readyRanks));
    Warp& warp = b.warps[b.warpOfRank[rank]];
    const unsigned lane = unsigned(__builtin_ctz(warp.ready));
    warp.ready &= warp.ready - 1;
    if (!warp.ready) b.readyRanks &= ~(1u << rank);
    return &b.threads[warp.number * kLanes + lane];
  }
  if (b.ready.empty()) return nullptr;
  if (settings.schedule == Schedule::random)
    std::swap(b.ready[random.below(unsigned(b.ready.size()))], b.ready.back());
  Thread* thread = b.ready.back();
  b.ready.pop_back();
  return thread;
}

void Launch::wake(Thread& thread) {
  thread.state = Thread::State::ready;
  Block& b = *thread.block;
  if (settings.schedule != Schedule::priorities) return b.ready.push_back(&thread);
  thread.warp->ready |= 1u << thread.lane;
  b.readyRanks |= 1u << b.rankOfWarp[thread.warp->number];
}

void Launch::wait(const char* what, uint64_t value) {
  maybeLandCopy();
  Thread& self = *current;
  self.state = Thread::State::waiting;
  self.waitsFor = what;
  self.waitsForValue = value;
  Thread* to = next();
  if (!to) {
    switchTo(self.context, host_);
  } else {
    if (to->state == Thread::State::fresh) to->context = stacks.take(enterThreads);
    to->state = Thread::State::running;
    current = to;
    switchTo(self.context, to->context);
  }
  self.waitsFor = nullptr;
  self.waitsForValue = 0;
}

// On a stack of its own: the thread that it was taken for, and after its end every fresh one whose turn
// comes, so that threads that never wait cost no switch.
void Launch::runThreads() {
  for (;;) {
    Thread& self = *current;
    kernel.run(kernel.closure);
    finish(self);
    Thread* to = next();
    if (to && to->state == Thread::State::fresh) {
      to->context = self.context;
      to->state = Thread::State::running;
      current = to;
      continue;
    }
    stacks.giveBack(self.context);
    if (!to) leaveFor(self.context, host_);
    to->state = Thread::State::running;
    current = to;
    leaveFor(self.context, to->context);
  }
}

void Launch::finish(Thread& thread) {
  Warp& warp = *thread.warp;
  thread.state = Thread::State::ended;
  --thread.block->alive;
  warp.ended |= 1u << thread.lane;
  for (const Meeting& meeting : warp.meetings)
    if (meeting.mask >> thread.lane & 1)
      fail("ended while other lanes of its warp wait for it in ", meeting.what);
}

void Launch::end(std::string what, const void* code) {
  Thread& self = *current;
  violation_ = violationAt(&self, std::move(what), code);
  leaveFor(self.context, host_);
}

Violation Launch::violationAt(const Thread* thread, std::string what, const void* code) const {
  const Index b = thread ? thread->block->index : Index{}, t = thread ? thread->index : Index{};
  return {describeKernel(kernel),         {b.x, b.y, b.z},   {t.x, t.y, t.z}, std::move(what),
          code ? describeCode(code) : "", describe(settings)};
}

size_t Launch::mostResident() const {
  const size_t threads = size_t(block.x) * block.y * block.z;
  return std::min<size_t>(settings.resident, kMostStacks / threads);
}

Violation Launch::deadlock() const {
  constexpr size_t kNamed = 6;
  // Threads of a block that wait for the same, together.
  std::string list;
  const Thread* first = nullptr;
  size_t kinds = 0;
  for (const auto& b : resident_) {
    for (size_t i = 0; i < b->threads.size();) {
      const Thread& t = b->threads[i];
      size_t end = i + 1;
      while (end < b->threads.size() && b->threads[end].state == t.state &&
             b->threads[end].waitsFor == t.waitsFor && b->threads[end].waitsForValue == t.waitsForValue)
        ++end;
      if (t.state == Thread::State::waiting && !first) first = &t;
      if (++kinds <= kNamed) {
        list += message(list.empty() ? "" : "; ", "block ", text(b->index), " threads ", i, " to ", end - 1,
                        t.state == Thread::State::waiting ? " wait for " : " ended",
                        t.waitsFor ? t.waitsFor : "");
        if (t.waitsForValue) list += message(" ", t.waitsForValue);
      }
      i = end;
    }
  }
  if (kinds > kNamed) list += message("; and ", kinds - kNamed, " more groups");
  const size_t blocks = size_t(grid.x) * grid.y * grid.z;
  const std::string full =
      resident_.size() < mostResident() ? "" : message(" (no more than ", mostResident(), " fit at once)");
  return violationAt(first,
                     message("deadlock with ", resident_.size(), " of ", blocks,
                             " blocks begun and not ended", full, ": ", list),
                     nullptr);
}

}  // namespace ibert::emulator

#include "emulator/meeting.h"

#include "emulator/launch.h"

namespace ibert::emulator {

namespace {

Words hex(uint32_t mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return Words(text);
}

constexpr const char* kShuffle = "a shuffle";

struct ShuffleOperand {
  uint64_t value, result;
  unsigned from;
};

struct BallotOperand {
  bool predicate;
  uint32_t result;
};

template <class Do>
void forLanes(uint32_t mask, Do&& act) {
  for (; mask; mask &= mask - 1) act(unsigned(__builtin_ctz(mask)));
}

}  // namespace

bool meet(const char* what, uint32_t mask, void* operand) {
  Thread& self = *current;
  Warp& warp = *self.warp;
  // A full mask is meant for the lanes that exist.
  const uint32_t lanes = mask == ~0u ? warp.lanes : mask;
  if (!(lanes >> self.lane & 1))
    launchNow->fail("calls ", what, " with the mask ", hex(mask), ", which lacks its own lane ",
                    unsigned(self.lane));
  if (lanes & ~warp.lanes)
    launchNow->fail("calls ", what, " with the mask ", hex(mask), " for lanes that do not exist");
  if (lanes & warp.ended)
    launchNow->fail("calls ", what, " with the mask ", hex(mask), ", but lanes ", hex(lanes & warp.ended),
                    " ended");
  Meeting* mine = nullptr;
  for (Meeting& other : warp.meetings) {
    if (!(other.mask & lanes)) continue;
    if (other.what != what || other.mask != lanes)
      launchNow->fail("the lanes of a warp diverge: one calls ", what, " with mask ", hex(lanes),
                      " while lanes ", hex(other.arrived), " wait in ", other.what, " with mask ",
                      hex(other.mask));
    mine = &other;
  }
  if (!mine) {
    warp.meetings.push_back({what, lanes, 0});
    mine = &warp.meetings.back();
  }
  mine->arrived |= 1u << self.lane;
  warp.operands[self.lane] = operand;
  if (mine->arrived == lanes) return true;
  launchNow->wait(what);
  return false;
}

void depart(uint32_t mask) {
  Thread& self = *current;
  Warp& warp = *self.warp;
  if (mask == ~0u) mask = warp.lanes;
  for (Meeting& meeting : warp.meetings) {
    if (meeting.mask != mask) continue;
    meeting = warp.meetings.back();
    warp.meetings.pop_back();
    break;
  }
  Thread* first = &self - self.lane;
  forLanes(mask & ~(1u << self.lane), [&](unsigned lane) { launchNow->wake(first[lane]); });
}

void syncWarp(uint32_t mask) {
  const Warp& warp = *current->warp;
  if ((mask & warp.lanes) != warp.lanes)
    launchNow->fail("calls __syncwarp with the mask ", hex(mask), ": only that of all lanes is modelled");
  if (!meet("__syncwarp", ~0u, nullptr)) return;
  orderWarp(*current->warp);
  depart(~0u);
}

void simdgroupBarrier(bool orders) {
  if (!meet(orders ? "simdgroup_barrier" : "simdgroup_barrier without memory", ~0u, nullptr)) return;
  if (orders) orderWarp(*current->warp);
  depart(~0u);
}

uint64_t shuffle(uint32_t mask, uint64_t value, unsigned from) {
  ShuffleOperand operand{value, value, from};
  if (!meet(kShuffle, mask, &operand)) return operand.result;
  if (launchNow->recorder) ++launchNow->recorder->report.shuffles;
  Warp& warp = *current->warp;
  const uint32_t lanes = mask == ~0u ? warp.lanes : mask;
  forLanes(lanes, [&](unsigned lane) {
    auto& taker = *static_cast<ShuffleOperand*>(warp.operands[lane]);
    if (!(lanes >> taker.from & 1))
      launchNow->fail("lane ", lane, " shuffles from lane ", taker.from, ", which the mask ", hex(mask),
                      " lacks");
    taker.result = static_cast<ShuffleOperand*>(warp.operands[taker.from])->value;
  });
  depart(mask);
  return operand.result;
}

uint32_t ballot(uint32_t mask, bool predicate) {
  BallotOperand operand{predicate, 0};
  if (!meet("a vote", mask, &operand)) return operand.result;
  Warp& warp = *current->warp;
  const uint32_t lanes = mask == ~0u ? warp.lanes : mask;
  uint32_t votes = 0;
  forLanes(lanes, [&](unsigned lane) {
    votes |= uint32_t(static_cast<BallotOperand*>(warp.operands[lane])->predicate) << lane;
  });
  forLanes(lanes, [&](unsigned lane) { static_cast<BallotOperand*>(warp.operands[lane])->result = votes; });
  depart(mask);
  return votes;
}

}  // namespace ibert::emulator

// Instructions of a whole warp and barriers of a block, as kernels call them.
#pragma once

#include <cstdint>

namespace ibert::emulator {

// All lanes of `mask` come here with the same `what`. Returns true in the last, which computes for all from
// current->warp->operands and then calls depart; the others return false after that.
bool meet(const char* what, uint32_t mask, void* operand);
void depart(uint32_t mask);

void syncWarp(uint32_t mask);
// The value of lane `from`.
uint64_t shuffle(uint32_t mask, uint64_t value, unsigned from);
uint32_t ballot(uint32_t mask, bool predicate);

enum class Reduction { none, any, all, count };

// bar.sync and bar.arrive of `threads` threads; 0: all of the block.
unsigned syncBarrier(unsigned id, unsigned threads, Reduction reduction = Reduction::none,
                     bool predicate = false);
void arriveAtBarrier(unsigned id, unsigned threads);

// Metal's, of all threads of a threadgroup. `orders`: what threads wrote before is seen by the others after
// it; without, they only wait. Threads that wait in one kind while others wait in the other are a deadlock.
void threadgroupBarrier(bool orders);
// simdgroup_barrier, likewise.
void simdgroupBarrier(bool orders);

}  // namespace ibert::emulator

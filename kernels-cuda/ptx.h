// Every instruction that C++ has no word for: inline PTX of sm_80, and beside it the emulator's model of it
// (native/emulator/instructions.h). The first run on hardware compares the two.
#pragma once

#include <cstdint>
#include <type_traits>

#include "device.h"

#ifndef __CUDACC__
#include "emulator/instructions.h"
#endif

namespace ibert::cuda {

// The address of shared memory as instructions take it.
__device__ __forceinline__ uint32_t sharedAddress(const void* pointer) {
#ifdef __CUDACC__
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
#else
  return emulator::sharedAddress(pointer);
#endif
}

// ---- Asynchronous copies from global to shared memory: 4, 8 or 16 bytes a thread, both addresses multiples
// of that ----

// Copies `given` bytes and fills up with zeroes; `from` must be an address of global memory even when nothing
// is copied.
template <int kBytes>
__device__ __forceinline__ void copyAsync(uint32_t to, const void* from, int given) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
#ifdef __CUDACC__
  if constexpr (kBytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(given) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(from), "n"(kBytes), "r"(given)
                 : "memory");
#else
  emulator::copyAsync(to, from, kBytes, unsigned(given));
#endif
}

template <int kBytes>
__device__ __forceinline__ void copyAsync(uint32_t to, const void* from) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
#ifdef __CUDACC__
  if constexpr (kBytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(from), "n"(kBytes) : "memory");
#else
  emulator::copyAsync(to, from, kBytes, kBytes);
#endif
}

// The thread's copies since the last commit become a group.
__device__ __forceinline__ void commitCopies() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  emulator::commitCopies();
#endif
}

// Waits until at most kGroupsLeft of the thread's groups are in flight. Other threads' copies need a barrier
// after it.
template <int kGroupsLeft>
__device__ __forceinline__ void waitForCopies() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroupsLeft) : "memory");
#else
  emulator::waitForCopies(kGroupsLeft);
#endif
}

// ---- Matrices of 16-bit elements ----

// kCount (1, 2, 4) matrices of 8 x 8 elements: lane 8i + r gives the address of row r of matrix i, a multiple
// of 16, and lane l gets elements (l / 4, l % 4 * 2) and the one right of it in registers[i]; transposed: (l
// % 4 * 2, l / 4) and the one below.
template <int kCount, bool kTransposed = false>
__device__ __forceinline__ void loadMatrices(uint32_t (&registers)[kCount], uint32_t row) {
  static_assert(kCount == 1 || kCount == 2 || kCount == 4);
#ifdef __CUDACC__
  if constexpr (kCount == 4) {
    if constexpr (kTransposed)
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                   : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                   : "r"(row)
                   : "memory");
    else
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                   : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                   : "r"(row)
                   : "memory");
  } else if constexpr (kCount == 2) {
    if constexpr (kTransposed)
      asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                   : "=r"(registers[0]), "=r"(registers[1])
                   : "r"(row)
                   : "memory");
    else
      asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                   : "=r"(registers[0]), "=r"(registers[1])
                   : "r"(row)
                   : "memory");
  } else {
    if constexpr (kTransposed)
      asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                   : "=r"(registers[0])
                   : "r"(row)
                   : "memory");
    else
      asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
                   : "=r"(registers[0])
                   : "r"(row)
                   : "memory");
  }
#else
  emulator::ldmatrix(registers, kCount, kTransposed, row);
#endif
}

// d (16 x 8) += a (16 x 16) b (16 x 8) over a warp, T __nv_bfloat16 or __half, sums in float32. With g = lane
// / 4 and q = lane % 4 * 2, and pairs of elements in a register:
//   a[0] (g, q..)  a[1] (g + 8, q..)  a[2] (g, q + 8..)  a[3] (g + 8, q + 8..)
//   b0 (q.., g)    b1 (q + 8.., g)
//   d[0], d[1] (g, q..)  d[2], d[3] (g + 8, q..)
template <class T>
__device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  static_assert(std::is_same_v<T, __nv_bfloat16> || std::is_same_v<T, __half>);
#ifdef __CUDACC__
  if constexpr (std::is_same_v<T, __nv_bfloat16>)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  emulator::mma(d, a, b0, b1, std::is_same_v<T, __nv_bfloat16>);
#endif
}

// Keeps what depends on x from being computed before a loop, where its results would take registers.
__device__ __forceinline__ void hide(uint32_t& x) {
#ifdef __CUDACC__
  asm volatile("" : "+r"(x));
#endif
}

// 2^x to two units of the last place, and 0 where that is below 2^-126.
__device__ __forceinline__ float exp2Approx(float x) {
#ifdef __CUDACC__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}

// a * b + c of two bf16 at once, rounded once.
__device__ __forceinline__ uint32_t fmaPair(uint32_t a, uint32_t b, uint32_t c) {
#ifdef __CUDACC__
  uint32_t d;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
#else
  return emulator::fmaPair(a, b, c);
#endif
}

// ---- Reads of what a grid reads once and nobody writes meanwhile: they take no room in L1 ----

template <class Word>
__device__ __forceinline__ Word loadOnce(const void* from) {
  static_assert(sizeof(Word) == 4 || sizeof(Word) == 8 || sizeof(Word) == 16);
  Word word;
#ifdef __CUDACC__
  if constexpr (sizeof(Word) == 16)
    asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
        : "=r"(word.x), "=r"(word.y), "=r"(word.z), "=r"(word.w)
        : "l"(from));
  else if constexpr (sizeof(Word) == 8)
    asm("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];" : "=r"(word.x), "=r"(word.y) : "l"(from));
  else
    asm("ld.global.nc.L1::no_allocate.u32 %0, [%1];" : "=r"(word) : "l"(from));
#else
  word = *static_cast<const Word*>(from);
#endif
  return word;
}

// ---- Barriers of some of a block's warps: 1 to 15 (0 is __syncthreads), `threads` a multiple of 32 ----

__device__ __forceinline__ void syncBarrier(int barrier, int threads) {
#ifdef __CUDACC__
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
#else
  emulator::syncBarrier(unsigned(barrier), unsigned(threads));
#endif
}

// Counts the warp in, without waiting for the others.
__device__ __forceinline__ void arriveAtBarrier(int barrier, int threads) {
#ifdef __CUDACC__
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
#else
  emulator::arriveAtBarrier(unsigned(barrier), unsigned(threads));
#endif
}

// ---- Blocks of one grid that wait for each other, by counters in global memory that begin at 0 ----
// One thread of a block calls these; a __syncthreads() before the signal or after the wait makes them the
// whole block's.

// Adds to the counter and returns what it was: the block that finds all others there is the last.
__device__ __forceinline__ unsigned signalBlocks(unsigned* counter, unsigned add = 1) {
#ifdef __CUDACC__
  unsigned old;
  __threadfence();
  asm volatile("atom.add.acq_rel.gpu.global.u32 %0, [%1], %2;"
               : "=r"(old)
               : "l"(counter), "r"(add)
               : "memory");
  return old;
#else
  return emulator::signalBlocks(counter, add);
#endif
}

// Waits until the counter is at least that. The block that signals must run without this one's end: begun
// before it, or the whole grid fits on the device at once.
__device__ __forceinline__ void waitForBlocks(const unsigned* counter, unsigned atLeast) {
#ifdef __CUDACC__
  unsigned now;
  for (;;) {
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(counter) : "memory");
    if (now >= atLeast) return;
    __nanosleep(64);
  }
#else
  emulator::waitForBlocks(counter, atLeast);
#endif
}

}  // namespace ibert::cuda

// What nvcc's language is made of, for a kernel that is compiled as C++: qualifiers, indices, launches,
// synchronisation, votes, shuffles, atomics. Types and conversions stand in cuda_types.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>

#include "emulator/atomics.h"
#include "emulator/cuda_types.h"
#include "emulator/meeting.h"
#include "emulator/place.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

namespace ibert::emulator {

template <class... Parameters>
struct Call {
  void (*kernel)(Parameters...);
  std::tuple<std::decay_t<Parameters>...> arguments;

  __attribute__((no_sanitize("thread"))) static void run(const void* closure) {
    const auto& call = *static_cast<const Call*>(closure);
    std::apply(call.kernel, call.arguments);
  }
};

template <class T>
uint64_t bitsOf(T value) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <class T>
T fromBits(uint64_t bits) {
  T value;
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}

template <class T>
T shuffled(unsigned mask, T value, unsigned from) {
  return fromBits<T>(shuffle(mask, bitsOf(value), from));
}

}  // namespace ibert::emulator

using dim3 = ibert::emulator::Extent;
#define threadIdx (::ibert::emulator::threadIndexNow())
#define blockIdx (::ibert::emulator::blockIndexNow())
#define blockDim (::ibert::emulator::blockExtentNow())
#define gridDim (::ibert::emulator::gridExtentNow())
#define DYNAMIC_SHARED(name) char* const name = ::ibert::emulator::sharedMemoryNow()
inline constexpr int warpSize = 32;

inline void __syncthreads() {
  ibert::emulator::syncBarrier(0, 0);
}
inline int __syncthreads_or(int predicate) {
  return int(ibert::emulator::syncBarrier(0, 0, ibert::emulator::Reduction::any, predicate != 0));
}
inline int __syncthreads_and(int predicate) {
  return int(ibert::emulator::syncBarrier(0, 0, ibert::emulator::Reduction::all, predicate != 0));
}
inline int __syncthreads_count(int predicate) {
  return int(ibert::emulator::syncBarrier(0, 0, ibert::emulator::Reduction::count, predicate != 0));
}
inline void __syncwarp(unsigned mask = ~0u) {
  ibert::emulator::syncWarp(mask);
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __trap() {
  ibert::emulator::trap();
}

// Of the segment of `width` lanes that the lane is in.
template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  const unsigned lane = ibert::emulator::laneNow();
  return ibert::emulator::shuffled(mask, value,
                                   (lane & ~unsigned(width - 1)) | (unsigned(from) & unsigned(width - 1)));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  const unsigned lane = ibert::emulator::laneNow(), from = lane ^ unsigned(lanes);
  return ibert::emulator::shuffled(mask, value,
                                   from / unsigned(width) > lane / unsigned(width) ? lane : from);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned lane = ibert::emulator::laneNow(), from = lane + delta;
  return ibert::emulator::shuffled(mask, value,
                                   from / unsigned(width) != lane / unsigned(width) ? lane : from);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned lane = ibert::emulator::laneNow(), first = lane & ~unsigned(width - 1);
  return ibert::emulator::shuffled(mask, value, lane < first + delta ? lane : lane - delta);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return ibert::emulator::ballot(mask, predicate != 0);
}
inline int __any_sync(unsigned mask, int predicate) {
  return ibert::emulator::ballot(mask, predicate != 0) != 0;
}
inline int __all_sync(unsigned mask, int predicate) {
  return ibert::emulator::ballot(mask, predicate == 0) == 0;
}

template <class T>
T __ldg(const T* from) {
  return *from;
}

// A stream runs launches later, on a thread of its own (runtime/).
struct CUstream_st {
  virtual ~CUstream_st() = default;
  // `launch` returns whether all went well.
  virtual cudaError_t enqueue(std::function<bool()> launch) = 0;
};

// The runtime's (runtime/runtime.h); launchers clear counters by it.
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream);

// On the null stream it runs at once, and returns cudaErrorLaunchFailure when the emulator found something
// wrong; emulator::takeViolation() tells what.
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), ibert::emulator::Grid grid, dim3 block, size_t sharedBytes,
                   cudaStream_t stream, Arguments... arguments) {
  using Call = ibert::emulator::Call<Parameters...>;
  const Call call{kernel, {static_cast<Parameters>(arguments)...}};
  const auto run = [call, kernel, grid, block, sharedBytes] {
    return ibert::emulator::launchKernel(&Call::run, &call, sizeof call,
                                         reinterpret_cast<const void*>(kernel), grid.where, grid.extent,
                                         block, sharedBytes);
  };
  if (stream != nullptr) return stream->enqueue(run);
  return run() ? cudaSuccess : cudaErrorLaunchFailure;
}

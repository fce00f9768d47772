// Atomic operations, relaxed as CUDA's are: they order nothing, and do not race with each other.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

namespace ibert::emulator {

enum class Atomic { add, min, max, exchange, compareAndSwap, bitOr, bitAnd };

// Returns the old value. `isSigned`: how min and max compare.
uint32_t atomic32(Atomic operation, void* address, uint32_t value, uint32_t compare, bool isSigned);
uint64_t atomic64(Atomic operation, void* address, uint64_t value, uint64_t compare);

// Integers only: sums of floats by atomics would differ from run to run.
template <class T>
T atomic(Atomic operation, T* address, T value, T compare = {}) {
  static_assert(std::is_same_v<T, int> || std::is_same_v<T, unsigned> ||
                std::is_same_v<T, unsigned long long>);
  if constexpr (sizeof(T) == 4)
    return T(atomic32(operation, address, uint32_t(value), uint32_t(compare), std::is_signed_v<T>));
  else
    return T(atomic64(operation, address, value, compare));
}

}  // namespace ibert::emulator

#define IBERT_ATOMIC(name, operation)                                                   \
  template <class T>                                                                    \
  T name(T* address, std::type_identity_t<T> value) {                                   \
    return ibert::emulator::atomic(ibert::emulator::Atomic::operation, address, value); \
  }
IBERT_ATOMIC(atomicAdd, add)
IBERT_ATOMIC(atomicMin, min)
IBERT_ATOMIC(atomicMax, max)
IBERT_ATOMIC(atomicExch, exchange)
IBERT_ATOMIC(atomicOr, bitOr)
IBERT_ATOMIC(atomicAnd, bitAnd)
#undef IBERT_ATOMIC

template <class T>
T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  return ibert::emulator::atomic(ibert::emulator::Atomic::compareAndSwap, address, value, compare);
}

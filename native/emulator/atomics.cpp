#include "emulator/atomics.h"

#include <algorithm>
#include <cstring>

#include "emulator/access.h"
#include "emulator/launch.h"

namespace ibert::emulator {

namespace {

template <class T, class Compared>
T perform(Atomic operation, void* address, T value, T compare, const void* code) {
  if (uintptr_t(address) % sizeof(T)) launchNow->failAt(code, "an atomic operation on a misaligned address");
  checkAtomic(address, sizeof(T), code);
  T old;
  std::memcpy(&old, address, sizeof(T));
  T next = old;
  switch (operation) {
    case Atomic::add:
      next = old + value;
      break;
    case Atomic::min:
      next = T(std::min(Compared(old), Compared(value)));
      break;
    case Atomic::max:
      next = T(std::max(Compared(old), Compared(value)));
      break;
    case Atomic::exchange:
      next = value;
      break;
    case Atomic::compareAndSwap:
      next = old == compare ? value : old;
      break;
    case Atomic::bitOr:
      next = old | value;
      break;
    case Atomic::bitAnd:
      next = old & value;
      break;
  }
  std::memcpy(address, &next, sizeof(T));
  return old;
}

}  // namespace

uint32_t atomic32(Atomic operation, void* address, uint32_t value, uint32_t compare, bool isSigned) {
  const void* code = __builtin_return_address(0);
  return isSigned ? perform<uint32_t, int32_t>(operation, address, value, compare, code)
                  : perform<uint32_t, uint32_t>(operation, address, value, compare, code);
}

uint64_t atomic64(Atomic operation, void* address, uint64_t value, uint64_t compare) {
  return perform<uint64_t, uint64_t>(operation, address, value, compare, __builtin_return_address(0));
}

}  // namespace ibert::emulator

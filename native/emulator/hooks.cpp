// The functions that a compiler calls before every access of memory in code compiled with -fsanitize=thread:
// ours, in place of the thread sanitizer's. None of its runtime is linked.
#include "emulator/access_path.h"

using namespace ibert::emulator;

#define IBERT_HOOK extern "C" __attribute__((visibility("hidden"))) void

namespace {

template <size_t kBytes>
inline void read(const void* address, const void* code) {
  if (!current || isPlainRead<kBytes>(address) || Stacks::holds(address)) return;
  checkAligned(Access::read, address, kBytes, code);
}

template <size_t kBytes>
inline void write(const void* address, const void* code) {
  if (!current) return;
  if constexpr (kBytes > 1)
    if (isPlainWrite<kBytes>(address)) return;
  if (Stacks::holds(address)) return;
  checkAligned(Access::write, address, kBytes, code);
}

inline void readRange(const void* address, size_t bytes, const void* code) {
  checkAccess(Access::read, address, bytes, code);
}

inline void writeRange(const void* address, size_t bytes, const void* code) {
  checkAccess(Access::write, address, bytes, code);
}

}  // namespace

#define IBERT_HOOKS(bytes)                                 \
  IBERT_HOOK __tsan_read##bytes(void* a) {                 \
    read<bytes>(a, __builtin_return_address(0));           \
  }                                                        \
  IBERT_HOOK __tsan_write##bytes(void* a) {                \
    write<bytes>(a, __builtin_return_address(0));          \
  }                                                        \
  IBERT_HOOK __tsan_volatile_read##bytes(void* a) {        \
    read<bytes>(a, __builtin_return_address(0));           \
  }                                                        \
  IBERT_HOOK __tsan_volatile_write##bytes(void* a) {       \
    write<bytes>(a, __builtin_return_address(0));          \
  }                                                        \
  IBERT_HOOK __tsan_read_write##bytes(void* a) {           \
    read<bytes>(a, __builtin_return_address(0));           \
    write<bytes>(a, __builtin_return_address(0));          \
  }                                                        \
  IBERT_HOOK __tsan_unaligned_read##bytes(void* a) {       \
    readRange(a, bytes, __builtin_return_address(0));      \
  }                                                        \
  IBERT_HOOK __tsan_unaligned_write##bytes(void* a) {      \
    writeRange(a, bytes, __builtin_return_address(0));     \
  }                                                        \
  IBERT_HOOK __tsan_unaligned_read_write##bytes(void* a) { \
    readRange(a, bytes, __builtin_return_address(0));      \
    writeRange(a, bytes, __builtin_return_address(0));     \
  }
IBERT_HOOKS(1)
IBERT_HOOKS(2)
IBERT_HOOKS(4)
IBERT_HOOKS(8)
IBERT_HOOKS(16)

IBERT_HOOK __tsan_read_range(void* a, size_t bytes) {
  readRange(a, bytes, __builtin_return_address(0));
}
IBERT_HOOK __tsan_write_range(void* a, size_t bytes) {
  writeRange(a, bytes, __builtin_return_address(0));
}
IBERT_HOOK __tsan_init() {}
IBERT_HOOK __tsan_func_entry(void*) {}
IBERT_HOOK __tsan_func_exit() {}
IBERT_HOOK __tsan_vptr_update(void**, void*) {}
IBERT_HOOK __tsan_vptr_read(void**) {}

// Clang calls these where code copies or sets whole objects.
extern "C" __attribute__((visibility("hidden"))) void* __tsan_memcpy(void* to, const void* from,
                                                                     size_t bytes) {
  readRange(from, bytes, __builtin_return_address(0));
  writeRange(to, bytes, __builtin_return_address(0));
  return __builtin_memcpy(to, from, bytes);
}
extern "C" __attribute__((visibility("hidden"))) void* __tsan_memmove(void* to, const void* from,
                                                                      size_t bytes) {
  readRange(from, bytes, __builtin_return_address(0));
  writeRange(to, bytes, __builtin_return_address(0));
  return __builtin_memmove(to, from, bytes);
}
extern "C" __attribute__((visibility("hidden"))) void* __tsan_memset(void* to, int byte, size_t bytes) {
  writeRange(to, bytes, __builtin_return_address(0));
  return __builtin_memset(to, byte, bytes);
}

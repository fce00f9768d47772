#include "emulator/stack.h"

#include <pthread.h>
#include <sys/mman.h>

#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define IBERT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IBERT_ASAN 1
#endif
#endif
#ifdef IBERT_ASAN
extern "C" void __sanitizer_start_switch_fiber(void**, const void*, size_t);
extern "C" void __sanitizer_finish_switch_fiber(void*, const void**, size_t*);
extern "C" void __asan_unpoison_memory_region(const volatile void*, size_t);
#endif

extern "C" __attribute__((visibility("hidden"))) void ibert_emulator_switch(void** from, void* to);

// Keeps what a called function must keep, stores the stack pointer, takes the other one.
#if defined(__x86_64__)
asm(R"(
.pushsection .text
.globl ibert_emulator_switch
.hidden ibert_emulator_switch
.type ibert_emulator_switch,@function
ibert_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size ibert_emulator_switch,.-ibert_emulator_switch
.popsection
)");
#elif defined(__aarch64__)
asm(R"(
.pushsection .text
.globl ibert_emulator_switch
.hidden ibert_emulator_switch
.type ibert_emulator_switch,%function
ibert_emulator_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size ibert_emulator_switch,.-ibert_emulator_switch
.popsection
)");
#else
#error "the emulator's stack switch is written for x86-64 and aarch64"
#endif

namespace ibert::emulator {

namespace {

constexpr size_t kStackBytes = 128 << 10, kGuardBytes = 4096;
// Tops of stacks at one distance from each other would share a few sets of the caches.
constexpr size_t kColours = 32, kColourBytes = 320;

size_t reserved = 0;  // stacks handed out so far

}  // namespace

char* Stacks::base_;

Context Stacks::take(void (*entry)()) {
  if (free_.empty()) {
    if (!base_) {
      void* region = mmap(nullptr, kRegion, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (region == MAP_FAILED) throw std::bad_alloc();
      base_ = static_cast<char*>(region);
    }
    if (reserved == kRegion / kStackBytes) throw std::bad_alloc();
    char* bottom = base_ + kStackBytes * reserved++ + kGuardBytes;
    if (mprotect(bottom, kStackBytes - kGuardBytes, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    all_.push_back(bottom);
    free_.push_back(bottom);
  }
  Context context;
  context.bottom = free_.back();
  context.bytes = kStackBytes - kGuardBytes;
  free_.pop_back();
#ifdef IBERT_ASAN
  __asan_unpoison_memory_region(context.bottom,
                                context.bytes);  // frames of the thread before that never returned
#endif
  const size_t colour = size_t(context.bottom - base_) / kStackBytes % kColours;
  auto** top = reinterpret_cast<void**>(context.bottom + context.bytes - colour * kColourBytes);
#if defined(__x86_64__)
  *--top = nullptr;  // at its entry a function finds the stack 8 bytes off a multiple of 16
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
#else
  top -= 20;
  for (int i = 0; i < 20; ++i) top[i] = nullptr;
  top[11] = reinterpret_cast<void*>(entry);
#endif
  context.pointer = top;
  return context;
}

void Stacks::giveBackAll() {
  free_ = all_;
}

void switchTo(Context& from, Context& to) {
#ifdef IBERT_ASAN
  __sanitizer_start_switch_fiber(&from.fake, to.bottom, to.bytes);
#endif
  ibert_emulator_switch(&from.pointer, to.pointer);
#ifdef IBERT_ASAN
  __sanitizer_finish_switch_fiber(from.fake, nullptr, nullptr);
#endif
}

void leaveFor(Context& from, Context& to) {
#ifdef IBERT_ASAN
  __sanitizer_start_switch_fiber(nullptr, to.bottom, to.bytes);
#endif
  ibert_emulator_switch(&from.pointer, to.pointer);
  __builtin_unreachable();
}

void arrived() {
#ifdef IBERT_ASAN
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

Context hostContext() {
  Context context;
#ifdef IBERT_ASAN
  pthread_attr_t attributes;
  void* bottom = nullptr;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstack(&attributes, &bottom, &context.bytes);
    pthread_attr_destroy(&attributes);
  }
  context.bottom = static_cast<char*>(bottom);
#endif
  return context;
}

}  // namespace ibert::emulator

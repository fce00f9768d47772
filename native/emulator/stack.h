// Stacks for the threads of a kernel, and the switch from one to another. The address sanitizer is told of
// each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ibert::emulator {

// A place of execution: a stack of its own, or the stack of the host thread that launched.
struct Context {
  void* pointer = nullptr;  // the stack pointer while it does not run
  char* bottom = nullptr;   // lowest address
  size_t bytes = 0;
  void* fake = nullptr;  // the address sanitizer's
};

// The stacks that no thread uses now; the last given back is the next taken, as its memory is in the caches.
class Stacks {
 public:
  // A context that runs entry() when it is switched to; entry must never return.
  Context take(void (*entry)());
  void giveBack(const Context& context) { free_.push_back(context.bottom); }
  // Of threads that ended nowhere: after a violation.
  void giveBackAll();
  static bool holds(const void* address) { return uintptr_t(address) - uintptr_t(base_) < kRegion; }

 private:
  static constexpr size_t kRegion = size_t(32) << 30;
  static char* base_;  // of all stacks; null before the first

  std::vector<char*> free_, all_;
};

// `from` goes on when somebody switches to it.
void switchTo(Context& from, Context& to);
// `from` never goes on.
[[noreturn]] void leaveFor(Context& from, Context& to);
// First thing on a new stack.
void arrived();
// The calling thread's own stack, to come back to.
Context hostContext();

}  // namespace ibert::emulator

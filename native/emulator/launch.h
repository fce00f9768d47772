// One launch: which thread runs, who waits, what came of it. Blocks run one after another in a seeded order;
// where a block waits for another (flags.cpp), it stays and another goes on.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include "emulator/block.h"
#include "emulator/message.h"
#include "emulator/random.h"
#include "emulator/recorder.h"
#include "emulator/settings.h"
#include "emulator/violation.h"

namespace ibert::emulator {

struct Kernel {
  void (*run)(const void* closure);  // of one thread
  const void* closure;
  size_t closureBytes;
  const void* function;
  std::source_location where;  // of the launch
};

// Returns whether all went well; otherwise takeViolation() tells.
bool runLaunch(const Kernel& kernel, Extent grid, Extent block, size_t sharedBytes);

struct Flag {
  std::vector<Thread*> waiting;  // each for waitsForValue
  std::vector<std::shared_ptr<const Publication>> published;
};

struct Segment {
  uint32_t block;
  uint32_t warp : 5, interval : 27;
};

class Launch {
 public:
  Launch(const Kernel& kernel, Extent grid, Extent block, size_t sharedBytes, const Settings& settings);

  std::optional<Violation> run();

  // Of the running thread.
  void wait(const char* what, uint64_t value = 0);
  void wake(Thread& thread);
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) {
    end(message(parts...), nullptr);
  }
  // `code`: the place in the kernel.
  template <class... Parts>
  [[noreturn]] void failAt(const void* code, const Parts&... parts) {
    end(message(parts...), code);
  }
  [[noreturn]] void runThreads();

  const Kernel kernel;
  const Extent grid, block;
  const size_t sharedBytes;
  const Settings settings;
  Random random;
  std::map<const void*, Flag> flags;  // of blocks that wait for each other, by address
  std::vector<Segment> segments;      // of this launch, from firstSegment on
  uint32_t firstSegment;
  std::unique_ptr<Recorder> recorder;  // null without a report

 private:
  [[noreturn]] void end(std::string what, const void* code);
  Block& open(unsigned number);
  void close(size_t resident);
  void runBlock(Block& block);
  Thread* next();
  void finish(Thread& thread);
  Violation violationAt(const Thread* thread, std::string what, const void* code) const;
  Violation deadlock() const;
  size_t mostResident() const;  // blocks

  Context host_;
  Block* active_ = nullptr;
  std::vector<std::unique_ptr<Block>> resident_, idle_;
  std::vector<unsigned> freeSlots_;
  unsigned slots_ = 0;
  std::optional<Violation> violation_;
};

// The thread that runs on this host thread; null outside a launch.
extern constinit thread_local Thread* current __attribute__((tls_model("initial-exec")));
// Launches follow each other, whatever host threads they come from.
extern Launch* launchNow;

// order.cpp
void beginOrder(Block& block);
void orderWarp(Warp& warp);  // all its lanes are ordered with each other
void orderArrival(Warp& warp, BarrierOrder& round, bool waits);
void orderRound(Block& block, Barrier& barrier);
std::shared_ptr<const Publication> publish();
void learn(const std::vector<std::shared_ptr<const Publication>>& publications);
std::shared_ptr<const Foreign> joined(const std::shared_ptr<const Foreign>& a,
                                      const std::shared_ptr<const Foreign>& b);

// A function and an offset into it, or module + offset.
std::string describeCode(const void* code);
std::string describeKernel(const Kernel& kernel);

}  // namespace ibert::emulator

// What an emulated backend offers as the extension "schedules" (Backend::extension): the orders in which it
// can run the threads of a launch. A kernel's results may depend on none of them.
#pragma once

namespace ibert {

inline constexpr const char* kSchedules = "schedules";

struct Schedules {
  // 1 where the environment names a schedule, which then stays.
  int (*count)();
  // The launches to come take the schedule of this index, modulo their number; 0 is the one that is taken
  // unasked.
  void (*take)(int index);
};

// Another extension of the emulated Metal backend: `void (*)(const char* text)`. The next command buffer that
// is committed runs nothing and fails with this text, which must outlive it, as one does that ran out of
// memory.
inline constexpr const char* kFailNext = "fail-next";

namespace emulator {

// The table above where `name` is kSchedules, else null.
const void* schedulesExtension(const char* name);

}  // namespace emulator

}  // namespace ibert

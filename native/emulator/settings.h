// How launches are run. Read from the environment once; a test sets what it needs.
#pragma once

#include <cstdint>
#include <string>

namespace ibert::emulator {

enum class Schedule {
  lastFirst,   // who became ready last runs first
  random,      // any ready thread
  priorities,  // whole warps run ahead of others by random priorities that change now and then
};
inline constexpr int kScheduleCount = 3;

enum class Lateness {
  atOnce,  // an asynchronous copy lands when it is issued
  random,  // any time until it is waited for
  last,    // when it is waited for
};

// Each thread that is alive has a stack with a guard page, two mappings, of which Linux gives a process some
// 65,000.
inline constexpr size_t kMostStacks = 24576;

struct Settings {
  Schedule schedule = Schedule::priorities;
  uint64_t seed = 1;
  Lateness lateness = Lateness::random;
  bool checks = true;   // bounds, races, reads of what nobody wrote
  bool report = false;  // count accesses, bank conflicts and instructions (report.h)
  // Blocks that may be alive at once: one for each SM of an H100. Fewer where they have more than kMostStacks
  // threads.
  unsigned resident = 132;
};

// IBERT_EMULATOR_SCHEDULE (last-first, random, priorities), IBERT_EMULATOR_SEED, IBERT_EMULATOR_LATENESS
// (at-once, random, last), IBERT_EMULATOR_CHECKS (0, 1). Throws std::invalid_argument that names variable and
// value.
Settings settingsFromEnvironment();

// Those of the launches to come, of all threads.
Settings settings();
void setSettings(const Settings& settings);

std::string describe(const Settings& settings);

}  // namespace ibert::emulator

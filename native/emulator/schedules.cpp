#include "emulator/schedules.h"

#include <cstdlib>
#include <cstring>

#include "emulator/settings.h"

namespace ibert::emulator {

namespace {

int scheduleCount() {
  const char* named = std::getenv("IBERT_EMULATOR_SCHEDULE");
  return named && *named ? 1 : kScheduleCount;
}

void takeSchedule(int index) {
  Settings changed = settings();
  const int first = int(settingsFromEnvironment().schedule);
  changed.schedule = Schedule((first + index % scheduleCount()) % kScheduleCount);
  setSettings(changed);
}

constexpr Schedules kEverySchedule{scheduleCount, takeSchedule};

}  // namespace

const void* schedulesExtension(const char* name) {
  return std::strcmp(name, kSchedules) == 0 ? &kEverySchedule : nullptr;
}

}  // namespace ibert::emulator

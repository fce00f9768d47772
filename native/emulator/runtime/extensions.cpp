#include <cstring>
#include <string>

#include "emulator/launch_report.h"
#include "emulator/report.h"
#include "emulator/runtime/runtime.h"
#include "emulator/schedules.h"
#include "emulator/settings.h"

namespace ibert::emulator {

namespace {

void count(bool on) {
  Settings changed = settings();
  changed.report = on;
  setSettings(changed);
}

void start() {
  clearReports();
  count(true);
}

const char* finish() {
  static std::string text;
  count(false);
  text.clear();
  for (const KernelReport& report : reports()) text += describe(report);
  return text.c_str();
}

constexpr LaunchReport kReport{start, finish};

}  // namespace

const void* runtimeExtension(const char* name) {
  if (std::strcmp(name, kCaptures) == 0) return reinterpret_cast<const void*>(&captures);
  return std::strcmp(name, kLaunchReport) == 0 ? &kReport : schedulesExtension(name);
}

}  // namespace ibert::emulator

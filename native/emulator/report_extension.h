// The extension "launch-report" (launch_report.h) of a library that holds the emulator.
#pragma once

#include <cstring>
#include <string>

#include "emulator/launch_report.h"
#include "emulator/report.h"
#include "emulator/settings.h"

namespace ibert::emulator {

// kDescribe: the words of the library's language.
template <std::string (*kDescribe)(const KernelReport&)>
class ReportExtension {
 public:
  // The table where `name` is kLaunchReport, else null.
  static const void* of(const char* name) {
    return std::strcmp(name, kLaunchReport) == 0 ? &kTable : nullptr;
  }

 private:
  static void count(bool on) {
    Settings changed = settings();
    changed.report = on;
    setSettings(changed);
  }
  static void start() {
    clearReports();
    count(true);
  }
  static const char* finish() {
    static std::string text;
    count(false);
    text.clear();
    for (const KernelReport& report : reports()) text += kDescribe(report);
    return text.c_str();
  }
  static constexpr LaunchReport kTable{start, finish};
};

}  // namespace ibert::emulator

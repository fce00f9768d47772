// What an emulated backend's kernels do for the shapes of perf_cases.h, counted: it has no speed of its own.
#pragma once

#include "emulator/launch_report.h"
#include "options.h"
#include "session.h"

namespace ibert::tools {

// Null where the backend runs on hardware.
const LaunchReport* launchReportOf(const Session& session);

int countLaunches(Session& session, const LaunchReport& report, const Options& options);

}  // namespace ibert::tools

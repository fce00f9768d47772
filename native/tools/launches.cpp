#include "launches.h"

#include <cstdio>
#include <sstream>

#include "commands.h"
#include "json.h"
#include "perf_cases.h"

namespace ibert::tools {

namespace {

// One call, as lines for people; or why it is not supported.
std::string launchesOf(Session& session, const LaunchReport& report, const Case& test) {
  Operands operands(session, test);
  if (!operands.unsupported().empty()) return "not supported: " + operands.unsupported() + "\n";
  report.start();
  operands.enqueue();
  operands.synchronize();
  return report.finish();
}

void print(const PerfCase& perfCase, const std::string& text) {
  std::printf("%s, %s\n", opSchema(perfCase.spec.op).name, perfCase.spec.label.c_str());
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) std::printf("  %s\n", line.c_str());
  std::fflush(stdout);
}

}  // namespace

const LaunchReport* launchReportOf(const Session& session) {
  return static_cast<const LaunchReport*>(session.backend()->extension(kLaunchReport));
}

int countLaunches(Session& session, const LaunchReport& report, const Options& options) {
  const char* separator = "\n  ";
  if (options.json) {
    std::printf("{\"backend\": %s, \"cases\": [", json(session.backend()->name).c_str());
  } else {
    std::printf("%s: counted over the emulator; times are computed from the counts, not measured\n",
                session.backend()->name);
  }
  for (const PerfCase& perfCase : perfCases()) {
    if (!options.wants(perfCase.spec.op) || perfCase.spec.label.find(options.filter) == std::string::npos)
      continue;
    const Case made = makeCase(perfCase.spec, options.seed);
    const std::string text = launchesOf(session, report, made);
    if (!options.json) {
      print(perfCase, text);
      continue;
    }
    std::printf("%s{\"op\": %s, \"case\": %s, \"launches\": %s}", separator,
                json(opSchema(perfCase.spec.op).name).c_str(), json(perfCase.spec.label).c_str(),
                json(text).c_str());
    separator = ",\n  ";
  }
  if (options.json) std::printf("]}\n");
  return kOk;
}

}  // namespace ibert::tools

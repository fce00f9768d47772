// `ibert-kernels perf`: how fast each op is (timing.h), and how much of the device that is (peak.h), for the
// shapes of perf_cases.h.
#include <algorithm>
#include <cstdio>

#include "commands.h"
#include "json.h"
#include "launches.h"
#include "peak.h"
#include "perf_cases.h"
#include "timing.h"

namespace ibert::tools {

namespace {

// The time that the device's peaks allow, over the time taken. Operands that a cache holds can exceed 1.
double shareOfPeak(const PerfCase& perfCase, const Peak& peak, double seconds) {
  const double compute = perfCase.flop / (perfCase.bf16 ? peak.bf16 : peak.fp32);
  return std::max(compute, perfCase.bytes / peak.bandwidth) / seconds;
}

void printPeak(const Peak& peak, const Session& session, bool asJson) {
  const DeviceInfo info = session.info();
  if (asJson) {
    std::printf(
        "{\"backend\": %s, \"device\": %s, \"architecture\": %s, \"threads\": %d,\n"
        " \"peak\": {\"fp32\": %s, \"fp32Unit\": %s, \"bf16\": %s, \"bf16Unit\": %s, \"bandwidth\": %s},\n "
        "\"cases\": [",
        json(session.backend()->name).c_str(), json(info.name).c_str(), json(info.architecture).c_str(),
        info.threads, json(peak.fp32).c_str(), json(peak.fp32Unit).c_str(), json(peak.bf16).c_str(),
        json(peak.bf16Unit).c_str(), json(peak.bandwidth).c_str());
    return;
  }
  std::printf("%s: %s, %s, %d threads\n", session.backend()->name, info.name, info.architecture,
              info.threads);
  std::printf("peak: fp32 %.1f GFLOP/s (%s), bf16 %.1f GFLOP/s (%s), memory %.1f GB/s\n", peak.fp32 / 1e9,
              peak.fp32Unit, peak.bf16 / 1e9, peak.bf16Unit, peak.bandwidth / 1e9);
  std::printf("%-20s %-52s %12s %9s %9s %6s\n", "op", "case", "time", "GFLOP/s", "GB/s", "peak");
}

void printCase(const PerfCase& perfCase, double seconds, double share, bool asJson) {
  const char* op = opSchema(perfCase.spec.op).name;
  if (asJson) {
    std::printf(
        "{\"op\": %s, \"case\": %s, \"seconds\": %s, \"gflops\": %s, \"gbytes\": %s, \"shareOfPeak\": %s}",
        json(op).c_str(), json(perfCase.spec.label).c_str(), json(seconds).c_str(),
        json(perfCase.flop / seconds / 1e9).c_str(), json(perfCase.bytes / seconds / 1e9).c_str(),
        json(share).c_str());
  } else {
    std::printf("%-20s %-52s %9.1f us %9.1f %9.1f %5.0f%%\n", op, perfCase.spec.label.c_str(), seconds * 1e6,
                perfCase.flop / seconds / 1e9, perfCase.bytes / seconds / 1e9, 100 * share);
  }
  std::fflush(stdout);
}

void printUnsupported(const PerfCase& perfCase, const std::string& why, bool asJson) {
  const char* op = opSchema(perfCase.spec.op).name;
  if (asJson) {
    std::printf("{\"op\": %s, \"case\": %s, \"unsupported\": %s}", json(op).c_str(),
                json(perfCase.spec.label).c_str(), json(why).c_str());
  } else {
    std::printf("%-20s %-52s not supported: %s\n", op, perfCase.spec.label.c_str(), why.c_str());
  }
}

}  // namespace

int perf(const Options& options) {
  const auto session = openSession(options.backend.empty() ? "cpu" : options.backend, options.threads);
  if (const LaunchReport* report = launchReportOf(*session)) return countLaunches(*session, *report, options);
  const Peak peak = peakOf(*session);
  printPeak(peak, *session, options.json);
  const char* separator = "\n  ";
  for (const PerfCase& perfCase : perfCases()) {
    if (!options.wants(perfCase.spec.op) || perfCase.spec.label.find(options.filter) == std::string::npos)
      continue;
    if (options.json) std::printf("%s", separator);
    separator = ",\n  ";
    const Case made = makeCase(perfCase.spec, options.seed);
    Operands operands(*session, made);
    if (!operands.unsupported().empty()) {
      printUnsupported(perfCase, operands.unsupported(), options.json);
      continue;
    }
    const double seconds = secondsOfCall(operands);
    printCase(perfCase, seconds, shareOfPeak(perfCase, peak, seconds), options.json);
  }
  if (options.json) std::printf("]}\n");
  return kOk;
}

}  // namespace ibert::tools

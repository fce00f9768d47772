// `ibert-kernels list`: the support matrix of a backend.
#include <cstdio>

#include "commands.h"
#include "cpu/isa.h"
#include "json.h"

namespace ibert::tools {

namespace {

int listIsas(bool asJson) {
  std::string names;
  for (const cpu::Isa isa : cpu::runnableIsas()) {
    const std::string name = cpu::isaName(isa);
    names += asJson ? (names.empty() ? "" : ", ") + json(name) : name + "\n";
  }
  std::fputs((asJson ? "{\"isas\": [" + names + "]}\n" : names).c_str(), stdout);
  return kOk;
}

}  // namespace

int list(const Options& options) {
  if (options.isas) return listIsas(options.json);
  const auto session = openSession(options.backend.empty() ? "cpu" : options.backend, options.threads);
  const DeviceInfo info = session->info();
  if (options.json) {
    std::printf("{\"backend\": %s, \"device\": %s, \"architecture\": %s, \"threads\": %d, \"ops\": [",
                json(session->backend()->name).c_str(), json(info.name).c_str(),
                json(info.architecture).c_str(), info.threads);
  } else {
    std::printf("%s: %s, %s, %d threads\n", session->backend()->name, info.name, info.architecture,
                info.threads);
  }
  const char* separator = "";
  for (int i = 0; i < kOpCount; ++i) {
    const auto op = static_cast<Op>(i);
    if (!options.wants(op)) continue;
    const char* kernel = session->kernelName(op);
    if (options.json) {
      std::printf("%s{\"op\": %s, \"kernel\": %s}", separator, json(opSchema(op).name).c_str(),
                  json(kernel).c_str());
      separator = ", ";
    } else {
      std::printf("  %-20s %s\n", opSchema(op).name, kernel ? kernel : "-");
    }
  }
  if (options.json) std::printf("]}\n");
  return kOk;
}

}  // namespace ibert::tools

// `ibert-kernels list`: the support matrix of a backend.
#include <cstdio>

#include "commands.h"
#include "cpu/isa.h"
#include "graph_calls.h"
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

using Sessions = std::vector<std::unique_ptr<Session>>;

void printTable(const Sessions& sessions, const Options& options) {
  for (const auto& session : sessions) {
    const DeviceInfo info = session->info();
    std::printf("%s: %s, %s, %d threads\n", session->backend()->name, info.name, info.architecture,
                info.threads);
  }
  std::printf("%-20s", "op");
  for (const auto& session : sessions) std::printf(" %-14s", session->backend()->name);
  std::printf("\n");
  for (int i = 0; i < kOpCount; ++i) {
    const auto op = static_cast<Op>(i);
    if (!options.wants(op)) continue;
    std::printf("%-20s", opSchema(op).name);
    for (const auto& session : sessions) {
      const char* kernel = session->kernelName(op);
      std::printf(" %-14s", kernel ? kernel : "-");
    }
    std::printf("\n");
  }
}

void printJson(const Sessions& sessions, const Options& options) {
  std::string text;
  for (const auto& session : sessions) {
    const DeviceInfo info = session->info();
    std::string kernels;
    for (int i = 0; i < kOpCount; ++i) {
      const auto op = static_cast<Op>(i);
      if (!options.wants(op)) continue;
      if (!kernels.empty()) kernels += ", ";
      kernels += json(opSchema(op).name) + ": " + json(session->kernelName(op));
    }
    if (!text.empty()) text += ", ";
    text += "{\"backend\": " + json(session->backend()->name) + ", \"device\": " + json(info.name) +
            ", \"architecture\": " + json(info.architecture) +
            ", \"threads\": " + std::to_string(info.threads) + ", \"kernels\": {" + kernels + "}}";
  }
  std::string calls;
  for (const GraphCall& call : graphCalls()) {
    if (!options.wants(call.op)) continue;
    if (!calls.empty()) calls += ",\n ";
    calls += "{\"op\": " + json(opSchema(call.op).name) + ", \"dtypes\": " + json(call.dtypes) + "}";
  }
  std::printf("{\"backends\": [%s],\n\"graphCalls\": [%s]}\n", text.c_str(), calls.c_str());
}

}  // namespace

int list(const Options& options) {
  if (options.isas) return listIsas(options.json);
  std::vector<std::string> names = {"cpu", "reference"};
  if (!options.backend.empty()) names = {options.backend};
  Sessions sessions;
  for (const std::string& name : names) sessions.push_back(openSession(name, options.threads));
  options.json ? printJson(sessions, options) : printTable(sessions, options);
  return kOk;
}

}  // namespace ibert::tools

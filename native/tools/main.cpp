#include <cstdio>

#include "commands.h"
#include "cpu/backend.h"
#include "loader.h"

namespace ibert::tools {

std::unique_ptr<Session> openSession(const std::string& backend, int threads) {
  try {
    return std::make_unique<Session>(openBackend(backend), threads);
  } catch (const std::exception& error) {
    throw CannotRun(error.what());
  }
}

namespace {

int run(const Options& options) {
  switch (options.command) {
    case Options::Command::List:
      return list(options);
    case Options::Command::Test:
      return test(options);
    case Options::Command::Rows:
      return rows(options);
    case Options::Command::Grad:
      return grad(options);
    case Options::Command::Perf:
      return perf(options);
    case Options::Command::Step:
      return step(options);
  }
  return kUsage;
}

}  // namespace

}  // namespace ibert::tools

int main(int count, char** words) {
  using namespace ibert::tools;
  try {
    const Options options = parseOptions(count, words);
    if (options.help) {
      std::fputs(helpText(), stdout);
      return kOk;
    }
    ibert::registerBuiltinBackend(ibert::cpu::cpuBackend());
    return run(options);
  } catch (const UsageError& error) {
    std::fprintf(stderr, "ibert-kernels: %s\nTry ibert-kernels --help.\n", error.what());
    return kUsage;
  } catch (const CannotRun& error) {
    std::fprintf(stderr, "ibert-kernels: %s\n", error.what());
    return kCannotRun;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ibert-kernels: %s\n", error.what());
    return kFailed;
  }
}

// The command line of ibert-kernels.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "decoder_step.h"
#include "ops.h"

namespace ibert::tools {

// Exit codes.
constexpr int kOk = 0;
constexpr int kFailed = 1;  // a test failed
constexpr int kUsage = 2;
constexpr int kCannotRun =
    3;  // this machine or build lacks the backend or the instruction set that was asked for

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Options {
  enum class Command { List, Test, Rows, Grad, Perf, Step } command = Command::List;
  std::string backend;   // empty: the command's default
  std::optional<Op> op;  // only this one
  std::string filter;    // only cases whose label holds this
  bool json = false;
  bool isas = false;
  bool help = false;
  uint64_t seed = 1;
  int repeat = 2;              // runs of a case that must give the same bits
  bool everySchedule = false;  // test: of an emulated backend, each case on each
  int threads = 2;
  StepShape step;       // step: the shape of the layers
  std::string against;  // step: the backend whose loss and gradient must come out too

  bool wants(Op other) const { return !op || *op == other; }
};

// Throws UsageError.
Options parseOptions(int count, char** words);
const char* helpText();

}  // namespace ibert::tools

// The commands of ibert-kernels. Each returns an exit code.
#pragma once

#include "options.h"
#include "session.h"

namespace ibert::tools {

int list(const Options& options);
int test(const Options& options);
int rows(const Options& options);
int grad(const Options& options);
int perf(const Options& options);
int step(const Options& options);

// A backend or device that cannot be had here.
struct CannotRun : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws CannotRun.
std::unique_ptr<Session> openSession(const std::string& backend, int threads);

}  // namespace ibert::tools

#include "timing.h"

#include <algorithm>
#include <chrono>

namespace ibert::tools {

namespace {

// Of `repeats` calls in a row. By the host's clock: the calls of a round are many enough that what it costs
// to enqueue the first and to learn of the last does not count.
double secondsOf(Operands& operands, int repeats) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) operands.enqueue();
  operands.synchronize();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

double secondsOfCall(Operands& operands) {
  secondsOf(operands, 1);
  int repeats = 1;
  double time = secondsOf(operands, repeats);
  while (time < 0.1 && repeats < (1 << 20)) {
    repeats *= 2;
    time = secondsOf(operands, repeats);
  }
  for (int round = 0; round < 2; ++round) time = std::min(time, secondsOf(operands, repeats));
  return time / repeats;
}

}  // namespace ibert::tools

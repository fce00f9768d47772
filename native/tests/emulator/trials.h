// What the tests of both languages ask of a kernel, right or with a known fault.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "../check.h"
#include "device_buffer.h"
#include "emulator/settings.h"

namespace ibert::tests {

struct Trial {
  const char* name;
  const char* expected;  // a part of the violation; "": no alarm; kWrong: only numbers show it
  std::string (*run)();
};

// The first `rightOnes` raise no alarm; all others are caught.
inline void tryEach(std::span<const Trial> trials, size_t rightOnes, const emulator::Settings& settings) {
  emulator::setSettings(settings);
  for (size_t i = 0; i < trials.size(); ++i) {
    const Trial& trial = trials[i];
    const std::string outcome = trial.run();
    const std::string what = std::string(trial.name) + " [" + emulator::describe(settings) + "]: ";
    if (i < rightOnes)
      expect(outcome.empty(), what + "a false alarm: " + outcome);
    else
      expect(!outcome.empty() && outcome.find(trial.expected) != std::string::npos,
             what + (outcome.empty() ? "was not noticed" : outcome));
  }
}

// y (M, N) = x (M, K) wᵀ of w (N, K); `run(x, w, y, M, N, K)` says whether the kernel went well.
template <class T, class Run>
std::string tryProduct(size_t M, size_t N, size_t K, Run run) {
  const auto x = values<T>(M * K), w = values<T>(N * K, 1000);
  const Buffer<T> dx(x), dw(w);
  const Buffer<float> y(M * N);
  return outcome(run(dx, dw, y, M, N, K), [&] {
    const auto got = y.read();
    for (size_t m = 0; m < M; ++m)
      for (size_t n = 0; n < N; ++n) {
        float sum = 0;
        for (size_t k = 0; k < K; ++k) sum += float(x[m * K + k]) * float(w[n * K + k]);
        if (got[m * N + n] != sum) return false;
      }
    return true;
  });
}

// y (32): x (32) with neighbours exchanged; `run(x, y)` as above.
template <class Run>
std::string tryExchangedPairs(Run run) {
  const auto x = values<float>(32);
  const Buffer<float> dx(x), y(32);
  return outcome(run(dx, y), [&] {
    const auto got = y.read();
    for (size_t i = 0; i < 32; ++i)
      if (got[i] != x[i ^ 1]) return false;
    return true;
  });
}

}  // namespace ibert::tests

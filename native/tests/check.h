// A test program is a main that calls these; it fails when any of them does.
#pragma once

#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace ibert::tests {

inline int& failures() {
  static int count = 0;
  return count;
}

inline void expect(bool holds, const std::string& what) {
  if (holds) return;
  ++failures();
  std::fprintf(stderr, "FAIL %s\n", what.c_str());
}

inline void expectNear(double actual, double expected, double tolerance, const std::string& what) {
  if (std::fabs(actual - expected) <= tolerance) return;
  ++failures();
  std::fprintf(stderr, "FAIL %s: %.17g, expected %.17g\n", what.c_str(), actual, expected);
}

// body must throw a std::exception whose text holds `text`.
template <class Body>
void expectError(Body&& body, const std::string& text, const std::string& what) {
  try {
    body();
  } catch (const std::exception& error) {
    expect(std::string(error.what()).find(text) != std::string::npos,
           what + ": the error \"" + error.what() + "\" does not hold \"" + text + "\"");
    return;
  }
  expect(false, what + ": no error");
}

inline int report() {
  if (failures() == 0) std::printf("ok\n");
  return failures() == 0 ? 0 : 1;
}

}  // namespace ibert::tests

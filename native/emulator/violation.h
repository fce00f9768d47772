// What the emulator found wrong with a kernel: the first rule that a launch broke, and how to see it again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ibert::emulator {

struct Violation {
  std::string kernel;            // the function, or the place of its launch when the program holds no symbols
  unsigned block[3], thread[3];  // where the rule was broken
  std::string what;              // the rule and the values
  std::string where;             // kernel code: function + offset, for addr2line
  std::string schedule;          // schedule, seed and lateness: the same settings give the same run

  std::string text() const;
};

// The violation of the calling thread's last failed launch, which is forgotten then.
std::optional<Violation> takeViolation();

}  // namespace ibert::emulator

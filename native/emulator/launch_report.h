// What an emulated backend offers as the extension "launch-report" (Backend::extension): what kernels did,
// counted.
#pragma once

namespace ibert {

inline constexpr const char* kLaunchReport = "launch-report";

struct LaunchReport {
  void (*start)();  // counts from now on, from nothing
  // Stops counting. Some lines for people of what was counted since; valid until the next call.
  const char* (*finish)();
};

// The same as the extension "captures": `int64_t (*)()`, how many graphs this process captured.
inline constexpr const char* kCaptures = "captures";

}  // namespace ibert

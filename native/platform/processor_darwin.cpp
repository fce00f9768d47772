#include <sys/sysctl.h>

#include <algorithm>
#include <thread>

#include "processor.h"

namespace ibert::platform {

int usableCores() {
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

std::string processorName() {
  char text[128] = {};
  size_t bytes = sizeof text - 1;
  return sysctlbyname("machdep.cpu.brand_string", text, &bytes, nullptr, 0) == 0 ? text : "";
}

bool requestTiles() {
  return false;
}

}  // namespace ibert::platform

#include <algorithm>
#include <bit>
#include <thread>

#include "processor.h"
#include "processor_id.h"
#include "windows.h"

namespace ibert::platform {

int usableCores() {
  DWORD_PTR own = 0, all = 0;
  // A process in more than one group of 64 processors is told 0.
  if (GetProcessAffinityMask(GetCurrentProcess(), &own, &all) && own != 0) return std::popcount(own);
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

std::string processorName() {
  return brandOfX86();
}

bool requestTiles() {
  return false;
}

}  // namespace ibert::platform

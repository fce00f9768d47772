#include <cstring>

#include "emulator/report_extension.h"
#include "emulator/runtime/runtime.h"
#include "emulator/schedules.h"

namespace ibert::emulator {

const void* runtimeExtension(const char* name) {
  if (std::strcmp(name, kCaptures) == 0) return reinterpret_cast<const void*>(&captures);
  const void* report = ReportExtension<describe>::of(name);
  return report != nullptr ? report : schedulesExtension(name);
}

}  // namespace ibert::emulator

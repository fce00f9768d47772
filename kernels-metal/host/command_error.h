// What a command buffer failed of, by the code of its error: Metal's own text for people is translated and
// says little of what to do.
#pragma once

#include <string>

namespace ibert::metal {

// `code`: of MTLCommandBufferError, as in Apple's documentation; `text`: the error's localizedDescription.
inline std::string commandError(long code, const std::string& text) {
  const char* name = nullptr;
  switch (code) {
    case 2:
      name = "a command buffer ran longer than the system allows, as other programs wait for the GPU too";
      break;
    case 3:
      name = "a kernel accessed memory that is not there";
      break;
    case 4:
      name = "the system took the GPU away after failures before";
      break;
    case 7:
      name = "the system does not let this process use the GPU now, as when it is in the background";
      break;
    case 8:
      name = "out of memory on the GPU; a smaller batch or shorter sequences take less";
      break;
    case 11:
      name = "the GPU was removed";
      break;
    default:
      break;
  }
  const std::string detail = text + ", code " + std::to_string(code);
  return name == nullptr ? detail : std::string(name) + " (" + detail + ")";
}

}  // namespace ibert::metal

// What is said of files that cannot be mapped, whatever the system.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace ibert::platform {

inline std::runtime_error cannotOpen(const std::string& path, const std::string& why) {
  return std::runtime_error("cannot open " + path + ": " + why);
}

inline std::runtime_error cannotMap(const std::string& path, const std::string& why) {
  return std::runtime_error("cannot map " + path + ": " + why);
}

// Throws where the bytes do not lie in a file of that size; none never do.
inline void requireInside(const std::string& path, int64_t offset, int64_t bytes, int64_t fileBytes) {
  if (bytes > 0 && bytes <= fileBytes && offset <= fileBytes - bytes) return;
  throw cannotMap(path, "bytes " + std::to_string(offset) + " to " + std::to_string(offset + bytes) +
                            " do not lie in the file of " + std::to_string(fileBytes) + " bytes");
}

}  // namespace ibert::platform

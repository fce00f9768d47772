#include <cstdlib>

#include "environment.h"

namespace ibert::platform {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void setVariable(const char* name, const std::string& value) {
  setenv(name, value.c_str(), 1);
}

}  // namespace ibert::platform

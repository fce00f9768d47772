// Of the system and not of the C library, which has a copy: Node, which is linked with one of its own, would
// change a variable without us seeing it.
#include "environment.h"
#include "windows.h"

namespace ibert::platform {

std::string variable(const char* name) {
  const std::wstring key = wide(name);
  std::wstring value(GetEnvironmentVariableW(key.c_str(), nullptr, 0), L'\0');
  value.resize(GetEnvironmentVariableW(key.c_str(), value.data(), static_cast<DWORD>(value.size())));
  return narrow(value);
}

void setVariable(const char* name, const std::string& value) {
  SetEnvironmentVariableW(wide(name).c_str(), wide(value).c_str());
}

}  // namespace ibert::platform

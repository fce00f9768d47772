// Variables of the process's environment.
#pragma once

#include <string>

namespace ibert::platform {

// As it is now, whoever of the process set it; "" where it is not set.
std::string variable(const char* name);

// Seen by `variable` and by children.
void setVariable(const char* name, const std::string& value);

}  // namespace ibert::platform

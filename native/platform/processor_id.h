// What a processor says of itself.
#pragma once

#include <string>

namespace ibert::platform {

// The brand of an x86 processor, without spaces around it; "" of any other.
std::string brandOfX86();

}  // namespace ibert::platform

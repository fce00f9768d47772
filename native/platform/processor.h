// The machine's processor, as the system lets this process use it.
#pragma once

#include <string>

namespace ibert::platform {

// Cores that this process may run on; at least 1.
int usableCores();

// "AMD EPYC 9R14", "Apple M2"; "" where nobody says.
std::string processorName();

// The state of AMX is large, so a system may give it to a process only on request, once, before any tile
// instruction; false where it does not.
bool requestTiles();

}  // namespace ibert::platform

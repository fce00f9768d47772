// How long an op takes on a device.
#pragma once

#include "session.h"

namespace ibert::tools {

// Seconds of one call: the best of three rounds of a tenth of a second, after a first that warms caches.
double secondsOfCall(Operands& operands);

}  // namespace ibert::tools

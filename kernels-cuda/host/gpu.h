// A device, real or planned, and what is known of it.
#pragma once

#include <string>

#include "backend.h"
#include "kernel.h"

namespace ibert::cuda {

struct Gpu {
  int index = 0;
  bool planned = false;  // it has neither memory nor streams
  Machine machine;
  DeviceInfo info{};  // but for availableBytes of a real one

  // Makes it the device of the calling thread. Throws for a planned one.
  void use() const;
  DeviceInfo present() const;
};

// The well-known card of an architecture ("sm_90": H100 80 GB). Throws std::runtime_error that lists the
// known.
Gpu plannedGpu(const std::string& architecture);
// Throws Obstructed (driver.h), or std::runtime_error where there is no such index.
Gpu openGpu(int index);
// Peaks of the card of that name by its maker's figures, where they are known.
void setPeaks(DeviceInfo& info);

}  // namespace ibert::cuda

// What keeps a machine from running the backend, found before CUDA's runtime is asked anything: of its own it
// says little, and a driver that is too old may only show at the first launch.
#pragma once

#include <string>

namespace ibert::cuda {

// The oldest driver that runs code of this toolkit, as cuDriverGetVersion counts.
inline constexpr int kOldestDriver = 13000;
// The lowest compute capability that the library has code for.
inline constexpr int kLowestArchitecture = 80;

// Why the driver does not do, and what would help; empty when it does.
std::string driverProblem(const char* library);
// The same of a device's compute capability, such as 75.
std::string codeProblem(const std::string& name, int architecture);
// The same where the driver shows no device.
std::string noDeviceProblem();

}  // namespace ibert::cuda

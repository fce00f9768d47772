// What keeps a machine from running the backend, found before CUDA's runtime is asked anything: of its own it
// says little, and a driver that is too old may only show at the first launch.
#pragma once

#include <stdexcept>
#include <string>

#include "backend.h"
#include "frame/message.h"

namespace ibert::cuda {

// The oldest driver that runs code of this toolkit, as cuDriverGetVersion counts.
inline constexpr int kOldestDriver = 13000;
// The lowest compute capability that the library has code for.
inline constexpr int kLowestArchitecture = 80;

// With what would help.
struct Obstructed : std::runtime_error {
  Obstructed(Obstacle what, const std::string& text) : std::runtime_error(text), obstacle(what) {}
  const Obstacle obstacle;
};

// Throws Obstructed where the driver does not do.
void requireDriver(const char* library);
// The same of a device's compute capability, such as 75.
void requireCode(const std::string& name, int architecture);
// Where the driver shows no device, and where it fails when it is asked.
[[noreturn]] void throwNoDevice();
[[noreturn]] void throwBrokenDriver(const std::string& why);

// Backend::probe of a body that throws what is wrong.
template <class Body>
int probed(Message* message, Body&& body) {
  Obstacle found = Obstacle::Other;
  const int status = frame::guarded(message, [&] {
    try {
      body();
    } catch (const Obstructed& error) {
      found = error.obstacle;
      throw;
    }
  });
  return status == 0 ? 0 : static_cast<int>(found);
}

}  // namespace ibert::cuda

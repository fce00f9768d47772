// What keeps a machine from running the CUDA backend: each has one message that says what would help.
// Arguments: libraries that stand in for an old driver and for one that will do.
#include "../../kernels-cuda/host/driver.h"  // not that of native/host/
#include "check.h"

namespace ibert::tests {

namespace {

void expectHolds(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts)
    expect(text.find(part) != std::string::npos, "\"" + text + "\" does not hold \"" + part + "\"");
}

// What `probe` makes of a body: the obstacle, and a text that holds the parts.
template <class Body>
void expectObstacle(Obstacle obstacle, std::initializer_list<const char*> parts, Body&& body) {
  Message message{};
  expect(cuda::probed(&message, body) == static_cast<int>(obstacle),
         std::string("another obstacle: ") + message.text);
  expectHolds(message.text, parts);
}

void testAll(const char* old, const char* fine, const char* other) {
  using namespace cuda;
  expectObstacle(Obstacle::NoDriver, {"no NVIDIA driver", "libnot-there.so.1", "Install the driver"},
                 [] { requireDriver("libnot-there.so.1"); });
  expectObstacle(Obstacle::DriverTooOld, {"too old", "up to 12.8", "needs 13.0", "Install driver 580"},
                 [&] { requireDriver(old); });
  expectObstacle(Obstacle::DriverBroken, {"no working NVIDIA driver", other}, [&] { requireDriver(other); });
  expectObstacle(Obstacle::DriverBroken, {"does not work: unknown error", "nvidia-smi"},
                 [] { throwBrokenDriver("unknown error"); });
  expectObstacle(Obstacle::None, {}, [&] { requireDriver(fine); });
  expectObstacle(Obstacle::Architecture, {"NVIDIA T4", "compute capability 7.5", "8.0 and later", "cpu"},
                 [] { requireCode("NVIDIA T4", 75); });
  for (const int architecture : {80, 86, 89, 90, 100, 120})
    expectObstacle(Obstacle::None, {}, [&] { requireCode("GPU", architecture); });
  unsetenv("CUDA_VISIBLE_DEVICES");
  expectObstacle(Obstacle::NoDevice, {"no device", "nvidia-smi -L"}, [] { throwNoDevice(); });
  setenv("CUDA_VISIBLE_DEVICES", "7", 1);
  expectObstacle(Obstacle::NoDevice, {"no device", "CUDA_VISIBLE_DEVICES is \"7\"", "unset it"},
                 [] { throwNoDevice(); });
  expectObstacle(Obstacle::Other, {"something else"}, [] { throw std::runtime_error("something else"); });
}

}  // namespace

}  // namespace ibert::tests

int main(int, char** arguments) {
  ibert::tests::testAll(arguments[1], arguments[2], arguments[3]);
  return ibert::tests::report();
}

// What keeps a machine from running the CUDA backend: each has one message that says what would help.
// Arguments: libraries that stand in for an old driver and for one that will do.
#include "check.h"
#include "host/driver.h"

namespace ibert::tests {

namespace {

void expectHolds(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts)
    expect(text.find(part) != std::string::npos, "\"" + text + "\" does not hold \"" + part + "\"");
}

void testAll(const char* old, const char* fine, const char* other) {
  using namespace cuda;
  expectHolds(driverProblem("libnot-there.so.1"),
              {"no NVIDIA driver", "libnot-there.so.1", "Install the driver"});
  expectHolds(driverProblem(old), {"too old", "up to 12.8", "needs 13.0", "Install driver 580"});
  expectHolds(driverProblem(other), {"no working NVIDIA driver", other});
  expect(driverProblem(fine).empty(), "a driver that will do");
  expectHolds(codeProblem("NVIDIA T4", 75), {"NVIDIA T4", "compute capability 7.5", "8.0 and later", "cpu"});
  for (const int architecture : {80, 86, 89, 90, 100, 120})
    expect(codeProblem("GPU", architecture).empty(), "there is code for it");
  unsetenv("CUDA_VISIBLE_DEVICES");
  expectHolds(noDeviceProblem(), {"no device", "nvidia-smi -L"});
  setenv("CUDA_VISIBLE_DEVICES", "7", 1);
  expectHolds(noDeviceProblem(), {"no device", "CUDA_VISIBLE_DEVICES is \"7\"", "unset it"});
}

}  // namespace

}  // namespace ibert::tests

int main(int, char** arguments) {
  ibert::tests::testAll(arguments[1], arguments[2], arguments[3]);
  return ibert::tests::report();
}

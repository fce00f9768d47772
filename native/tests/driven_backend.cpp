// The reference as a backend that needs a driver: IBERT_TEST_DRIVER names the library that stands in for it,
// IBERT_TEST_DEVICE the compute capability of its device, or "none".
#include <cstdlib>
#include <string>

#include "../../kernels-cuda/host/driver.h"
#include "host/backend.h"
#include "platform/export.h"
#include "reference/reference.h"

namespace ibert::tests {

namespace {

constexpr char kName[] = "driven";

const char* environment(const char* name, const char* usual) {
  const char* value = std::getenv(name);
  return value == nullptr ? usual : value;
}

int probe(Message* message) {
  return cuda::probed(message, [] {
    cuda::requireDriver(environment("IBERT_TEST_DRIVER", "libnot-there.so.1"));
    const std::string device = environment("IBERT_TEST_DEVICE", "none");
    if (device == "none") cuda::throwNoDevice();
    cuda::requireCode("NVIDIA T4", std::atoi(device.c_str()));
  });
}

}  // namespace

}  // namespace ibert::tests

IBERT_EXPORT const ibert::Backend* ibertBackend() {
  static const ibert::Backend backend = [] {
    using namespace ibert::tests;
    ibert::Backend result = *ibert::host::hostBackend<kName, ibert::reference::kernels>();
    result.opensDriver = 1;
    result.probe = probe;
    return result;
  }();
  return &backend;
}

// The reference as a backend library: the same door that device backends use.
#include "host/backend.h"

#include "reference.h"

namespace ibert::reference {

namespace {

constexpr char kName[] = "reference";

}  // namespace

}  // namespace ibert::reference

extern "C" __attribute__((visibility("default"))) const ibert::Backend* ibertBackend() {
  return ibert::host::hostBackend<ibert::reference::kName, ibert::reference::kernels>();
}

// The reference as a backend library: the same door that device backends use.
#include "host/backend.h"

#include "platform/export.h"
#include "reference.h"

namespace ibert::reference {

namespace {

constexpr char kName[] = "reference";

}  // namespace

}  // namespace ibert::reference

IBERT_EXPORT const ibert::Backend* ibertBackend() {
  return ibert::host::hostBackend<ibert::reference::kName, ibert::reference::kernels>();
}

// Memory that the C library keeps for later.
#include "platform/memory.h"

#include "handles.h"

namespace ibert::bindings {

// trimHeap(): gives freed memory back to the system, where the C library can.
Napi::Value trimHeap(const Napi::CallbackInfo& info) {
  platform::trimHeap();
  return info.Env().Undefined();
}

}  // namespace ibert::bindings

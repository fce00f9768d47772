// Memory that the C library keeps for later.
#if defined(__linux__)
#include <malloc.h>
#endif

#include "handles.h"

namespace ibert::bindings {

// trimHeap(): gives freed memory back to the system, where the C library can.
Napi::Value trimHeap(const Napi::CallbackInfo& info) {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
  return info.Env().Undefined();
}

}  // namespace ibert::bindings

// The backend ABI: a table of C functions. The CPU backend is linked into the addon; the others (the float64
// reference today) are shared libraries beside it that export `ibertBackend` and are opened at run time.
//
// Rules: no exception crosses; a function that can fail returns 0 on success, else fills `message`. Work on a
// stream runs in order. When an op fails, the stream skips what follows until the error is reported by
// `notify` or `synchronize`, which clears it.
#pragma once

#include <cstdint>

#include "ops.h"

namespace ibert {

constexpr uint32_t kBackendAbiVersion = 2;

struct Message {
  char text[1024];
};

struct DeviceInfo {
  char name[128];         // "AMD EPYC ..." or "NVIDIA H200"
  char architecture[64];  // chosen instruction set or compute capability: "avx512-bf16", "sm_90a"
  int64_t memoryBytes;    // total
  int32_t threads;        // CPU: threads that compute
  int32_t reserved;
};

struct DeviceOptions {
  int32_t index;
  int32_t threads;  // CPU: 0 for one a core
};

struct Device;  // opaque, the backend's own
struct Stream;
struct Recording;

struct RecordedOp {
  Op op;
  const void* arguments;
};

struct Backend {
  uint32_t abiVersion;
  uint32_t reserved;
  uint64_t tableHash;  // opTableHash() of the headers it was built with
  const char* name;    // "cpu", "reference", "cuda", "metal"

  // 0 if this machine can run the backend; else says what is missing.
  int (*probe)(Message* message);
  int (*openDevice)(const DeviceOptions* options, Device** device, Message* message);
  void (*closeDevice)(Device* device);  // its streams are destroyed, its memory and recordings released
  void (*deviceInfo)(Device* device, DeviceInfo* info);

  int (*allocate)(Device* device, int64_t bytes, void** memory, Message* message);  // 64-byte aligned
  void (*release)(Device* device, void* memory);  // the caller has synchronised with the work that uses it

  // Bytes of an (rows, columns) weight in packed layout; -1 when the backend cannot pack that dtype.
  int64_t (*packedBytes)(Device* device, DType dtype, int64_t rows, int64_t columns);
  // Scratch bytes that the op needs on its stream. Looks at shapes and dtypes only, never at data.
  int64_t (*workspaceBytes)(Device* device, Op op, const void* arguments);
  // 0 if the op runs with these dtypes and layouts; else says why not. Looks at shapes and dtypes only.
  int (*supports)(Device* device, Op op, const void* arguments, Message* message);
  // Which kernel the dispatcher chose for an op ("avx512-bf16", "float64"); null if the op is not there at
  // all.
  const char* (*kernelName)(Device* device, Op op);

  int (*createStream)(Device* device, Stream** stream, Message* message);
  // Waits for the op in hand; work that has not begun may be dropped, with its `notify` callbacks.
  void (*destroyStream)(Stream* stream);
  int (*enqueue)(Stream* stream, Op op, const void* arguments, Message* message);  // copies the arguments
  // Ops that are enqueued together, in order, any number of times: checked once, arguments copied. On a host
  // they are a list; a device may make a graph of them.
  int (*record)(Device* device, const RecordedOp* ops, int64_t count, Recording** recording,
                Message* message);
  int (*replay)(Stream* stream, const Recording* recording, Message* message);
  void (*releaseRecording)(Recording* recording);  // the caller has synchronised with the work that uses it
  // Host memory must stay valid until the copy has run.
  int (*copyToDevice)(Stream* stream, void* device, const void* host, int64_t bytes, Message* message);
  int (*copyToHost)(Stream* stream, void* host, const void* device, int64_t bytes, Message* message);
  int (*fill)(Stream* stream, void* device, uint8_t value, int64_t bytes, Message* message);
  // Calls back, on a thread of the backend's, when all work enqueued before has run: error is null or the
  // first failure.
  int (*notify)(Stream* stream, void (*callback)(void* user, const Message* error), void* user,
                Message* message);
  int (*synchronize)(Stream* stream, Message* message);  // blocks
  // While on, an op that writes a value that is not finite fails with its name: slow, for finding where a NaN
  // began.
  void (*checkFinite)(Stream* stream, int on);
};

// A backend library exports this with C linkage under the name "ibertBackend".
using BackendEntry = const Backend* (*)();

}  // namespace ibert

// The backend ABI: a table of C functions. The CPU backend is linked into the addon; the others (the float64
// reference today) are shared libraries beside it that export `ibertBackend` and are opened at run time.
//
// Rules:
// - No exception crosses; a function that can fail returns 0 on success, else fills `message`.
// - Memory is named by buffer and offset. Only a backend knows addresses.
// - Work on a stream runs in order. When an op fails, such as for an id outside a table, the first failure is
//   reported by `notify` or `synchronize`, which clears it. What was enqueued behind it may be skipped or may
//   run on rubbish, but stays within its operands; adamW leaves all as it was.
// - A planned device has no memory and no streams: it answers for sizes, support and kernels.
#pragma once

#include <cstdint>

#include "ops.h"

namespace ibert {

constexpr uint32_t kBackendAbiVersion = 4;

struct Message {
  char text[1024];
};

struct DeviceInfo {
  char name[128];          // "AMD EPYC ..." or "NVIDIA H200"
  char architecture[64];   // chosen instruction set or compute capability: "avx512-bf16", "sm_90"
  int64_t memoryBytes;     // total
  int64_t availableBytes;  // that nobody uses now
  int64_t maxBufferBytes;  // of one buffer
  double
      bf16FlopsPerSecond;  // peaks of the hardware by its maker's figures; 0 where a program has to measure
  double f32FlopsPerSecond;
  double bytesPerSecond;
  int32_t threads;  // CPU: threads that compute
  // Its memory is the host's: what the device holds, the host lacks.
  int32_t sharesHostMemory;
  // A recording is dear, so that steps of generation should come in few sizes.
  int32_t roundsRows;
  int32_t reserved;
};

struct DeviceOptions {
  int32_t index;
  int32_t threads;  // CPU: 0 for one a core
  // Not null: a planned device of this architecture ("sm_90"). It needs neither hardware nor driver.
  const char* planned;
};

// What keeps a machine from running a backend.
enum class Obstacle : int32_t {
  None,
  Other,
  NoDriver,
  DriverTooOld,
  DriverBroken,
  NoDevice,
  Architecture,  // the library has no code for the device
};

struct Device;  // opaque, the backend's own
struct Stream;
struct Recording;
struct Event;

struct RecordedOp {
  Op op;
  const void* arguments;
};

struct Backend {
  uint32_t abiVersion;
  // 1: it opens a driver of the system, which may crash or hang. Who must not go down with it calls `probe`
  // in a process of its own first.
  uint32_t opensDriver;
  uint64_t tableHash;  // opTableHash() of the headers it was built with
  const char* name;    // "cpu", "reference", "cuda", "metal"

  // 0 if this machine can run the backend; else an Obstacle, and says what is missing and would help.
  int (*probe)(Message* message);
  int (*openDevice)(const DeviceOptions* options, Device** device, Message* message);
  void (*closeDevice)(
      Device* device);  // its streams are destroyed, its memory, recordings and events released
  void (*deviceInfo)(Device* device, DeviceInfo* info);

  // At most maxBufferBytes; starts at a multiple of 256 bytes.
  int (*allocate)(Device* device, int64_t bytes, Buffer** buffer, Message* message);
  void (*release)(Device* device, Buffer* buffer);  // the caller has synchronised with the work that uses it
  // Host memory that the device copies from and to without a detour (pinned).
  int (*allocateHost)(Device* device, int64_t bytes, void** memory, Message* message);
  void (*releaseHost)(Device* device, void* memory);

  // Bytes of an (rows, columns) weight in packed layout; -1 when the backend cannot pack that dtype.
  int64_t (*packedBytes)(Device* device, DType dtype, int64_t rows, int64_t columns);
  // Scratch bytes that the op needs on its stream. Looks at shapes and dtypes only, never at data.
  int64_t (*workspaceBytes)(Device* device, Op op, const void* arguments);
  // 0 if the op runs with these dtypes and layouts; else says why not. Looks at shapes and dtypes only.
  int (*supports)(Device* device, Op op, const void* arguments, Message* message);
  // Which kernel the dispatcher takes for these arguments ("avx512-bf16", "float64"), or, where they are
  // null, for the op in general; null if the op is not there at all.
  const char* (*kernelName)(Device* device, Op op, const void* arguments);

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
  // Neither blocks. Host memory of any kind must stay valid and unchanged until the copy has run.
  int (*copyToDevice)(Stream* stream, Buffer* target, int64_t offset, const void* host, int64_t bytes,
                      Message* message);
  int (*copyToHost)(Stream* stream, void* host, Buffer* source, int64_t offset, int64_t bytes,
                    Message* message);
  // Between buffers of this backend, whatever their devices; the stream belongs to the target's.
  int (*copy)(Stream* stream, Buffer* target, int64_t targetOffset, Buffer* source, int64_t sourceOffset,
              int64_t bytes, Message* message);
  int (*fill)(Stream* stream, Buffer* target, int64_t offset, uint8_t value, int64_t bytes, Message* message);
  // Calls back, on a thread of the backend's own, when all work enqueued before has run, well or not: error
  // is null or the first failure.
  int (*notify)(Stream* stream, void (*callback)(void* user, const Message* error), void* user,
                Message* message);
  int (*synchronize)(Stream* stream, Message* message);  // blocks
  // While on, an op that writes a value that is not finite fails with its name: slow, for finding where a NaN
  // began.
  void (*checkFinite)(Stream* stream, int on);

  // An event is a place in a stream, that of its last `recordEvent`.
  int (*createEvent)(Device* device, Event** event, Message* message);
  void (*destroyEvent)(Event* event);  // no stream waits for it any more
  int (*recordEvent)(Stream* stream, Event* event, Message* message);
  // What is enqueued from now on runs when the work before that place has run; at once where it was never
  // recorded.
  int (*waitEvent)(Stream* stream, Event* event, Message* message);
  // Time between two events that the caller has synchronised with.
  int (*elapsed)(Event* from, Event* to, double* seconds, Message* message);

  // A further table of functions by name, such as a communicator between devices; null where there is none.
  const void* (*extension)(const char* name);
};

// A backend library exports this with C linkage under the name "ibertBackend".
using BackendEntry = const Backend* (*)();

}  // namespace ibert

// The few things that the backend asks of Metal, as an interface of its own. Its implementations are Metal
// itself (apple.cpp) and the emulator (emulated.cpp), so that all that stands on it runs on Linux too.
//
// All memory is shared between host and GPU: an address of a buffer is good on both sides, as long as one
// waits for the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "backend.h"
#include "tile_type.h"

namespace ibert::metal {

class GpuBuffer {
 public:
  virtual ~GpuBuffer() = default;

  std::byte* address = nullptr;  // 256-byte aligned
  int64_t bytes = 0;
};

// A kernel, compiled.
class Pipeline {
 public:
  virtual ~Pipeline() = default;

  std::string name;
  int mostThreads = 0;  // of a threadgroup
};

// A value that rises, which command buffers signal and wait for.
class GpuEvent {
 public:
  virtual ~GpuEvent() = default;
};

// A place in a buffer; no buffer where an operand is absent.
struct Binding {
  GpuBuffer* buffer;
  int64_t offset;
};

struct Dispatch {
  Pipeline* pipeline;
  const Binding* bindings;  // by index; the parameters have the index behind them
  int bindingCount;
  const void* parameters;
  size_t parameterBytes;
  int64_t threadgroupBytes, groups;
  int threads;
};

// A command buffer: what is encoded runs in order when it is committed, after those that were committed to
// its queue before. One thread encodes and commits; the rest is for any thread, behind `commit`.
class Commands {
 public:
  virtual ~Commands() = default;
  virtual void dispatch(const Dispatch& dispatch) = 0;
  virtual void signal(GpuEvent& event, uint64_t value) = 0;
  virtual void wait(GpuEvent& event, uint64_t value) = 0;
  virtual void commit() = 0;
  virtual bool isFinished() = 0;
  // Waits; what went wrong, empty for nothing.
  virtual std::string finish() = 0;
  // When it was finished, in seconds of one clock for all.
  virtual double finishedAt() = 0;
};

class Queue {
 public:
  virtual ~Queue() = default;
  virtual std::shared_ptr<Commands> commands() = 0;
};

class Hardware {
 public:
  virtual ~Hardware() = default;
  virtual DeviceInfo info() = 0;  // availableBytes as it is now
  // Whether the system compiles Metal 3.1, which kernels of TileType::bf16 are written in.
  virtual bool hasBfloat() = 0;
  // Throws std::bad_alloc when there is no memory.
  virtual std::unique_ptr<GpuBuffer> allocate(int64_t bytes) = 0;
  // By the host, while no work uses the memory.
  virtual void write(std::byte* to, const void* from, int64_t bytes) = 0;
  virtual void read(void* to, const std::byte* from, int64_t bytes) = 0;
  virtual void copy(std::byte* to, const std::byte* from, int64_t bytes) = 0;
  virtual void fill(std::byte* to, uint8_t value, int64_t bytes) = 0;
  // Throws std::runtime_error for a kernel that is not there or does not compile. Compiled once for a type.
  virtual Pipeline& pipeline(const char* name, TileType type = TileType::float32) = 0;
  virtual std::unique_ptr<Queue> queue() = 0;
  virtual std::unique_ptr<GpuEvent> event() = 0;
};

// The name of the backend that has this hardware: "metal" or "metal-emulated".
extern const char* const kBackendName;
// Throws std::runtime_error that says what is missing.
std::shared_ptr<Hardware> openHardware(int index);
// Backend::extension.
const void* hardwareExtension(const char* name);

}  // namespace ibert::metal

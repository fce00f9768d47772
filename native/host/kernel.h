// What a backend on the host supplies: one Kernel per op. Streams, memory, threads and the C ABI are the
// frame's (host/backend.h), so that a kernel file holds nothing but its kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "../backend.h"
#include "thread_pool.h"

namespace ibert::host {

struct Context {
  ThreadPool& pool;
  std::byte* workspace;  // at least as large as the kernel's `workspace` said; 64-byte aligned
};

struct Kernel {
  // Runs the op; throws std::exception on bad content (an id out of range). Arguments have passed
  // checkArguments.
  void (*run)(const void* arguments, Context& context) = nullptr;
  // Scratch bytes for these shapes; null: none.
  int64_t (*workspace)(const void* arguments, int threads) = nullptr;
  // Why these dtypes or layouts do not run; an empty text: they do. Null: everything that passes
  // checkArguments runs.
  std::string (*unsupported)(const void* arguments) = nullptr;
  // The chosen path, e.g. "avx512-bf16".
  const char* path = nullptr;
};

// All that differs between two host backends.
struct KernelTable {
  const char* backend;       // "cpu"
  const char* architecture;  // "avx512-bf16"
  Kernel kernels[kOpCount];
  int64_t (*packedBytes)(DType dtype, int64_t rows, int64_t columns);

  // Files of one op each register themselves through a typed setter:
  //   table.set<Rope>(&run, path)
  template <class Struct, void (*Run)(const Struct&, Context&)>
  Kernel& set(const char* path) {
    Kernel& kernel = kernels[static_cast<int>(opOf<Struct>())];
    kernel.run = [](const void* arguments, Context& context) {
      Run(*static_cast<const Struct*>(arguments), context);
    };
    kernel.path = path;
    return kernel;
  }
  template <class Struct, int64_t (*Workspace)(const Struct&, int threads)>
  void setWorkspace() {
    kernels[static_cast<int>(opOf<Struct>())].workspace = [](const void* arguments, int threads) {
      return Workspace(*static_cast<const Struct*>(arguments), threads);
    };
  }
  template <class Struct, std::string (*Unsupported)(const Struct&)>
  void setUnsupported() {
    kernels[static_cast<int>(opOf<Struct>())].unsupported = [](const void* arguments) {
      return Unsupported(*static_cast<const Struct*>(arguments));
    };
  }
};

}  // namespace ibert::host

// What a backend on the host supplies: kernels that run on the threads of a pool, with scratch memory.
// Streams, memory and threads are this folder's, checks and dispatch the frame's.
#pragma once

#include <cstddef>

#include "../frame/kernel.h"
#include "thread_pool.h"

namespace ibert::host {

struct Context {
  using Machine = int;  // threads

  ThreadPool& pool;
  std::byte* workspace;  // at least as large as the kernel's `workspace` said; 64-byte aligned
};

using Kernel = frame::Kernel<Context>;
using KernelTable = frame::KernelTable<Context>;

}  // namespace ibert::host

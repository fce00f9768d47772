// What a file of kernels is handed and what it gives: an op's launcher enqueues the op's kernels on a stream.
// Everything around that is host/ (memory, streams, graphs) and native/frame/ (checks, dispatch, index
// rules).
//
// The values of index tensors were looked at by a kernel before the op's own (host/index_check.cu), which
// records the first wrong one. The op runs all the same, so every kernel stays within its operands whatever
// it reads
// (`inside` in operand.h), and AdamW changes nothing while there is a record (Context::fault).
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

#include "device.h"
#include "frame/indices.h"
#include "frame/kernel.h"

namespace ibert::cuda {

// What launchers choose by. A planned device has one too.
struct Machine {
  int architecture = 90;  // compute capability: 80, 86, 89, 90, 100, 120
  int multiprocessors = 132;
  int64_t sharedBytes = 232448;  // dynamic shared memory that a block may have
};

// Fault::kind, besides 0, a broken rule of native/frame/indices.h.
inline constexpr int32_t kNotFinite = 1;    // an element
inline constexpr int32_t kNoneAllowed = 2;  // of a row, `index`, no id may be drawn

struct Context {
  using Machine = cuda::Machine;

  cudaStream_t stream;
  // Device memory, at least as large as the kernel's `workspace` said; 256-byte aligned.
  std::byte* workspace;
  Machine machine;
  frame::Fault* fault;  // device memory: its `op` is -1 as long as all was right
  int64_t number;       // of the op in its stream, for a record of its own

  // Throws when a launch was refused.
  void require(cudaError_t error) const {
    if (error != cudaSuccess) throw std::runtime_error(std::string("launch: ") + cudaGetErrorString(error));
  }
};

using Kernel = frame::Kernel<Context>;
using KernelTable = frame::KernelTable<Context>;

// A simple kernel: plain loops in float32 over any shape. It is what the fast ones are held against on
// hardware.
inline constexpr const char* kTwin = "twin";
// Products by mma.sync.
inline constexpr const char* kMmaPath = "mma";

}  // namespace ibert::cuda

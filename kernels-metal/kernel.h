// What a file of kernels is handed and what it gives: an op's launcher encodes the op's kernels for a stream.
// Everything around that is host/ (memory, streams) and native/frame/ (checks, dispatch, index rules).
//
// The values of index tensors were looked at by a kernel before the op's own (checks.metal), which records
// the first wrong one. The op runs all the same, so every kernel stays within its operands whatever it reads
// (`inside` in operand.h), and AdamW changes nothing while there is a record (Context::fault).
#pragma once

#include <cstddef>
#include <initializer_list>
#include <type_traits>

#include "dtypes.h"
#include "frame/faults.h"
#include "frame/kernel.h"
#include "tile_type.h"

namespace ibert::metal {

static_assert(kF32 == int(DType::F32) && kBf16 == int(DType::BF16) && kF16 == int(DType::F16));
static_assert(kQ8_0 == int(DType::Q8_0) && kQ4_0 == int(DType::Q4_0) && kQ4_1 == int(DType::Q4_1));
static_assert(kQ4_K == int(DType::Q4_K) && kQ5_K == int(DType::Q5_K) && kQ6_K == int(DType::Q6_K));
static_assert(kQ5_0 == int(DType::Q5_0) && kQ5_1 == int(DType::Q5_1));
static_assert(kNotFiniteKind == frame::kNotFinite && kNoneAllowedKind == frame::kNoneAllowed);

// What launchers choose by. A planned device has one too.
struct Machine {
  int64_t threadgroupBytes = 32 << 10;
  int family = 7;         // of Apple's GPUs: 7 is the M1's
  bool hasBfloat = true;  // the system compiles Metal 3.1, which has the type

  // simdgroup_matrix came with the seventh.
  bool hasMatrices() const { return family >= 7; }
  // Arithmetic in bf16 came with the ninth, the M3's. Before it the compiler makes it of float32 and shifts,
  // slower than float32 itself.
  bool hasBf16() const { return family >= 9 && hasBfloat; }
};

// Threads of a threadgroup, as grid.h has them: one an element, or few that share a row.
inline constexpr int kThreads = 256, kFewThreads = 64, kTileThreads = 128;

// Where a kernel finds an operand: a tensor's address, or null where the tensor is absent.
struct Operand {
  const void* address;

  Operand() : address(nullptr) {}
  Operand(const void* address) : address(address) {}
  Operand(const Tensor* tensor) : address(*tensor ? tensor->data : nullptr) {}
};

// Who brings kernels to the device.
class Launcher {
 public:
  // Encodes kernel(operands..., parameters) with `threadgroupBytes` of threadgroup memory. `type`: of kernels
  // that are compiled for each.
  virtual void launch(const char* kernel, int64_t groups, int threads,
                      std::initializer_list<Operand> operands, const void* parameters, size_t bytes,
                      int64_t threadgroupBytes, TileType type) = 0;

 protected:
  ~Launcher() = default;
};

struct Context {
  using Machine = metal::Machine;

  Launcher& launcher;
  // Device memory, at least as large as the kernel's `workspace` said; 256-byte aligned.
  std::byte* workspace;
  Machine machine;
  std::byte* fault;  // device memory: a FaultRecord
  int64_t number;    // of the op in its stream, for a record of its own

  Operand scratch(int64_t offset) const { return workspace + offset; }

  // A thread for each of `count` elements.
  template <class Parameters>
  void elements(const char* kernel, int64_t count, std::initializer_list<Operand> operands,
                const Parameters& parameters) {
    launch(kernel, (count + kThreads - 1) / kThreads, kThreads, operands, parameters, 0);
  }
  // A threadgroup of four simdgroups for each of `count` tiles.
  template <class Parameters>
  void tiles(const char* kernel, int64_t count, std::initializer_list<Operand> operands,
             const Parameters& parameters, int64_t threadgroupBytes, TileType type) {
    launch(kernel, count, kTileThreads, operands, parameters, threadgroupBytes, type);
  }
  // A threadgroup of kFewThreads for each of `count` rows.
  template <class Parameters>
  void rows(const char* kernel, int64_t count, std::initializer_list<Operand> operands,
            const Parameters& parameters, int64_t threadgroupBytes = 0) {
    launch(kernel, count, kFewThreads, operands, parameters, threadgroupBytes);
  }
  // Threadgroups of `threads`.
  template <class Parameters>
  void groups(const char* kernel, int64_t count, int threads, std::initializer_list<Operand> operands,
              const Parameters& parameters, int64_t threadgroupBytes) {
    launch(kernel, count, threads, operands, parameters, threadgroupBytes);
  }

 private:
  template <class Parameters>
  void launch(const char* kernel, int64_t groups, int threads, std::initializer_list<Operand> operands,
              const Parameters& parameters, int64_t threadgroupBytes, TileType type = TileType::float32) {
    static_assert(std::is_trivially_copyable_v<Parameters>);
    if (groups > 0)
      launcher.launch(kernel, groups, threads, operands, &parameters, sizeof parameters, threadgroupBytes,
                      type);
  }
};

using Kernel = frame::Kernel<Context>;
using KernelTable = frame::KernelTable<Context>;

// A simple kernel: plain loops in float32 over any shape. It is what fast ones are held against.
inline constexpr const char* kTwin = "twin";
// On a simdgroup's matrices of 8 x 8, of float32 or of bf16.
inline constexpr const char *kMatrices = "simdgroup", *kBf16Matrices = "simdgroup-bf16";
// Paged attention by chunks of positions (flash_paged.metal).
inline constexpr const char* kFlash = "flash";

inline int32_t numberOf(const Tensor& tensor) {
  return static_cast<int32_t>(tensor.dtype);
}
inline bool areAligned(std::initializer_list<const Tensor*> tensors, uintptr_t bytes) {
  for (const Tensor* tensor : tensors)
    if (reinterpret_cast<uintptr_t>(tensor->data) % bytes != 0) return false;
  return true;
}
constexpr int64_t ceilDivide(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace ibert::metal

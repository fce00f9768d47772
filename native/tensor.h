// The tensor that crosses the backend ABI: a plain view of a buffer. Whoever made the buffer owns it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ibert {

// Values are part of the ABI: append only. Block formats are ggml's, as the GGUF specification lays them out.
enum class DType : int32_t {
  F64 = 0,
  F32 = 1,
  BF16 = 2,
  F16 = 3,
  I32 = 4,
  U8 = 5,
  Q8_0 = 6,
  Q4_0 = 7,
  Q4_1 = 8,
  Q4_K = 9,
  Q5_K = 10,
  Q6_K = 11,
  Q5_0 = 12,
  Q5_1 = 13,
};

// RowMajor is what files and JavaScript see. Packed is a weight in the backend's own order, made by the op
// packWeight; only the backend that packed it can read it.
enum class Layout : int32_t { RowMajor = 0, Packed = 1 };

constexpr int kMaxRank = 4;
constexpr int kMaxInts = 8;

struct Buffer;  // device memory; opaque, the backend's own

struct Tensor {
  // Where the kernels of a backend find it. Nobody outside sets it: a backend's frame fills it in from buffer
  // and offset (frame/operands.h), so that kernels know nothing of buffers.
  void* data;
  int64_t shape[kMaxRank];  // unused dimensions are 1
  int32_t rank;             // 0: the optional operand is absent
  DType dtype;
  Layout layout;
  int32_t reserved;
  Buffer* buffer;  // null where the op is only planned
  int64_t offset;  // bytes from the buffer's start; a multiple of the size of an element

  explicit operator bool() const { return rank != 0; }
  int64_t elements() const { return shape[0] * shape[1] * shape[2] * shape[3]; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

// A short list of integers, passed by value.
struct Ints {
  int64_t count;
  int64_t values[kMaxInts];
};

struct DTypeInfo {
  const char* name;
  int32_t blockElements;  // elements in a block; 1 for plain types
  int32_t blockBytes;
  bool quantized;
};

// Null for a value that is no dtype.
const DTypeInfo* dtypeInfo(DType dtype);
// Bytes of a row-major tensor; -1 when the last dimension is not a whole number of blocks.
int64_t rowMajorBytes(DType dtype, int64_t elements, int64_t lastDimension);

}  // namespace ibert

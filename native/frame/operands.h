// From buffers to addresses: the frame's copy of an op's arguments gets the addresses of its tensors, so that
// kernels know nothing of buffers.
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

#include "../schema.h"

namespace ibert::frame {

// Bytes of a buffer that a tensor covers, packed ones as `packedBytes` says. -1 where it cannot be.
int64_t tensorBytes(const Tensor& tensor, int64_t (*packedBytes)(DType, int64_t rows, int64_t columns));

// Throws std::runtime_error that names op and field, unless a tensor lies in a buffer of so many bytes.
void requireInside(Op op, const Field& field, const Tensor& tensor, int64_t tensorBytes, int64_t bufferBytes);

// Sets the address of every operand. Extent: { std::byte* memory; int64_t bytes; } of a buffer, by
// extentOf(Buffer*).
template <class ExtentOf>
void resolveOperands(Op op, std::byte* arguments, int64_t (*packedBytes)(DType, int64_t, int64_t),
                     ExtentOf&& extentOf) {
  for (const Field& field : opSchema(op).fields) {
    if (field.type != FieldType::Tensor) continue;
    auto& tensor = *reinterpret_cast<Tensor*>(arguments + field.offset);
    if (!tensor || tensor.buffer == nullptr) continue;
    const auto& extent = extentOf(tensor.buffer);
    requireInside(op, field, tensor, tensorBytes(tensor, packedBytes), extent.bytes);
    tensor.data = extent.memory + tensor.offset;
  }
}

// Ops in order, with their arguments.
class OpList {
 public:
  // The arguments' copy, which stays where it is until the next `add`.
  std::byte* add(Op op, const void* arguments, size_t bytes) {
    constexpr size_t kAlignment = 16;
    entries_.push_back({op, arguments_.size()});
    const auto* begin = static_cast<const std::byte*>(arguments);
    arguments_.insert(arguments_.end(), begin, begin + bytes);
    arguments_.resize((arguments_.size() + kAlignment - 1) / kAlignment * kAlignment);
    return arguments_.data() + entries_.back().offset;
  }
  size_t size() const { return entries_.size(); }
  // Calls body(op, arguments) until it says false.
  template <class Body>
  void forEach(Body&& body) const {
    for (const Entry& entry : entries_) {
      if (!body(entry.op, arguments_.data() + entry.offset)) return;
    }
  }

 private:
  struct Entry {
    Op op;
    size_t offset;
  };
  std::vector<Entry> entries_;
  std::vector<std::byte> arguments_;
};

}  // namespace ibert::frame

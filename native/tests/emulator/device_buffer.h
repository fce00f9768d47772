// Device memory of the emulator, and numbers for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "emulator/memory.h"
#include "emulator/violation.h"

namespace ibert::tests {

// Device memory that ends with the scope.
template <class T>
class Buffer {
 public:
  explicit Buffer(size_t count)
      : count_(count), data_(static_cast<T*>(emulator::allocate(count * sizeof(T)))) {}
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
    emulator::copyToDevice(data_, values.data(), values.size() * sizeof(T));
  }
  ~Buffer() { emulator::release(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  operator T*() const { return data_; }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    emulator::copyToHost(values.data(), data_, count_ * sizeof(T));
    return values;
  }

 private:
  size_t count_;
  T* data_;
};

// Whole numbers, of which all sums are exact.
inline float value(size_t i) {
  return float(int(i * 2654435761u >> 7 & 15) - 7);
}

template <class T>
std::vector<T> values(size_t count, size_t first = 0) {
  std::vector<T> all(count);
  for (size_t i = 0; i < count; ++i) all[i] = T(value(first + i));
  return all;
}

inline constexpr const char* kWrong = "wrong result";

// Of a kernel that ran: nothing, the violation, or kWrong.
inline std::string outcome(bool wentWell, const std::function<bool()>& isRight) {
  if (wentWell) return isRight() ? "" : kWrong;
  const auto violation = emulator::takeViolation();
  return violation ? violation->text() : "an error without a violation";
}

}  // namespace ibert::tests

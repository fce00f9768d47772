// A kernel as the emulator calls it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ibert::metal {

inline constexpr int kMostOperands = 12;
inline constexpr size_t kMostParameterBytes = 512;

// The arguments of one dispatch.
struct Call {
  void* operands[kMostOperands];
  alignas(16) std::byte parameters[kMostParameterBytes];
};

struct Entry {
  const char* name;
  int operands;
  size_t parameterBytes;
  bool hasThreadgroupMemory;
  void (*run)(const void* call);
  const void* function;
};

// emulated.cpp. True, for an initialiser.
bool addEntry(const Entry& entry);

}  // namespace ibert::metal

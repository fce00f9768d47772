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

// Behind the names of kernels that are compiled for TileType::bf16.
#define IBERT_BF16_ENTRY " in bf16"
inline constexpr const char* kBf16Entry = IBERT_BF16_ENTRY;

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

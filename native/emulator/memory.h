// The memory of the emulated device: one reserved region, so that an address leads to what is known of its
// bytes (its shadow) by arithmetic. Fresh memory holds NaN; guard zones stand between allocations.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ibert::emulator {

// Of two bytes of device memory. Epochs are explained in epoch.h.
struct Cell {
  uint32_t write;  // who wrote last
  uint32_t read;   // who read since
};

inline constexpr uint32_t kOutside = 0;    // of no allocation
inline constexpr uint32_t kUnwritten = 1;  // allocated, and nobody wrote yet
inline constexpr uint32_t kByHost = 1 << 7;

// Global memory. Throws std::bad_alloc when the device is full. Aligned to 256 bytes.
void* allocate(size_t bytes);
void release(void* memory);  // nullptr does nothing; throws std::invalid_argument for what is no allocation
size_t allocatedBytes();

// Addresses that memory is put behind later, piece by piece: until then they are out of bounds. What is wrong
// with a call throws std::invalid_argument.
inline constexpr size_t kPieceBytes = size_t(2) << 20;  // ranges and pieces are multiples of it
void* reserveRange(size_t bytes);                       // throws std::bad_alloc when no addresses are left
void freeRange(void* range, size_t bytes);              // with no memory behind it
bool isInRange(const void* at, size_t bytes);
// Memory of the device that lies nowhere yet. Throws std::bad_alloc when the device is full.
void takeMemory(size_t bytes);
void giveMemoryBack(size_t bytes);
// Puts memory that was taken behind addresses of a range. With what lies before it, it is one allocation.
void openRange(void* at, size_t bytes);
// Takes the memory away again, of all that was opened in a range.
void closeRange(void* range, size_t bytes);

// Copies of the host. A host pointer or bytes beyond an allocation: std::out_of_range.
void copyToDevice(void* to, const void* from, size_t bytes);
void copyToHost(void* to, const void* from, size_t bytes);
void copyOnDevice(void* to, const void* from, size_t bytes);
void fill(void* to, int byte, size_t bytes);
// The host wrote there by other means.
void markWritten(void* memory, size_t bytes);

// For the emulator itself. The region is shared memory of blocks, allocations, and addresses for ranges. The
// system backs what is touched alone.
inline constexpr size_t kAllocatedBytes = size_t(32) << 30, kRangeBytes = size_t(2) << 40;
inline constexpr size_t kRegionBytes = kAllocatedBytes + kRangeBytes;
extern char* regionBase;  // null before the first use
extern Cell* cells;
void reserveRegion();
inline bool inRegion(const void* address) {
  return uintptr_t(address) - uintptr_t(regionBase) < kRegionBytes;
}
inline Cell* cellsOf(const void* address) {
  return cells + (uintptr_t(address) - uintptr_t(regionBase)) / 2;
}
// Where an address lies, for messages: "4 bytes beyond an allocation of 256 bytes".
struct Place {
  const char* allocation;  // null: none within reach
  size_t bytes;
};
Place nearestAllocation(const void* address);
// Shared memory of the block in slot `slot`: poisoned, its cells unwritten, what follows outside.
inline constexpr size_t kSharedSlotBytes = size_t(256) << 10, kSharedSlots = 4096;
inline constexpr size_t kDeviceBytes = kAllocatedBytes - kSharedSlotBytes * kSharedSlots;  // of global memory
char* openShared(unsigned slot, size_t bytes, bool checks);
inline bool inShared(const void* address) {
  return uintptr_t(address) - uintptr_t(regionBase) < kSharedSlotBytes * kSharedSlots;
}
// Everything written so far counts as written by the host, read by nobody: epochs begin anew.
// `assumeWritten`: even what nobody was seen to write, after launches without checks.
void renewCells(bool assumeWritten);

}  // namespace ibert::emulator

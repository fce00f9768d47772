#include "emulator/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace ibert::emulator {

char* regionBase;
Cell* cells;

namespace {

constexpr size_t kAlignment = 256, kGuard = 256;
constexpr size_t kReturnToSystem = size_t(1) << 20;

std::mutex mutex;
std::map<char*, size_t> allocations;  // by address: bytes asked for
std::map<char*, size_t> ranges;       // by address: bytes reserved
size_t inUse = 0;

// Addresses of which nothing is used, in ascending order.
class FreeAddresses {
 public:
  void give(char* begin, size_t bytes) {
    auto [range, fresh] = free_.emplace(begin, bytes);
    auto next = std::next(range);
    if (next != free_.end() && range->first + range->second == next->first) {
      range->second += next->second;
      free_.erase(next);
    }
    if (range == free_.begin()) return;
    auto before = std::prev(range);
    if (before->first + before->second == range->first) {
      before->second += range->second;
      free_.erase(range);
    }
  }
  // The first that fit. Throws std::bad_alloc.
  char* take(size_t bytes) {
    for (auto range = free_.begin(); range != free_.end(); ++range) {
      if (range->second < bytes) continue;
      char* begin = range->first;
      const size_t left = range->second - bytes;
      free_.erase(range);
      if (left > 0) free_[begin + bytes] = left;
      return begin;
    }
    throw std::bad_alloc();
  }

 private:
  std::map<char*, size_t> free_;
};
FreeAddresses freeMemory, freeRanges;

size_t roomOf(size_t bytes) {
  return (std::max<size_t>(bytes, 1) + kGuard + kAlignment - 1) / kAlignment * kAlignment;
}

void* map(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  madvise(p, bytes, MADV_DONTDUMP);
  return p;
}

void reserveLocked() {
  if (regionBase) return;
  cells = static_cast<Cell*>(map(kRegionBytes / 2 * sizeof(Cell)));
  char* base = static_cast<char*>(map(kRegionBytes));
  const size_t shared = kSharedSlotBytes * kSharedSlots;
  freeMemory.give(base + shared + kAlignment, kAllocatedBytes - shared - kAlignment);
  char* first = base + kAllocatedBytes;
  first += (kPieceBytes - uintptr_t(first) % kPieceBytes) % kPieceBytes;
  freeRanges.give(first, size_t(base + kRegionBytes - first) / kPieceBytes * kPieceBytes);
  regionBase = base;
}

// Whole pages of zeroes go back to the system.
void clear(void* memory, size_t bytes) {
  auto* begin = static_cast<char*>(memory);
  constexpr uintptr_t kPage = 4096;
  char* first = reinterpret_cast<char*>((uintptr_t(begin) + kPage - 1) / kPage * kPage);
  char* last = reinterpret_cast<char*>(uintptr_t(begin + bytes) / kPage * kPage);
  if (bytes < kReturnToSystem || madvise(first, size_t(last - first), MADV_DONTNEED) != 0) {
    std::memset(memory, 0, bytes);
    return;
  }
  std::memset(begin, 0, size_t(first - begin));
  std::memset(last, 0, size_t(begin + bytes - last));
}

void setCells(void* memory, size_t bytes, uint32_t write) {
  std::fill_n(cellsOf(memory), (bytes + 1) / 2, Cell{write, 0});
}

// What an allocation holds that nobody wrote: NaN.
void makeFresh(void* memory, size_t bytes) {
  std::memset(memory, 0xff, bytes);
  setCells(memory, bytes, kUnwritten);
}

void makeOutside(void* memory, size_t bytes) {
  clear(cellsOf(memory), (bytes + 1) / 2 * sizeof(Cell));
  if (bytes >= kReturnToSystem) clear(memory, bytes);
}

bool isInRangeLocked(const char* begin, size_t bytes) {
  const auto after = ranges.upper_bound(const_cast<char*>(begin));
  return after != ranges.begin() && begin + bytes <= std::prev(after)->first + std::prev(after)->second;
}

// The allocation that holds [memory, memory + bytes), or an error that says what was wrong with it.
void requireInside(const void* memory, size_t bytes, const char* what) {
  auto* address = static_cast<char*>(const_cast<void*>(memory));
  auto after = allocations.upper_bound(address);
  if (after != allocations.begin()) {
    const auto& [base, length] = *std::prev(after);
    const size_t offset = size_t(address - base);
    if (offset <= length && bytes <= length - offset) return;
    if (offset < length)
      throw std::out_of_range(std::string(what) + " of " + std::to_string(bytes) + " bytes at byte " +
                              std::to_string(offset) + " of an allocation of " + std::to_string(length) +
                              " bytes");
  }
  throw std::out_of_range(std::string(what) + " of " + std::to_string(bytes) +
                          " bytes at an address that is no device memory");
}

}  // namespace

void reserveRegion() {
  std::lock_guard lock(mutex);
  reserveLocked();
}

void* allocate(size_t bytes) {
  std::lock_guard lock(mutex);
  reserveLocked();
  if (bytes > kDeviceBytes || inUse > kDeviceBytes - bytes) throw std::bad_alloc();
  char* memory = freeMemory.take(roomOf(bytes));
  makeFresh(memory, bytes);
  allocations[memory] = bytes;
  inUse += bytes;
  return memory;
}

void release(void* memory) {
  if (!memory) return;
  std::lock_guard lock(mutex);
  auto found = allocations.find(static_cast<char*>(memory));
  if (found == allocations.end() || found->first >= regionBase + kAllocatedBytes)
    throw std::invalid_argument("release of an address that is no allocation");
  const size_t bytes = found->second;
  inUse -= bytes;
  allocations.erase(found);
  makeOutside(memory, bytes);
  freeMemory.give(static_cast<char*>(memory), roomOf(bytes));
}

void* reserveRange(size_t bytes) {
  std::lock_guard lock(mutex);
  if (bytes == 0 || bytes % kPieceBytes != 0) throw std::invalid_argument("a range of no whole pieces");
  reserveLocked();
  // One piece more, so that what is behind the end is behind every range's.
  char* range = freeRanges.take(bytes + kPieceBytes);
  ranges[range] = bytes;
  return range;
}

void freeRange(void* range, size_t bytes) {
  std::lock_guard lock(mutex);
  auto* begin = static_cast<char*>(range);
  const auto found = ranges.find(begin);
  if (found == ranges.end() || found->second != bytes)
    throw std::invalid_argument("no range of that size begins there");
  const auto inside = allocations.lower_bound(begin);
  if (inside != allocations.end() && inside->first < begin + bytes)
    throw std::invalid_argument("there is memory behind the range");
  ranges.erase(found);
  freeRanges.give(begin, bytes + kPieceBytes);
}

void takeMemory(size_t bytes) {
  std::lock_guard lock(mutex);
  if (bytes > kDeviceBytes || inUse > kDeviceBytes - bytes) throw std::bad_alloc();
  inUse += bytes;
}

void giveMemoryBack(size_t bytes) {
  std::lock_guard lock(mutex);
  inUse -= bytes;
}

bool isInRange(const void* at, size_t bytes) {
  std::lock_guard lock(mutex);
  return isInRangeLocked(static_cast<const char*>(at), bytes);
}

void openRange(void* at, size_t bytes) {
  std::lock_guard lock(mutex);
  auto* begin = static_cast<char*>(at);
  if (!isInRangeLocked(begin, bytes)) throw std::invalid_argument("the addresses lie in no range");
  const auto after = allocations.lower_bound(begin);
  if (after != allocations.end() && after->first < begin + bytes)
    throw std::invalid_argument("there is memory already");
  const auto before = after == allocations.begin() ? allocations.end() : std::prev(after);
  if (before != allocations.end() && before->first + before->second > begin)
    throw std::invalid_argument("there is memory already");
  makeFresh(begin, bytes);
  if (before != allocations.end() && before->first + before->second == begin)
    before->second += bytes;
  else
    allocations[begin] = bytes;
}

void closeRange(void* range, size_t bytes) {
  std::lock_guard lock(mutex);
  const auto found = allocations.find(static_cast<char*>(range));
  if (found == allocations.end() || found->second != bytes || found->first < regionBase + kAllocatedBytes)
    throw std::invalid_argument("that is not all of the memory that lies there");
  allocations.erase(found);
  makeOutside(range, bytes);
}

size_t allocatedBytes() {
  std::lock_guard lock(mutex);
  return inUse;
}

void markWritten(void* memory, size_t bytes) {
  std::lock_guard lock(mutex);
  requireInside(memory, bytes, "a mark");
  setCells(memory, bytes, kByHost);
}

void copyToDevice(void* to, const void* from, size_t bytes) {
  std::lock_guard lock(mutex);
  requireInside(to, bytes, "a copy to the device");
  std::memcpy(to, from, bytes);
  setCells(to, bytes, kByHost);
}

void copyToHost(void* to, const void* from, size_t bytes) {
  std::lock_guard lock(mutex);
  requireInside(from, bytes, "a copy from the device");
  std::memcpy(to, from, bytes);
}

// What was unwritten stays so: an arena may be moved with its holes.
void copyOnDevice(void* to, const void* from, size_t bytes) {
  std::lock_guard lock(mutex);
  requireInside(from, bytes, "a copy from the device");
  requireInside(to, bytes, "a copy to the device");
  std::memmove(to, from, bytes);
  if ((uintptr_t(to) | uintptr_t(from)) % 2) return setCells(to, bytes, kByHost);
  const Cell* source = cellsOf(from);
  Cell* target = cellsOf(to);
  const size_t count = (bytes + 1) / 2;
  const auto copied = [&](size_t i) {
    target[i] = {source[i].write == kUnwritten ? kUnwritten : kByHost, 0};
  };
  if (target <= source) {
    for (size_t i = 0; i < count; ++i) copied(i);
  } else {
    for (size_t i = count; i-- > 0;) copied(i);
  }
}

void fill(void* to, int byte, size_t bytes) {
  std::lock_guard lock(mutex);
  requireInside(to, bytes, "a fill");
  std::memset(to, byte, bytes);
  setCells(to, bytes, kByHost);
}

Place nearestAllocation(const void* address) {
  std::lock_guard lock(mutex);
  auto* at = static_cast<char*>(const_cast<void*>(address));
  auto after = allocations.upper_bound(at);
  Place best{nullptr, 0};
  if (after != allocations.begin()) best = {std::prev(after)->first, std::prev(after)->second};
  if (after != allocations.end() &&
      (!best.allocation || after->first - at < at - (best.allocation + best.bytes)))
    best = {after->first, after->second};
  return best;
}

char* openShared(unsigned slot, size_t bytes, bool checks) {
  static std::vector<size_t> opened(kSharedSlots);  // the bytes whose cells are not kOutside
  char* memory = regionBase + slot * kSharedSlotBytes;
  std::memset(memory, 0xff, bytes);
  if (!checks) return memory;
  if (opened[slot] > bytes) setCells(memory + bytes, opened[slot] - bytes, kOutside);
  opened[slot] = bytes;
  setCells(memory, bytes, kUnwritten);
  return memory;
}

void renewCells(bool assumeWritten) {
  std::lock_guard lock(mutex);
  for (const auto& [memory, bytes] : allocations) {
    Cell* cell = cellsOf(memory);
    for (size_t i = 0; i < (bytes + 1) / 2; ++i)
      cell[i] = {cell[i].write == kUnwritten && !assumeWritten ? kUnwritten : kByHost, 0};
  }
}

}  // namespace ibert::emulator

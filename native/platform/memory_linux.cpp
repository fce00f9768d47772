#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "memory.h"

namespace ibert::platform {

namespace {

// The number in a file, or `otherwise` where there is none ("max").
int64_t numberIn(const std::string& path, int64_t otherwise) {
  std::ifstream file(path);
  int64_t value;
  return file >> value ? value : otherwise;
}

// The number behind a word of a file of such lines; 0 where there is none.
int64_t numberAfter(const std::string& path, const std::string& word) {
  std::ifstream file(path);
  std::string key;
  for (int64_t value; file >> key >> value;) {
    if (key == word) return value;
  }
  return 0;
}

// Of control groups, version 2 or 1, as a container sees its own. Pages of files that nobody uses count as
// used there, but are given up for whoever needs memory.
int64_t leftInGroup(int64_t physical) {
  const auto left = [physical](const std::string& limit, const std::string& used, const std::string& stat,
                               const std::string& idle) {
    const int64_t most = numberIn(limit, physical);
    if (most >= physical) return physical;
    return std::clamp<int64_t>(most - numberIn(used, 0) + numberAfter(stat, idle), 0, most);
  };
  const std::string root = "/sys/fs/cgroup/", old = root + "memory/memory.";
  return std::min(left(root + "memory.max", root + "memory.current", root + "memory.stat", "inactive_file"),
                  left(old + "limit_in_bytes", old + "usage_in_bytes", old + "stat", "total_inactive_file"));
}

}  // namespace

void preferHugePages(void* memory, size_t bytes) {
  madvise(memory, bytes, MADV_HUGEPAGE);
}

void trimHeap() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

int64_t availableMemory() {
  const int64_t physical = physicalMemory();
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    constexpr char kKey[] = "MemAvailable:";
    if (line.rfind(kKey, 0) != 0) continue;
    const int64_t available = std::strtoll(line.c_str() + sizeof kKey - 1, nullptr, 10) * 1024;
    return std::min(available, leftInGroup(physical));
  }
  return physical;
}

}  // namespace ibert::platform

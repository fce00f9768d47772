// Collects one launch's part of a report. Lanes run one after another, so an access belongs to the request of
// its warp that is the same access of the code for the same time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "emulator/access.h"
#include "emulator/report.h"

namespace ibert::emulator {

class Recorder {
 public:
  // Before the access is noted in its cells.
  void access(Access access, const void* address, size_t bytes, const void* code);
  // Of eight rows of 16 bytes.
  void matrixRows(const std::array<const void*, 8>& rows);
  // The threads of a block ended: no request of its grows any more.
  void endBlock(unsigned block);

  KernelReport report;

 private:
  struct Request {
    uint32_t lanes = 0;
    size_t bytes = 0;
    std::array<uintptr_t, 32> addresses;
  };
  // One place in the code, for one warp.
  struct Site {
    std::array<uint32_t, 32> times{};
    uint32_t closed = 0;  // requests before the first open one
    std::deque<Request> open;
  };
  struct Key {
    const void* code;
    unsigned block, warp;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      return (reinterpret_cast<uintptr_t>(key.code) * 31 + key.block) * 37 + key.warp;
    }
  };

  void count(const Request& request);

  std::unordered_map<Key, Site, Hash> sites_;
};

// Adds a launch to what reports() returns.
void addReport(KernelReport report);

}  // namespace ibert::emulator

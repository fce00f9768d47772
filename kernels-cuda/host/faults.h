// The record of the first fault of a stream, from the kernel that finds it to the text that tells of it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "frame/indices.h"
#include "frame/operands.h"
#include "memory.h"

namespace ibert::cuda {

// Whether an op may fail by what its operands hold, so that its arguments are kept for the message.
bool mayFail(Op op, const void* arguments);

// Ops by the number that a record names them with. Their arguments hold what a message needs.
class CheckedOps {
 public:
  int64_t add(Op op, const void* arguments);
  // Those of a recording are numbered from `first`.
  void add(int64_t first, std::shared_ptr<const frame::OpList> recording);
  bool empty() const { return single_.size() == 0 && recordings_.empty(); }
  // Of a record; empty where it holds none.
  std::string text(const frame::Fault& fault) const;

 private:
  struct Recorded {
    int64_t first;
    std::shared_ptr<const frame::OpList> ops;
  };
  frame::OpList single_;
  std::vector<Recorded> recordings_;
};

// Pinned places that records are copied into, one for each report on its way.
class FaultSlots {
 public:
  explicit FaultSlots(const Gpu& gpu) : gpu_(gpu) {}
  ~FaultSlots();
  FaultSlots(const FaultSlots&) = delete;
  FaultSlots& operator=(const FaultSlots&) = delete;

  frame::Fault* take();
  void giveBack(frame::Fault* slot);

 private:
  const Gpu& gpu_;
  std::mutex mutex_;
  std::vector<std::byte*> pages_;
  std::vector<frame::Fault*> free_;
};

}  // namespace ibert::cuda

// What a device's kernels find wrong with what operands hold: from a record in its memory, of the first fault
// of a stream, to the text that tells of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "indices.h"
#include "operands.h"

namespace ibert::frame {

// Fault::kind, besides 0, a broken rule of indices.h.
inline constexpr int32_t kNotFinite = 1;    // an element
inline constexpr int32_t kNoneAllowed = 2;  // of a row, `index`, no id may be drawn

// Whether an op may fail by what its operands hold, so that its arguments are kept for the message.
bool mayFail(Op op, const void* arguments);

// Ops by the number that a record names them with. Their arguments hold what a message needs.
class CheckedOps {
 public:
  int64_t add(Op op, const void* arguments);
  // Those of a recording are numbered from `first`.
  void add(int64_t first, std::shared_ptr<const OpList> recording);
  bool empty() const { return single_.size() == 0 && recordings_.empty(); }
  // Of a record; empty where it holds none.
  std::string text(const Fault& fault) const;

 private:
  struct Recorded {
    int64_t first;
    std::shared_ptr<const OpList> ops;
  };
  OpList single_;
  std::vector<Recorded> recordings_;
};

}  // namespace ibert::frame

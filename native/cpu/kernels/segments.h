// The row segments of a stacked weight (q, k, v; gate, up) and their LoRA slots.
#pragma once

#include "../../ops.h"
#include "matrix.h"

namespace ibert::cpu::IBERT_ISA {

struct Segment {
  int64_t begin, end;  // rows of W
  int64_t slot;        // -1: no LoRA
};

struct Segments {
  int count = 0;
  Segment list[kMaxInts];

  // No segment at all where there is no LoRA.
  Segments(const Ints& ends, const Ints& slots, int64_t rows, bool lora) {
    if (!lora) return;
    if (ends.count == 0) {
      list[count++] = {0, rows, slots.count > 0 ? slots.values[0] : 0};
      return;
    }
    for (int64_t begin = 0; count < ends.count; ++count) {
      list[count] = {begin, ends.values[count], slots.values[count]};
      begin = ends.values[count];
    }
  }
};

// Segments with LoRA that meet rows [begin, begin + 32): for panels that straddle a boundary.
struct PanelSegments {
  int count = 0;
  const Segment* list[kMaxInts];

  PanelSegments(const Segments& segments, int64_t begin) {
    for (int i = 0; i < segments.count; ++i) {
      const Segment& s = segments.list[i];
      if (s.slot >= 0 && s.begin < begin + kPanelRows && begin < s.end) list[count++] = &s;
    }
  }
};

}  // namespace ibert::cpu::IBERT_ISA

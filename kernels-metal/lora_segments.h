// Which columns of x A^T a row of W has, and whose A and B a row of x.
#pragma once

#include "lora_linear.h"
#include "operand.h"

// The slot of row n of W; -1 for none.
inline int32_t slotOf(constant LinearParameters& p, int64_t n) {
  for (int32_t i = 0; i < p.segmentCount; ++i)
    if (n < p.ends[i]) return p.slots[i];
  return -1;
}
// The adapter of row t; -1 for none.
inline int64_t adapterOf(const device int32_t* adapterOfRow, constant LinearParameters& p, int64_t t) {
  return p.hasAdapters ? inside(adapterOfRow[t], 0, p.P, -1) : 0;
}

// embedding and gatherRows: target[i] = source[rows[i]]. An element a thread. source: (N, D) in any dtype,
// rows: (T), target: (T, D)
#include <metal_stdlib>
using namespace metal;

#include "grid.h"
#include "operand.h"
#include "rows.h"

KERNEL gatherRows(const device uint8_t* source [[buffer(0)]], const device int32_t* rows [[buffer(1)]],
                  device uint8_t* target [[buffer(2)]], constant RowsParameters& p [[buffer(3)]], PLACE) {
  const int64_t i = elementOf(group, index);
  if (i >= p.count) return;
  const int64_t row = inside(rows[i / p.D], 0, p.N, 0);
  setAt(target, p.target, i, elementAt(source, p.source, row * p.D + i % p.D));
}

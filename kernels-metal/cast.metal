// cast, and packWeight, whose order is the row-major one.
#include <metal_stdlib>
using namespace metal;

#include "cast.h"
#include "four_values.h"
#include "grid.h"
#include "operand.h"

// An element a thread, of any dtypes.
KERNEL convert(const device uint8_t* source [[buffer(0)]], device uint8_t* target [[buffer(1)]],
               constant CastParameters& p [[buffer(2)]], PLACE) {
  const int64_t i = elementOf(group, index);
  if (i < p.count) setAt(target, p.target, i, elementAt(source, p.source, i));
}

// Four a thread, of f32 and bf16 on the grid of their size.
KERNEL convertFours(const device uint8_t* source [[buffer(0)]], device uint8_t* target [[buffer(1)]],
                    constant CastParameters& p [[buffer(2)]], PLACE) {
  const int64_t first = 4 * elementOf(group, index);
  if (first + 4 <= p.count)
    return setFourValues(target, p.target, first, fourValues(source, p.source, first));
  for (int64_t i = first; i < p.count; ++i) setAt(target, p.target, i, valueAt(source, p.source, i));
}

// `count` pairs of bytes, whatever they are.
KERNEL copyPairs(const device uint16_t* source [[buffer(0)]], device uint16_t* packed [[buffer(1)]],
                 constant CastParameters& p [[buffer(2)]], PLACE) {
  const int64_t i = elementOf(group, index);
  if (i < p.count) packed[i] = source[i];
}

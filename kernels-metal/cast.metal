// cast, and packWeight, whose order is the row-major one. An element a thread, or two bytes.
#include <metal_stdlib>
using namespace metal;

#include "cast.h"
#include "grid.h"
#include "operand.h"

KERNEL convert(const device uint8_t* source [[buffer(0)]], device uint8_t* target [[buffer(1)]],
               constant CastParameters& p [[buffer(2)]], PLACE) {
  const int64_t i = elementOf(group, index);
  if (i < p.count) setAt(target, p.target, i, elementAt(source, p.source, i));
}

// `count` pairs of bytes, whatever they are.
KERNEL copyPairs(const device uint16_t* source [[buffer(0)]], device uint16_t* packed [[buffer(1)]],
                 constant CastParameters& p [[buffer(2)]], PLACE) {
  const int64_t i = elementOf(group, index);
  if (i < p.count) packed[i] = source[i];
}

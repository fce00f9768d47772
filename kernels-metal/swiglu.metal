// SwiGLU (Shazeer 2020): y = silu(gate) * up; a row of gateUp is [gate | up], (T, 2 F). An element a thread.
#include <metal_stdlib>
using namespace metal;

#include "grid.h"
#include "operand.h"
#include "swiglu.h"

inline float sigmoid(float x) {
  return 1.0f / (1.0f + precise::exp(-x));
}

// y: (T, F)
KERNEL swigluForward(const device uint8_t* gateUp [[buffer(0)]], device uint8_t* y [[buffer(1)]],
                     constant SwigluParameters& p [[buffer(2)]], PLACE) {
  const int64_t i = elementOf(group, index);
  if (i >= p.count) return;
  const int64_t at = i / p.F * 2 * p.F + i % p.F;
  const float gate = valueAt(gateUp, p.gateUp, at), up = valueAt(gateUp, p.gateUp, at + p.F);
  setAt(y, p.y, i, gate * sigmoid(gate) * up);
}

// dy: (T, F), dGateUp: (T, 2 F), which may be gateUp itself: a thread reads both its values before it writes.
KERNEL swigluBackward(const device uint8_t* dy [[buffer(0)]], const device uint8_t* gateUp [[buffer(1)]],
                      device uint8_t* dGateUp [[buffer(2)]], constant SwigluParameters& p [[buffer(3)]],
                      PLACE) {
  const int64_t i = elementOf(group, index);
  if (i >= p.count) return;
  const int64_t at = i / p.F * 2 * p.F + i % p.F;
  const float gate = valueAt(gateUp, p.gateUp, at), up = valueAt(gateUp, p.gateUp, at + p.F);
  const float d = valueAt(dy, p.dy, i), s = sigmoid(gate);
  setAt(dGateUp, p.dGateUp, at, d * up * s * (1 + gate * (1 - s)));
  setAt(dGateUp, p.dGateUp, at + p.F, d * gate * s);
}

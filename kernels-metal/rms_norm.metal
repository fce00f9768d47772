// RMSNorm (Zhang & Sennrich 2019): y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps). A row a
// threadgroup of kFewThreads, whose share of it depends on D alone.
#include <metal_stdlib>
using namespace metal;

#include "grid.h"
#include "group_sum.h"
#include "operand.h"
#include "rms_norm.h"

// x, y: (T, D), weight: (D), rstd: (T) or absent
KERNEL rmsNormForward(const device uint8_t* x [[buffer(0)]], const device float* weight [[buffer(1)]],
                      device uint8_t* y [[buffer(2)]], device float* rstd [[buffer(3)]],
                      constant RmsNormParameters& p [[buffer(4)]], threadgroup float* partial THREADGROUP(0),
                      PLACE) {
  const int64_t row = group.x * p.D;
  float squares = 0;
  for (int64_t i = index; i < p.D; i += kFewThreads) {
    const float value = valueAt(x, p.x, row + i);
    squares += value * value;
  }
  const float mean = groupSum(squares, partial, index, kFewThreads) / float(p.D);
  const float scale = 1 / precise::sqrt(mean + p.eps);
  if (p.hasRstd && index == 0) rstd[group.x] = scale;
  for (int64_t i = index; i < p.D; i += kFewThreads)
    setAt(y, p.y, row + i, valueAt(x, p.x, row + i) * scale * weight[i]);
}

// With n = x rstd and g = dy * weight: dx = dResidual + rstd (g - n mean(g n)). dx may be dResidual itself: a
// thread reads the element that it writes.
KERNEL rmsNormBackward(const device uint8_t* dy [[buffer(0)]], const device uint8_t* x [[buffer(1)]],
                       const device float* weight [[buffer(2)]], const device float* rstd [[buffer(3)]],
                       const device uint8_t* dResidual [[buffer(4)]], device uint8_t* dx [[buffer(5)]],
                       constant RmsNormParameters& p [[buffer(6)]], threadgroup float* partial THREADGROUP(0),
                       PLACE) {
  const int64_t row = group.x * p.D;
  const float scale = rstd[group.x];
  float products = 0;
  for (int64_t i = index; i < p.D; i += kFewThreads)
    products += valueAt(dy, p.dy, row + i) * weight[i] * valueAt(x, p.x, row + i) * scale;
  const float mean = groupSum(products, partial, index, kFewThreads) / float(p.D);
  for (int64_t i = index; i < p.D; i += kFewThreads) {
    const float n = valueAt(x, p.x, row + i) * scale, g = valueAt(dy, p.dy, row + i) * weight[i];
    const float residual = p.hasResidual ? valueAt(dResidual, p.dResidual, row + i) : 0.0f;
    setAt(dx, p.dx, row + i, residual + scale * (g - n * mean));
  }
}

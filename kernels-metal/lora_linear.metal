// Linear layers with low-rank adapters (Hu et al. 2021). Forward: y = x W^T + bias + scale * (x A^T) B^T +
// residual. Backward: dx = dy W + scale * (dy B) A; dLoraA += scale * (dy B)^T x; dLoraB += scale * dy^T (x
// A^T). The rows of W are segments, whose slot says which columns of x A^T are theirs.
#include <metal_stdlib>
using namespace metal;

#include "lora_segments.h"
#include "product.h"

// x A^T, an element a thread. x: (T, K), A: (P, R, K), low: (T, R); xa: the op's own output or absent
KERNEL linearLow(const device uint8_t* x [[buffer(0)]], const device uint8_t* A [[buffer(1)]],
                 const device int32_t* adapterOfRow [[buffer(2)]], device float* low [[buffer(3)]],
                 device uint8_t* xa [[buffer(4)]], constant LinearParameters& p [[buffer(5)]], PLACE) {
  const int64_t i = elementOf(group, index);
  if (i >= p.T * p.R) return;
  const int64_t t = i / p.R, j = i % p.R, adapter = adapterOf(adapterOfRow, p, t);
  float sum = 0;
  for (int64_t k = 0; adapter >= 0 && k < p.K; ++k)
    sum += valueAt(x, p.x, t * p.K + k) * valueAt(A, p.A, (adapter * p.R + j) * p.K + k);
  low[i] = sum;
  if (p.keepsLow) setAt(xa, p.xa, i, sum);
}

// W: (N, K), B: (P, N, r), y: (T, N). residual may be y itself: a thread reads the element that it writes.
KERNEL linearForward(const device uint8_t* x [[buffer(0)]], const device uint8_t* weight [[buffer(1)]],
                     const device float* low [[buffer(2)]], const device uint8_t* B [[buffer(3)]],
                     const device int32_t* adapterOfRow [[buffer(4)]], const device float* bias [[buffer(5)]],
                     const device uint8_t* residual [[buffer(6)]], device uint8_t* y [[buffer(7)]],
                     constant LinearParameters& p [[buffer(8)]], PLACE) {
  const int64_t i = elementOf(group, index), columns = (p.N + kEdge - 1) / kEdge;
  const int64_t row = i / columns * kEdge, column = i % columns * kEdge;
  if (row >= p.T) return;
  Sums sums = {};
  addProduct(sums, Factor{x, p.x, p.T, p.K, 1}, row, Factor{weight, p.weight, p.N, p.K, 1}, column, p.K);
  for (int64_t t = row; t < row + kEdge && t < p.T; ++t) {
    const int64_t adapter = p.hasLora ? adapterOf(adapterOfRow, p, t) : -1;
    for (int64_t n = column; n < column + kEdge && n < p.N; ++n) {
      float sum = sums.at[t - row][n - column];
      const int32_t slot = adapter < 0 ? -1 : slotOf(p, n);
      if (slot >= 0) {
        float product = 0;
        for (int64_t j = 0; j < p.r; ++j)
          product += low[t * p.R + slot * p.r + j] * valueAt(B, p.B, (adapter * p.N + n) * p.r + j);
        sum += p.scale * product;
      }
      if (p.hasBias) sum += bias[n];
      if (p.hasResidual) sum += valueAt(residual, p.residual, t * p.N + n);
      setAt(y, p.y, t * p.N + n, sum);
    }
  }
}

// dy B, an element a thread, over the rows of W that have its slot. dy: (T, N), B: (N, r), low: (T, R)
KERNEL linearLowGradient(const device uint8_t* dy [[buffer(0)]], const device float* B [[buffer(1)]],
                         device float* low [[buffer(2)]], constant LinearParameters& p [[buffer(3)]], PLACE) {
  const int64_t i = elementOf(group, index);
  if (i >= p.T * p.R) return;
  const int64_t t = i / p.R, slot = i % p.R / p.r, j = i % p.r;
  float sum = 0;
  int64_t begin = 0;
  for (int32_t s = 0; s < p.segmentCount; ++s) {
    for (int64_t n = begin; p.slots[s] == slot && n < p.ends[s]; ++n)
      sum += valueAt(dy, p.dy, t * p.N + n) * B[n * p.r + j];
    begin = p.ends[s];
  }
  low[i] = sum;
}

// dx: (T, K)
KERNEL linearInputGradient(const device uint8_t* dy [[buffer(0)]], const device uint8_t* weight [[buffer(1)]],
                           const device float* low [[buffer(2)]], const device float* A [[buffer(3)]],
                           device uint8_t* dx [[buffer(4)]], constant LinearParameters& p [[buffer(5)]],
                           PLACE) {
  const int64_t i = elementOf(group, index), columns = (p.K + kEdge - 1) / kEdge;
  const int64_t row = i / columns * kEdge, column = i % columns * kEdge;
  if (row >= p.T) return;
  Sums sums = {};
  addProduct(sums, Factor{dy, p.dy, p.T, p.N, 1}, row, Factor{weight, p.weight, p.K, 1, p.K}, column, p.N);
  for (int64_t t = row; t < row + kEdge && t < p.T; ++t)
    for (int64_t k = column; k < column + kEdge && k < p.K; ++k) {
      float product = 0;
      for (int64_t j = 0; j < p.R; ++j) product += low[t * p.R + j] * A[j * p.K + k];
      setAt(dx, p.dx, t * p.K + k, sums.at[t - row][k - column] + p.scale * product);
    }
}

// An element a thread, which sums over the tokens in their order. dA: (R, K)
KERNEL linearAGradient(const device float* low [[buffer(0)]], const device uint8_t* x [[buffer(1)]],
                       device float* dA [[buffer(2)]], constant LinearParameters& p [[buffer(3)]], PLACE) {
  const int64_t i = elementOf(group, index);
  if (i >= p.R * p.K) return;
  const int64_t j = i / p.K, k = i % p.K;
  float sum = 0;
  for (int64_t t = 0; t < p.T; ++t) sum += low[t * p.R + j] * valueAt(x, p.x, t * p.K + k);
  dA[i] += p.scale * sum;
}

// Likewise; rows without a slot stay as they are. xa: (T, R), dB: (N, r)
KERNEL linearBGradient(const device uint8_t* dy [[buffer(0)]], const device uint8_t* xa [[buffer(1)]],
                       device float* dB [[buffer(2)]], constant LinearParameters& p [[buffer(3)]], PLACE) {
  const int64_t i = elementOf(group, index);
  if (i >= p.N * p.r) return;
  const int64_t n = i / p.r, j = i % p.r;
  const int32_t slot = slotOf(p, n);
  if (slot < 0) return;
  float sum = 0;
  for (int64_t t = 0; t < p.T; ++t)
    sum += valueAt(dy, p.dy, t * p.N + n) * valueAt(xa, p.xa, t * p.R + slot * p.r + j);
  dB[i] += p.scale * sum;
}

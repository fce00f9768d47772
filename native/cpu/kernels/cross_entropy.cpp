// linearCrossEntropy: the loss of x W^T against targets, and its gradient with respect to x.
//
// Only supervised rows are computed. They go in chunks of rows: the logits of a chunk are one product, then
// each row becomes its own gradient softmax - onehot in place, and dx is a second product over the same
// packed W. So each product is done once (recomputing logits instead would cost half as much again), and the
// buffer is a few tens of MB whatever T.
#include "../../host/kernel.h"
#include "epilogue.h"
#include "gemm.h"
#include "register.h"
#include "simd.h"
#include "workspace.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

using host::Context;

constexpr int64_t kLogitBytes = 32 << 20;

// A row of logits and a cache line more: rows at a multiple of 4096 bytes from each other would fight for the
// same few places in L1, and V is often such a multiple.
constexpr int64_t logitStride(int64_t V) {
  return roundUp(V, kPanelRows) + 16;
}

// Whole register tiles of rows.
template <class Unit>
constexpr int64_t chunkRows(int64_t T, int64_t V) {
  return smaller(larger(T, 1), larger(2, kLogitBytes / (4 * logitStride(V)) / Unit::kRows) * Unit::kRows);
}

struct Shape {
  int64_t T, D, V, stride;
  bool bf16, dx;

  explicit Shape(const LinearCrossEntropy& op)
      : T(op.x.shape[0]),
        D(op.x.shape[1]),
        V(op.weight.shape[0]),
        stride(logitStride(V)),
        bf16(op.x.dtype == DType::BF16),
        dx(op.dx.rank != 0) {}
};

template <class Unit>
struct Plan {
  Blocking logits{}, gradient{};
  static constexpr int64_t elementBytes = sizeof(typename Unit::Element);
  int64_t chunk, strideX, rows, gathered, buffer, scratch, bytes;

  Plan(const Shape& s, int threads)
      : chunk(chunkRows<Unit>(s.T, s.V)), strideX(scratchStride(s.D, s.bf16 ? 2 : 4)) {
    const RowsOfX x{s.bf16, strideX}, dLogits{Unit::kTakesBf16, s.stride * 4 / elementBytes};
    logits = blockingFor<Unit>(chunk, ceilDivide(s.V, kPanelRows), s.D, 0, x, threads);
    Layouter layout;
    int64_t worker = logits.workerBytes();
    if (s.dx) {
      gradient = blockingFor<Unit>(chunk, ceilDivide(s.D, kPanelRows), s.V, 0, dLogits, threads);
      worker = larger(worker, gradient.workerBytes());
    }
    rows = layout.take(s.T * 4);
    gathered = layout.take(chunk * strideX * (s.bf16 ? 2 : 4));
    buffer = layout.take(chunk * s.stride * 4);
    scratch = layout.take(worker * threads);
    bytes = layout.bytes();
  }
};

template <class Unit, bool Transposed>
struct HeadSource {
  using Element = typename Unit::Element;
  Matrix x;
  int64_t depth;
  PackedWeight weight;

  const Element* panel(int64_t p, int64_t k0, int64_t count, Element* scratch) const {
    return Transposed ? transposedPanel<Unit>(weight, p, k0, count, scratch)
                      : weightPanel<Unit>(weight, p, k0, count, scratch);
  }
  int extras(int64_t) const { return 0; }
  Extra extra(int64_t, int) const { return {}; }
  const Element* extraPanel(int64_t, int, int64_t, int64_t, Element* scratch) const { return scratch; }
};

// The log-probability of the target of one row of logits; leaves gradScale * (softmax - onehot) in the row,
// as the unit's elements.
template <class Unit>
float logprobOfRow(float* logits, int64_t V, int64_t target, float gradScale, bool gradient) {
  Vec top = broadcast(logits[0]);
  forVectors(V, [&](int64_t i, int64_t lanes) {
    top = max(top, lanes < kWidth ? broadcast(logits[i]) : load(logits + i));
    for (int64_t j = 1; lanes < kWidth && j < lanes; ++j) top = max(top, broadcast(logits[i + j]));
  });
  const float highestLogit = highest(top);
  const Vec shift = broadcast(highestLogit);
  Vec sums = broadcast(0.0f);
  float rest = 0;
  forVectors(V, [&](int64_t i, int64_t lanes) {
    const Vec e = exp(loadPart(logits + i, lanes) - shift);
    if (lanes == kWidth) {
      sums += e;
    } else {
      float parts[kWidth];
      store(parts, e);
      for (int64_t j = 0; j < lanes; ++j) rest += parts[j];
    }
  });
  const float total = sum(sums) + rest;
  const float below =
      logits[target] - highestLogit;  // not through logsumexp: that would round at the logits' size
  const float logprob = below - __builtin_logf(total);
  if (!gradient) return logprob;

  const Vec factor = broadcast(gradScale / total);
  const float atTarget = (__builtin_expf(below) / total - 1.0f) * gradScale;
  // bf16 overwrites the same row from its start: element i lands before float i, which has been read.
  typename Unit::Element* out = reinterpret_cast<typename Unit::Element*>(logits);
  forVectors(V, [&](int64_t i, int64_t lanes) {
    const Vec p = exp(loadPart(logits + i, lanes) - shift) * factor;
    if constexpr (Unit::kTakesBf16) {
      storePart(reinterpret_cast<Bf16*>(out + i), p, lanes);
    } else {
      storePart(out + i, p, lanes);
    }
  });
  if constexpr (Unit::kTakesBf16) {
    out[target] = scalarToBf16(atTarget);
  } else {
    out[target] = atTarget;
  }
  return logprob;
}

template <class Unit>
void crossEntropy(const LinearCrossEntropy& op, Context& context) {
  const Shape s(op);
  const Plan<Unit> plan(s, context.pool.threads());
  const int32_t* targets = op.targets.as<int32_t>();
  int32_t* rows = part<int32_t>(context.workspace, plan.rows);
  float* loss = op.loss.as<float>();
  std::byte* dx = op.dx.as<std::byte>();
  const int64_t xBytes = s.D * (s.bf16 ? 2 : 4), dxBytes = s.D * (op.dx.dtype == DType::BF16 ? 2 : 4);

  const float* tokenWeights = op.tokenWeight ? op.tokenWeight.as<const float>() : nullptr;
  float* logprobs = op.logprob ? op.logprob.as<float>() : nullptr;
  const auto weightOf = [&](int64_t t) { return tokenWeights == nullptr ? 1.0f : tokenWeights[t]; };

  int64_t supervised = 0;
  for (int64_t t = 0; t < s.T; ++t) {
    // Without a weight nothing but its log-probability is asked of a row.
    if (targets[t] >= 0 && (weightOf(t) != 0 || logprobs != nullptr)) {
      rows[supervised++] = static_cast<int32_t>(t);
    } else {
      loss[t] = 0;
      if (logprobs != nullptr) logprobs[t] = 0;
      if (s.dx) std::memset(dx + t * dxBytes, 0, dxBytes);
    }
  }

  std::byte* gathered = part<std::byte>(context.workspace, plan.gathered);
  float* buffer = part<float>(context.workspace, plan.buffer);
  std::byte* scratch = context.workspace + plan.scratch;
  const PackedWeight weight(op.weight);
  // Chunks of one size, so that none is left with a few rows for a whole pass over W.
  const int64_t chunks = larger(1, ceilDivide(supervised, plan.chunk));
  const int64_t chunk = smaller(plan.chunk, roundUp(ceilDivide(supervised, chunks), Unit::kRows));
  for (int64_t first = 0; first < supervised; first += chunk) {
    const int64_t count = smaller(chunk, supervised - first);
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(gathered + i * plan.strideX * (s.bf16 ? 2 : 4),
                  op.x.as<std::byte>() + rows[first + i] * xBytes, xBytes);
    }
    const HeadSource<Unit, false> forward{Matrix(gathered, s.bf16, plan.strideX), s.D, weight};
    multiply<Unit>(context.pool, scratch, plan.logits, count, weight.panels(), forward,
                   [&](const float* sums, int64_t row0, int64_t n, int64_t p) {
                     storeSums(Result(buffer, false, s.stride, s.stride), {}, sums, row0, n, p);
                   });
    context.pool.parallelFor(count, [&](int64_t i, int) {
      const int64_t t = rows[first + i];
      const float tokenWeight = weightOf(t);
      const auto scale = static_cast<float>(op.gradScale * tokenWeight);
      float* logits = buffer + i * s.stride;
      const float logprob = logprobOfRow<Unit>(logits, s.V, targets[t], scale, s.dx);
      loss[t] = tokenWeight == 0 ? 0.0f : -tokenWeight * logprob;
      if (logprobs != nullptr) logprobs[t] = logprob;
      if (s.dx && tokenWeight == 0) std::memset(logits, 0, static_cast<size_t>(s.stride) * sizeof(float));
    });
    if (!s.dx) continue;
    const int64_t stride = s.stride * 4 / static_cast<int64_t>(sizeof(typename Unit::Element));
    const HeadSource<Unit, true> backward{Matrix(buffer, Unit::kTakesBf16, stride), s.V, weight};
    multiply<Unit>(context.pool, scratch, plan.gradient, count, ceilDivide(s.D, kPanelRows), backward,
                   [&](const float* sums, int64_t row0, int64_t n, int64_t p) {
                     for (int64_t i = row0; i < row0 + n; ++i) {
                       const Result row(dx + rows[first + i] * dxBytes, op.dx.dtype == DType::BF16, s.D, s.D);
                       storeSums(row, {}, sums + (i - row0) * kPanelRows, 0, 1, p);
                     }
                   });
  }
}

void run(const LinearCrossEntropy& op, Context& context) {
  withUnit(op.x.dtype == DType::BF16, [&]<class Unit>() { crossEntropy<Unit>(op, context); });
}

int64_t workspace(const LinearCrossEntropy& op, int threads) {
  int64_t bytes = 0;
  withUnit(op.x.dtype == DType::BF16, [&]<class Unit>() { bytes = Plan<Unit>(Shape(op), threads).bytes; });
  return bytes;
}

}  // namespace

void registerLinearCrossEntropy(host::KernelTable& table) {
  table.set<LinearCrossEntropy, run>(kPath);
  table.setWorkspace<LinearCrossEntropy, workspace>();
}

}  // namespace ibert::cpu::IBERT_ISA

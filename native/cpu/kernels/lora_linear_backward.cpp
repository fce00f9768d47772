// loraLinearBackward, four products over one packed copy of W:
//   dxa = scale * dy B           (T x R)
//   dx  = [dy | dxa] [W ; A]     (T x K)   the low-rank term continues the same sums
//   dA += dxa^T x                (R x K)
//   dB += scale * dy^T xa        (N x r)
// The last two sum over T: each output block is one task that goes through T in order, so there are no
// atomics and the bits do not depend on the number of threads. Their left operand is the small one,
// transposed once.
#include "../../host/kernel.h"
#include "epilogue.h"
#include "gemm.h"
#include "register.h"
#include "segments.h"
#include "transpose.h"
#include "workspace.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

using host::Context;

struct Shape {
  int64_t T, K, N, R = 0, r = 0;
  bool bf16, lora, dx, dA, dB;

  explicit Shape(const LoraLinearBackward& op)
      : T(op.dy.shape[0]),
        K(op.weight.shape[1]),
        N(op.weight.shape[0]),
        bf16(op.dy.dtype == DType::BF16),
        lora(op.loraA.rank != 0),
        dx(op.dx.rank != 0),
        dA(op.dLoraA.rank != 0),
        dB(op.dLoraB.rank != 0) {
    if (!lora) return;  // dLoraA and dLoraB need loraB, so there are none
    R = op.loraA.shape[1];
    r = op.loraB.shape[2];
    if (dA && op.x.dtype == DType::F32) bf16 = false;
    if (dB && op.xa.dtype == DType::F32) bf16 = false;
  }
  int64_t slots() const { return R / std::max<int64_t>(r, 1); }
};

template <class Unit>
struct Plan {
  using Element = typename Unit::Element;
  static constexpr int64_t kSize = sizeof(Element);
  Blocking low{}, main{}, gradA{}, gradB{};
  int64_t strideT;  // of the transposed ones
  int64_t dxa = 0, dxaT = 0, xaT = 0, scratch, bytes, gradBPanels = 0;

  Plan(const Shape& s, const Segments& segments, int threads) : strideT(scratchStride(s.T, kSize)) {
    Layouter layout;
    int64_t worker = 0;
    const RowsOfX own{Unit::kTakesBf16, strideT};
    const auto use = [&](Blocking& slot, const Blocking& b) {
      slot = b;
      worker = larger(worker, b.workerBytes());
    };
    if (s.lora && (s.dx || s.dA)) {
      use(low, blockingFor<Unit>(s.T, s.slots() * ceilDivide(s.r, kPanelRows), 0, s.N, own, threads));
      dxa = layout.take(s.T * s.R * kSize);
      dxaT = layout.take(strideT * s.R * kSize);
    }
    if (s.dx) {
      const RowsOfX dy{s.bf16, s.N};
      use(main, blockingFor<Unit>(s.T, ceilDivide(s.K, kPanelRows), s.N, s.R, dy, threads));
    }
    if (s.dA) use(gradA, blockingFor<Unit>(s.R, ceilDivide(s.K, kPanelRows), s.T, 0, own, threads));
    if (s.dB) {
      for (int i = 0; i < segments.count; ++i) {
        if (segments.list[i].slot >= 0)
          gradBPanels += ceilDivide(segments.list[i].end - segments.list[i].begin, kPanelRows);
      }
      use(gradB, blockingFor<Unit>(s.r, larger(gradBPanels, 1), 0, s.T, own, threads));
      xaT = layout.take(strideT * s.R * kSize);
    }
    scratch = layout.take(worker * threads);
    bytes = layout.bytes();
  }
};

// dxa: panel p is columns [32 c, 32 c + 32) of slot p / perSlot, summed over the slot's segments.
template <class Unit>
struct LowSource {
  using Element = typename Unit::Element;
  Matrix x;
  int64_t depth, r;
  const Segments& segments;
  Matrix loraB;
  float scale;

  int64_t perSlot() const { return ceilDivide(r, kPanelRows); }
  const Segment& segment(int64_t p, int e) const {
    int i = 0;
    for (int seen = 0;; ++i) {
      if (segments.list[i].slot == p / perSlot() && seen++ == e) return segments.list[i];
    }
  }
  const Element* panel(int64_t, int64_t, int64_t, Element* scratch) const { return scratch; }
  int extras(int64_t p) const {
    int count = 0;
    for (int i = 0; i < segments.count; ++i) count += segments.list[i].slot == p / perSlot();
    return count;
  }
  Extra extra(int64_t p, int e) const {
    const Segment& s = segment(p, e);
    return {x.at(0, s.begin), s.end - s.begin};
  }
  const Element* extraPanel(int64_t p, int e, int64_t k0, int64_t count, Element* scratch) const {
    const int64_t column = p % perSlot() * kPanelRows;
    return columnPanel<Unit>(loraB.at(segment(p, e).begin, column), smaller(kPanelRows, r - column), k0,
                             count, scale, scratch);
  }
};

// dx
template <class Unit>
struct MainSource {
  using Element = typename Unit::Element;
  Matrix x;
  int64_t depth;
  PackedWeight weight;
  Matrix dxa;
  int64_t R;  // 0: no LoRA
  Matrix loraA;

  const Element* panel(int64_t p, int64_t k0, int64_t count, Element* scratch) const {
    return transposedPanel<Unit>(weight, p, k0, count, scratch);
  }
  int extras(int64_t) const { return R > 0 ? 1 : 0; }
  Extra extra(int64_t, int) const { return {dxa, R}; }
  const Element* extraPanel(int64_t p, int, int64_t k0, int64_t count, Element* scratch) const {
    const int64_t column = p * kPanelRows;
    return columnPanel<Unit>(loraA.at(0, column), smaller(kPanelRows, weight.columns - column), k0, count,
                             1.0f, scratch);
  }
};

// dA
template <class Unit>
struct GradASource {
  using Element = typename Unit::Element;
  Matrix x;  // dxa^T
  int64_t depth, K;
  Matrix inputs;

  const Element* panel(int64_t p, int64_t k0, int64_t count, Element* scratch) const {
    const int64_t column = p * kPanelRows;
    return columnPanel<Unit>(inputs.at(0, column), smaller(kPanelRows, K - column), k0, count, 1.0f, scratch);
  }
  int extras(int64_t) const { return 0; }
  Extra extra(int64_t, int) const { return {}; }
  const Element* extraPanel(int64_t, int, int64_t, int64_t, Element* scratch) const { return scratch; }
};

// dB^T: panels run through the segments with LoRA, each segment from its own first row.
template <class Unit>
struct GradBSource {
  using Element = typename Unit::Element;
  Matrix x;  // xa^T
  int64_t depth, T, r;
  const Segments& segments;
  Matrix dy;

  struct Place {
    const Segment* segment;
    int64_t row, count;  // of W
  };
  Place place(int64_t p) const {
    for (int i = 0;; ++i) {
      const Segment& s = segments.list[i];
      if (s.slot < 0) continue;
      const int64_t panels = ceilDivide(s.end - s.begin, kPanelRows);
      if (p < panels)
        return {&s, s.begin + p * kPanelRows, smaller(kPanelRows, s.end - s.begin - p * kPanelRows)};
      p -= panels;
    }
  }
  const Element* panel(int64_t, int64_t, int64_t, Element* scratch) const { return scratch; }
  int extras(int64_t) const { return 1; }
  Extra extra(int64_t p, int) const { return {x.at(place(p).segment->slot * r, 0), T}; }
  const Element* extraPanel(int64_t p, int, int64_t k0, int64_t count, Element* scratch) const {
    const Place at = place(p);
    return columnPanel<Unit>(dy.at(0, at.row), at.count, k0, count, 1.0f, scratch);
  }
};

// to[column][row] = from, in the unit's dtype, columns `stride` apart.
template <class Unit>
void transposeRows(Context& context, const Matrix& from, int64_t rows, int64_t columns,
                   typename Unit::Element* to, int64_t stride) {
  context.pool.parallelFor(ceilDivide(rows, 16), [&](int64_t task, int) {
    const int64_t row0 = task * 16, count = smaller(16, rows - row0);
    for (int64_t c = 0; c < columns; c += 16) {
      const int64_t width = smaller(16, columns - c);
      Floats lanes[16] = {};
      for (int64_t i = 0; i < count; ++i)
        lanes[i] = loadElements(from.data, from.bf16, (row0 + i) * from.stride + c, width);
      transpose16(lanes);
      for (int64_t i = 0; i < width; ++i)
        storeElements(to, Unit::kTakesBf16, (c + i) * stride + row0, count, lanes[i]);
    }
  });
}

template <class Unit>
void backward(const LoraLinearBackward& op, Context& context) {
  using Element = typename Unit::Element;
  const Shape s(op);
  const Segments segments(op.segments, op.slots, s.N, s.lora);
  const Plan<Unit> plan(s, segments, context.pool.threads());
  std::byte* scratch = context.workspace + plan.scratch;
  const Matrix dy(op.dy);
  const float scale = static_cast<float>(op.scale);
  Element* dxa = part<Element>(context.workspace, plan.dxa);
  Element* dxaT = part<Element>(context.workspace, plan.dxaT);

  if (s.lora && (s.dx || s.dA)) {
    const LowSource<Unit> low{dy, 0, s.r, segments, Matrix(op.loraB), scale};
    multiply<Unit>(context.pool, scratch, plan.low, s.T, s.slots() * low.perSlot(), low,
                   [&](const float* sums, int64_t row0, int64_t rows, int64_t p) {
                     const int64_t column = p % low.perSlot() * kPanelRows;
                     // A panel of the slot's own columns: the result starts at the slot.
                     const Result to(dxa + p / low.perSlot() * s.r, Unit::kTakesBf16, s.R, s.r);
                     storeSums(to, {}, sums, row0, rows, column / kPanelRows);
                   });
    if (s.dA) transposeRows<Unit>(context, Matrix(dxa, Unit::kTakesBf16, s.R), s.T, s.R, dxaT, plan.strideT);
  }
  if (s.dx) {
    const MainSource<Unit> main{dy,
                                s.N,
                                PackedWeight(op.weight),
                                Matrix(dxa, Unit::kTakesBf16, s.R),
                                s.lora ? s.R : 0,
                                s.lora ? Matrix(op.loraA) : Matrix()};
    multiply<Unit>(context.pool, scratch, plan.main, s.T, ceilDivide(s.K, kPanelRows), main,
                   [&](const float* sums, int64_t row0, int64_t rows, int64_t p) {
                     storeSums(Result(op.dx), {}, sums, row0, rows, p);
                   });
  }
  if (s.dA) {
    const GradASource<Unit> gradA{Matrix(dxaT, Unit::kTakesBf16, plan.strideT), s.T, s.K, Matrix(op.x)};
    const Matrix before(op.dLoraA);
    multiply<Unit>(context.pool, scratch, plan.gradA, s.R, ceilDivide(s.K, kPanelRows), gradA,
                   [&](const float* sums, int64_t row0, int64_t rows, int64_t p) {
                     storeSums(Result(op.dLoraA), {before, nullptr}, sums, row0, rows, p);
                   });
  }
  if (s.dB && plan.gradBPanels > 0) {
    Element* xaT = part<Element>(context.workspace, plan.xaT);
    transposeRows<Unit>(context, Matrix(op.xa), s.T, s.R, xaT, plan.strideT);
    const GradBSource<Unit> gradB{Matrix(xaT, Unit::kTakesBf16, plan.strideT), 0, s.T, s.r, segments, dy};
    float* dLoraB = op.dLoraB.as<float>();
    multiply<Unit>(context.pool, scratch, plan.gradB, s.r, plan.gradBPanels, gradB,
                   [&](const float* sums, int64_t row0, int64_t rows, int64_t p) {
                     const auto at = gradB.place(p);
                     for (int64_t n = 0; n < at.count; ++n) {
                       float* out = dLoraB + (at.row + n) * s.r + row0;
                       for (int64_t j = 0; j < rows; ++j) out[j] += scale * sums[j * kPanelRows + n];
                     }
                   });
  }
}

void run(const LoraLinearBackward& op, Context& context) {
  withUnit(Shape(op).bf16, [&]<class Unit>() { backward<Unit>(op, context); });
}

int64_t workspace(const LoraLinearBackward& op, int threads) {
  int64_t bytes = 0;
  const Shape s(op);
  const Segments segments(op.segments, op.slots, s.N, s.lora);
  withUnit(s.bf16, [&]<class Unit>() { bytes = Plan<Unit>(s, segments, threads).bytes; });
  return bytes;
}

}  // namespace

void registerLoraLinearBackward(host::KernelTable& table) {
  table.set<LoraLinearBackward, run>(kPath);
  table.setWorkspace<LoraLinearBackward, workspace>();
}

}  // namespace ibert::cpu::IBERT_ISA

// loraLinearForward: y = x W^T + bias + scale * (x A^T) B^T + residual.
//
// x A^T (T x R) is small and comes first. The main product then runs over K and goes on over the rank, [x | x
// A^T] by [W | scale * B], in the same register tiles and sums; residual and rounding to y happen once, at
// the end.
#include <optional>

#include "../../host/kernel.h"
#include "../fail.h"
#include "direct.h"
#include "epilogue.h"
#include "gemm.h"
#include "register.h"
#include "row_lora.h"
#include "segments.h"
#include "workspace.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

using host::Context;

struct Shape {
  int64_t T, K, N, P = 0, R = 0, r = 0;
  bool bf16, lora;
  bool few;     // a step of generation: a row's result must not depend on the rows beside it
  bool direct;  // and W is multiplied directly
  bool byRow;   // LoRA row by row: few rows, or rows that may belong to different adapters

  explicit Shape(const LoraLinearForward& op)
      : T(op.x.shape[0]),
        K(op.x.shape[1]),
        N(op.weight.shape[0]),
        bf16(op.x.dtype == DType::BF16),
        lora(op.loraA.rank != 0),
        few(T <= kExactRows),
        direct(multipliesDirectly(op.weight, bf16, T)),
        byRow(lora && (few || op.adapterOfRow.rank != 0)) {
    if (!lora) return;
    P = op.loraA.shape[0];
    R = op.loraA.shape[1];
    r = op.loraB.shape[2];
  }
};

template <class Unit>
struct Plan {
  Blocking low{}, main{};
  int64_t directX = 0, xa = 0, rows = 0, scratch = 0, bytes;

  Plan(const Shape& s, int threads) {
    Layouter layout;
    const RowsOfX x{s.bf16, s.K};
    if (s.byRow) rows = layout.take(RowLora::bytes(s.T, s.R));
    if (s.direct) {
      directX =
          layout.take(s.bf16 ? directBytes<DirectUnitForBf16>(s.T, s.K) : directBytes<UnitForF32>(s.T, s.K));
    } else {
      main = blockingFor<Unit>(s.T, ceilDivide(s.N, kPanelRows), s.K, s.r, x, threads);
      int64_t worker = main.workerBytes();
      if (s.lora) {
        low = blockingFor<Unit>(s.T, ceilDivide(s.R, kPanelRows), s.K, 0, x, threads);
        worker = larger(worker, low.workerBytes());
        xa = layout.take(s.T * s.R * static_cast<int64_t>(sizeof(typename Unit::Element)));
      }
      scratch = layout.take(worker * threads);
    }
    bytes = layout.bytes();
  }
};

// x A^T
template <class Unit>
struct LowSource {
  using Element = typename Unit::Element;
  Matrix x;
  int64_t depth, R;
  Matrix loraA;

  const Element* panel(int64_t p, int64_t k0, int64_t count, Element* scratch) const {
    const int64_t row = p * kPanelRows;
    return rowPanel<Unit>(loraA.at(row, 0), 0, smaller(kPanelRows, R - row), k0, count, 1.0f, scratch);
  }
  int extras(int64_t) const { return 0; }
  Extra extra(int64_t, int) const { return {}; }
  const Element* extraPanel(int64_t, int, int64_t, int64_t, Element* scratch) const { return scratch; }
};

// [x | x A^T] by [W | scale * B]
template <class Unit>
struct MainSource {
  using Element = typename Unit::Element;
  Matrix x;
  int64_t depth, r;
  PackedWeight weight;
  Segments segments;
  Matrix xa;
  Matrix loraB;
  float scale;

  const Element* panel(int64_t p, int64_t k0, int64_t count, Element* scratch) const {
    return weightPanel<Unit>(weight, p, k0, count, scratch);
  }
  int extras(int64_t p) const { return PanelSegments(segments, p * kPanelRows).count; }
  Extra extra(int64_t p, int e) const {
    return {xa.at(0, PanelSegments(segments, p * kPanelRows).list[e]->slot * r), r};
  }
  const Element* extraPanel(int64_t p, int e, int64_t k0, int64_t count, Element* scratch) const {
    const int64_t n0 = p * kPanelRows;
    const Segment& s = *PanelSegments(segments, n0).list[e];
    const int64_t first = larger(s.begin, n0), last = smaller(s.end, n0 + kPanelRows);
    return rowPanel<Unit>(loraB.at(first, 0), static_cast<int>(first - n0), last - first, k0, count, scale,
                          scratch);
  }
};

Addends addends(const LoraLinearForward& op) {
  return {op.residual ? Matrix(op.residual) : Matrix(), op.bias ? op.bias.as<const float>() : nullptr};
}

// Few rows: W from its packed bits, LoRA in f32 beside it.
template <class Unit>
void forwardDirect(const LoraLinearForward& op, Context& context, const Shape& s, std::byte* memory,
                   const RowLora* lora) {
  const PackedWeight weight(op.weight);
  const DirectRows<Unit> x = directRows<Unit>(Matrix(op.x), s.T, weight, memory);
  const Addends add = addends(op);
  context.pool.parallelFor(weight.panels(), [&](int64_t p, int) {
    alignas(64) float sums[kExactRows * kPanelRows];
    multiplyDirect(x, weight, p, sums);
    if (lora != nullptr) lora->add(p, 0, s.T, sums);
    storeSums(Result(op.y), add, sums, 0, s.T, p);
  });
}

template <class Unit>
void forwardBlocked(const LoraLinearForward& op, Context& context, const Shape& s, const Plan<Unit>& plan,
                    int64_t adapter, const RowLora* lora) {
  using Element = typename Unit::Element;
  const Matrix x(op.x);
  std::byte* scratch = context.workspace + plan.scratch;
  Element* xa = part<Element>(context.workspace, plan.xa);
  if (adapter >= 0) {
    const LowSource<Unit> low{x, s.K, s.R, Matrix(op.loraA).at(adapter * s.R, 0)};
    multiply<Unit>(context.pool, scratch, plan.low, s.T, ceilDivide(s.R, kPanelRows), low,
                   [&](const float* sums, int64_t row0, int64_t rows, int64_t p) {
                     storeSums(Result(xa, Unit::kTakesBf16, s.R, s.R), {}, sums, row0, rows, p);
                     if (op.xa) storeSums(Result(op.xa), {}, sums, row0, rows, p);
                   });
  }
  const MainSource<Unit> source{x,
                                s.K,
                                s.r,
                                PackedWeight(op.weight),
                                Segments(op.segments, op.slots, s.N, adapter >= 0),
                                Matrix(xa, Unit::kTakesBf16, s.R),
                                adapter >= 0 ? Matrix(op.loraB).at(adapter * s.N, 0) : Matrix(),
                                static_cast<float>(op.scale)};
  const Addends add = addends(op);
  multiply<Unit>(context.pool, scratch, plan.main, s.T, source.weight.panels(), source,
                 [&](float* sums, int64_t row0, int64_t rows, int64_t p) {
                   if (lora != nullptr) lora->add(p, row0, rows, sums);
                   storeSums(Result(op.y), add, sums, row0, rows, p);
                 });
}

template <class Unit>
void forward(const LoraLinearForward& op, Context& context) {
  const Shape s(op);
  const Plan<Unit> plan(s, context.pool.threads());
  int64_t adapter = s.lora ? 0 : kNoAdapter;
  if (op.adapterOfRow && s.lora) adapter = commonAdapter(op.adapterOfRow.as<int32_t>(), s.T);
  std::optional<RowLora> rows;
  if (s.byRow && (s.few || adapter == kSeveralAdapters || (adapter == kNoAdapter && op.xa))) {
    rows.emplace(op, context, part<float>(context.workspace, plan.rows));
    adapter = kNoAdapter;
  }
  const RowLora* lora = rows ? &*rows : nullptr;
  if (s.direct && s.bf16) {
    forwardDirect<DirectUnitForBf16>(op, context, s, context.workspace + plan.directX, lora);
  } else if (s.direct) {
    forwardDirect<UnitForF32>(op, context, s, context.workspace + plan.directX, lora);
  } else {
    forwardBlocked<Unit>(op, context, s, plan, adapter, lora);
  }
}

void run(const LoraLinearForward& op, Context& context) {
  withUnit(op.x.dtype == DType::BF16, [&]<class Unit>() { forward<Unit>(op, context); });
}

int64_t workspace(const LoraLinearForward& op, int threads) {
  int64_t bytes = 0;
  withUnit(op.x.dtype == DType::BF16, [&]<class Unit>() { bytes = Plan<Unit>(Shape(op), threads).bytes; });
  return bytes;
}

}  // namespace

void registerLoraLinearForward(host::KernelTable& table) {
  table.set<LoraLinearForward, run>(kPath);
  table.setWorkspace<LoraLinearForward, workspace>();
}

}  // namespace ibert::cpu::IBERT_ISA

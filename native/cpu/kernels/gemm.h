// The one blocked product that every linear op is made of: C (rows x 32 panels) = sum over terms of x_i * P_i.
//
// Work is cut into tasks of (a block of rows) x (some panels); each output element is computed by one task, in one order
// over the depth, so results do not depend on the number of threads. Within a task the panel of W is brought to the
// unit's order once and stays in L2 (weights stay compressed in memory), the rows of x stream past it, and the sums of a
// register tile live in registers; a block of sums (f32) in L2 joins depth blocks and the low-rank terms, so that LoRA is a
// continuation of the same sum and not a second pass over y.
#pragma once

#include "../../host/thread_pool.h"
#include "panels.h"

namespace ibert::cpu::IBERT_ISA {

// A term of the sum beside the main one: x (rows of the product) and its depth.
struct Extra {
  Matrix x;
  int64_t depth;
};

struct Blocking {
  int64_t rows, rowBlocks;      // rows of a task
  int64_t panels, panelBlocks;  // panels of a task
  int64_t depth;                // of a panel in scratch
  int64_t xBytes, panelBytes, sumBytes;

  int64_t workerBytes() const { return xBytes + panelBytes + sumBytes; }
};

// `widen`: the unit does not take x's dtype, so x is widened into scratch, once for all panels of a task. `depth` is the
// longest of any term, `mainDepth` that of the main term.
template <class Unit>
Blocking blockingFor(int64_t rows, int64_t panels, int64_t mainDepth, int64_t depth, bool widen, int threads) {
  Blocking b{};
  b.depth = smaller(Unit::kDepth, roundUp(larger(depth, 1), kBlock));
  b.panels = smaller(panels, widen ? 8 : 1);
  b.panelBlocks = ceilDivide(panels, b.panels);
  // Several tasks a thread, so that no thread waits long for the last.
  const int64_t wanted = ceilDivide(6 * threads, b.panelBlocks);
  const int64_t blocks = larger(ceilDivide(rows, Unit::kBlockRows), smaller(wanted, ceilDivide(rows, 4 * Unit::kRows)));
  b.rows = roundUp(ceilDivide(rows, blocks), Unit::kRows);
  b.rowBlocks = ceilDivide(rows, b.rows);
  b.xBytes = widen ? roundUp(b.rows * b.depth * 4, 128) : 0;
  b.panelBytes = roundUp(Unit::panelElements(b.depth) * static_cast<int64_t>(sizeof(typename Unit::Element)), 128);
  b.sumBytes = b.rows * kPanelRows * 4 * (mainDepth > b.depth ? b.panels : 1);
  return b;
}

// Columns [k0, k0 + depth) of `rows` rows of x as the unit takes them.
template <class Unit>
Matrix unitRows(const Matrix& x, int64_t row0, int64_t rows, int64_t k0, int64_t depth, void* scratch) {
  if (Unit::kTakesBf16 == x.bf16) return x.at(row0, k0);
  float* out = static_cast<float*>(scratch);
  for (int64_t r = 0; r < rows; ++r) {
    const Matrix row = x.at(row0 + r, k0);
    for (int64_t k = 0; k < depth; k += kLanes) {
      const int64_t count = smaller(kLanes, depth - k);
      storeElements(out + r * depth, false, k, count, loadElements(row.data, row.bf16, k, count));
    }
  }
  return {out, false, depth};
}

// Source:
//   Matrix x; int64_t depth                             the main term; depth may be 0
//   panel(p, k0, depth, scratch) -> const Element*      its panel p
//   extras(p) -> int; extra(p, e) -> Extra; extraPanel(p, e, k0, depth, scratch)
// Epilogue: (const float* sums [rows][32], row0, rows, p), called once for each block of sums.
template <class Unit, class Source, class Epilogue>
void multiply(host::ThreadPool& pool, std::byte* scratch, const Blocking& b, int64_t rows, int64_t panels,
              const Source& source, const Epilogue& epilogue) {
  using Element = typename Unit::Element;
  const int64_t depthBlocks = ceilDivide(source.depth, b.depth);
  pool.parallelFor(b.rowBlocks * b.panelBlocks, [&](int64_t task, int worker) {
    std::byte* mine = scratch + worker * b.workerBytes();
    float* allSums = reinterpret_cast<float*>(mine);
    Element* panelScratch = reinterpret_cast<Element*>(mine + b.sumBytes);
    void* xScratch = mine + b.sumBytes + b.panelBytes;
    const int64_t row0 = task / b.panelBlocks * b.rows, count = smaller(b.rows, rows - row0);
    const int64_t p0 = task % b.panelBlocks * b.panels, p1 = smaller(p0 + b.panels, panels);

    for (int64_t block = 0; block < larger(depthBlocks, 1); ++block) {
      const int64_t k0 = block * b.depth, depth = smaller(b.depth, source.depth - k0);
      const Matrix x = unitRows<Unit>(source.x, row0, count, k0, depth, xScratch);
      for (int64_t p = p0; p < p1; ++p) {
        float* sums = allSums + (depthBlocks > 1 ? (p - p0) * b.rows * kPanelRows : 0);
        bool accumulate = block > 0;
        if (depth > 0) {
          Unit::multiply(count, x, depth, source.panel(p, k0, depth, panelScratch), sums, accumulate);
          accumulate = true;
        }
        if (block + 1 < depthBlocks) continue;
        for (int e = 0; e < source.extras(p); ++e) {
          const Extra extra = source.extra(p, e);
          for (int64_t e0 = 0; e0 < extra.depth; e0 += b.depth) {
            const int64_t step = smaller(b.depth, extra.depth - e0);
            const Element* panel = source.extraPanel(p, e, e0, step, panelScratch);
            if constexpr (!Unit::kTakesBf16) {
              if (extra.x.bf16) {
                // The widened rows of the main term are still needed by the panels that follow: these go row by row.
                for (int64_t r = 0; r < count; r += Unit::kRows) {
                  alignas(64) float few[Unit::kRows * Unit::kDepth];
                  const int64_t some = smaller(Unit::kRows, count - r);
                  Unit::multiply(some, unitRows<Unit>(extra.x, row0 + r, some, e0, step, few), step, panel,
                                 sums + r * kPanelRows, accumulate);
                }
                accumulate = true;
                continue;
              }
            }
            Unit::multiply(count, extra.x.at(row0, e0), step, panel, sums, accumulate);
            accumulate = true;
          }
        }
        if (!accumulate) std::memset(sums, 0, count * kPanelRows * 4);
        epilogue(sums, row0, count, p);
      }
    }
  });
}

}  // namespace ibert::cpu::IBERT_ISA

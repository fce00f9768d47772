// The one blocked product that every linear op is made of: C (rows x 32 panels) = sum over terms of x_i *
// P_i.
//
// Work is cut into tasks of (a block of rows) x (some panels); each output element is computed by one task,
// in one order over the depth, so results do not depend on the number of threads. Within a task the panel of
// W is brought to the unit's order once and stays in L2 (weights stay compressed in memory), the rows of x
// stream past it, and the sums of a register tile live in registers; a block of sums (f32) in L2 joins depth
// blocks and the low-rank terms, so that LoRA is a continuation of the same sum and not a second pass over y.
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
  bool gathers;                 // x is brought to scratch, once for all panels of a task
  int64_t xBytes, panelBytes, sumBytes;

  int64_t workerBytes() const { return xBytes + panelBytes + sumBytes; }
};

// Rows a multiple of this apart share the sets of L1 (64 lines of 64 bytes a way), and too few of L2: a tile
// reads more of them than a set has ways, and each pass over them would fetch them anew.
constexpr int64_t kCrowdedBytes = 4096;

// The main term's x: what its rows are made of, and how far apart they lie.
struct RowsOfX {
  bool bf16;
  int64_t stride;  // elements

  int64_t bytes() const { return stride * (bf16 ? 2 : 4); }
};

// Elements from row to row in scratch of `columns`: an odd number of lines, so that rows share no sets.
inline int64_t scratchStride(int64_t columns, int64_t elementBytes) {
  const int64_t lines = ceilDivide(columns * elementBytes, 64) | 1;
  return lines * 64 / elementBytes;
}

// `extraDepth` is that of the longest extra term.
template <class Unit>
Blocking blockingFor(int64_t rows, int64_t panels, int64_t mainDepth, int64_t extraDepth, const RowsOfX& x,
                     int threads) {
  Blocking b{};
  rows = larger(rows, 1), panels = larger(panels, 1);  // an op may have none
  const bool widen = x.bf16 != Unit::kTakesBf16;
  // For few panels the copy would cost what it gives.
  const bool crowded = !widen && mainDepth > 0 && panels > 4 && x.bytes() % kCrowdedBytes == 0;
  b.gathers = widen || crowded;
  const int64_t wholeDepth = roundUp(larger(mainDepth + 1 + extraDepth, 1), kBlock);
  // A depth that goes in blocks: a block of x and the sums of several panels share L2, so that x is fetched
  // from further out once and not once a panel.
  const bool deep = mainDepth > (crowded ? Unit::kDeepDepth : Unit::kDepth);
  const int64_t depthBlocks = ceilDivide(mainDepth, Unit::kDeepDepth);
  b.depth = deep ? roundUp(ceilDivide(mainDepth, depthBlocks), kBlock) : smaller(Unit::kDepth, wholeDepth);
  const int64_t mostRows = deep ? Unit::kDeepRows : Unit::kBlockRows;
  b.panelBlocks = deep || b.gathers ? smaller(panels, roundUp(ceilDivide(panels, 8), threads)) : panels;
  b.panels = ceilDivide(panels, b.panelBlocks);
  b.panelBlocks = ceilDivide(panels, b.panels);
  // Several tasks a thread, so that no thread waits long for the last.
  const int64_t wanted = ceilDivide(6 * threads, b.panelBlocks);
  const int64_t blocks =
      larger(ceilDivide(rows, mostRows), smaller(wanted, ceilDivide(rows, 4 * Unit::kRows)));
  b.rows = roundUp(ceilDivide(rows, blocks), Unit::kRows);
  b.rowBlocks = ceilDivide(rows, b.rows);
  const int64_t elementBytes = sizeof(typename Unit::Element);
  b.xBytes = b.gathers ? roundUp(b.rows * scratchStride(b.depth, elementBytes) * elementBytes, 128) : 0;
  b.panelBytes = roundUp(Unit::panelElements(b.depth) * elementBytes, 128);
  b.sumBytes = roundUp(b.rows, Unit::kSumRows) * kPanelRows * 4 * (mainDepth > b.depth ? b.panels : 1);
  return b;
}

// Columns [k0, k0 + depth) of `rows` rows of x in scratch, as the unit takes them.
template <class Unit>
Matrix gatherRows(const Matrix& x, int64_t row0, int64_t rows, int64_t k0, int64_t depth, void* scratch) {
  using Element = typename Unit::Element;
  Element* out = static_cast<Element*>(scratch);
  const int64_t stride = scratchStride(depth, sizeof(Element));
  for (int64_t r = 0; r < rows; ++r) {
    const Matrix row = x.at(row0 + r, k0);
    if (Unit::kTakesBf16 == x.bf16) {
      std::memcpy(out + r * stride, row.data, depth * sizeof(Element));
      continue;
    }
    for (int64_t k = 0; k < depth; k += kLanes) {
      const int64_t count = smaller(kLanes, depth - k);
      storeElements(out + r * stride, Unit::kTakesBf16, k, count, loadElements(row.data, row.bf16, k, count));
    }
  }
  return {out, Unit::kTakesBf16, stride};
}

// Source:
//   Matrix x; int64_t depth                             the main term; depth may be 0
//   panel(p, k0, depth, scratch) -> const Element*      its panel p
//   extras(p) -> int; extra(p, e) -> Extra; extraPanel(p, e, k0, depth, scratch)
// Epilogue: (float* sums [rows][32], row0, rows, p), called once for each block of sums.
template <class Unit, class Source, class Epilogue>
struct Product {
  using Element = typename Unit::Element;
  const Blocking& b;
  const Source& source;
  const Epilogue& epilogue;
  float* allSums;
  Element* panelScratch;
  void* xScratch;
  int64_t row0, rows;

  // sums (+)= x * panel for rows [first, first + count) of the task, x being an extra term's.
  void addExtra(const Extra& extra, int64_t first, int64_t count, int64_t k0, int64_t depth,
                const Element* panel, float* sums, bool accumulate) const {
    if constexpr (!Unit::kTakesBf16) {
      if (extra.x.bf16) {
        // xScratch holds the main term's rows, which the panels that follow still need: these are widened
        // tile by tile.
        for (int64_t r = 0; r < count; r += Unit::kRows) {
          alignas(64) float few[Unit::kRows * (Unit::kDepth + 16)];
          const int64_t some = smaller(Unit::kRows, count - r);
          const Matrix x = gatherRows<Unit>(extra.x, row0 + first + r, some, k0, depth, few);
          Unit::multiply(some, x, depth, panel, sums + r * kPanelRows, accumulate);
        }
        return;
      }
    }
    Unit::multiply(count, extra.x.at(row0 + first, k0), depth, panel, sums, accumulate);
  }

  // All of the depth in one block, and at most one extra term beside it: both panels wait in L2, and a few
  // register tiles at a time go from x to the result while their sums are in L1.
  bool oneBlock(const Matrix& x, int64_t p) const {
    const int extras = source.extras(p);
    const Extra extra = extras > 0 ? source.extra(p, 0) : Extra{};
    const int64_t mainDepth = roundUp(source.depth, 2);
    if (extras > 1 || mainDepth + extra.depth > b.depth) return false;
    const Element* panel = source.depth > 0 ? source.panel(p, 0, source.depth, panelScratch) : nullptr;
    Element* extraScratch = panelScratch + Unit::panelElements(mainDepth);
    const Element* extraPanel = extras > 0 ? source.extraPanel(p, 0, 0, extra.depth, extraScratch) : nullptr;
    for (int64_t first = 0; first < rows; first += Unit::kSumRows) {
      const int64_t count = smaller(Unit::kSumRows, rows - first);
      if (panel != nullptr) Unit::multiply(count, x.at(first, 0), source.depth, panel, allSums, false);
      if (extraPanel != nullptr)
        addExtra(extra, first, count, 0, extra.depth, extraPanel, allSums, panel != nullptr);
      if (panel == nullptr && extraPanel == nullptr) std::memset(allSums, 0, count * kPanelRows * 4);
      epilogue(allSums, row0 + first, count, p);
    }
    return true;
  }

  void run(int64_t p0, int64_t p1) const {
    const int64_t depthBlocks = larger(ceilDivide(source.depth, b.depth), 1);
    for (int64_t block = 0; block < depthBlocks; ++block) {
      const int64_t k0 = block * b.depth, depth = smaller(b.depth, source.depth - k0);
      const Matrix x =
          b.gathers ? gatherRows<Unit>(source.x, row0, rows, k0, depth, xScratch) : source.x.at(row0, k0);
      for (int64_t p = p0; p < p1; ++p) {
        if (depthBlocks == 1 && oneBlock(x, p)) continue;
        float* sums = allSums + (depthBlocks > 1 ? (p - p0) * b.rows * kPanelRows : 0);
        bool accumulate = block > 0;
        if (depth > 0) {
          Unit::multiply(rows, x, depth, source.panel(p, k0, depth, panelScratch), sums, accumulate);
          accumulate = true;
        }
        if (block + 1 < depthBlocks) continue;
        for (int e = 0; e < source.extras(p); ++e) {
          const Extra extra = source.extra(p, e);
          for (int64_t e0 = 0; e0 < extra.depth; e0 += b.depth) {
            const int64_t step = smaller(b.depth, extra.depth - e0);
            addExtra(extra, 0, rows, e0, step, source.extraPanel(p, e, e0, step, panelScratch), sums,
                     accumulate);
            accumulate = true;
          }
        }
        epilogue(sums, row0, rows, p);
      }
    }
  }
};

template <class Unit, class Source, class Epilogue>
void multiply(host::ThreadPool& pool, std::byte* scratch, const Blocking& b, int64_t rows, int64_t panels,
              const Source& source, const Epilogue& epilogue) {
  pool.parallelFor(b.rowBlocks * b.panelBlocks, [&](int64_t task, int worker) {
    std::byte* mine = scratch + worker * b.workerBytes();
    const int64_t row0 = task / b.panelBlocks * b.rows, p0 = task % b.panelBlocks * b.panels;
    if (row0 >= rows) return;  // the op has fewer rows than were planned for
    const Product<Unit, Source, Epilogue> product{
        b,
        source,
        epilogue,
        reinterpret_cast<float*>(mine),
        reinterpret_cast<typename Unit::Element*>(mine + b.sumBytes),
        mine + b.sumBytes + b.panelBytes,
        row0,
        smaller(b.rows, rows - row0)};
    Unit::begin();
    product.run(p0, smaller(p0 + b.panels, panels));
    Unit::end();
  });
}

}  // namespace ibert::cpu::IBERT_ISA

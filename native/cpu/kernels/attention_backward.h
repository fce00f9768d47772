// The parts of the attention gradient: the order of the lanes, the runs of keys, the packed queries, and the
// tile of one block of keys.
#pragma once

#include "../../tensor.h"
#include "attention_tile.h"

namespace ibert::cpu::IBERT_ISA {

// A sequence and key-value head is cut into at most kRuns runs of keys, and not further than kTasks tasks in
// all: each run costs a copy of dq.
constexpr int64_t kRuns = 4;
constexpr int64_t kTasks = 32;

// Keys whose scores are computed at a time: what one register tile, or two tiles of AMX, take.
#if defined(IBERT_HAS_TILES)
constexpr int64_t kScoreRows = 32;
#else
constexpr int64_t kScoreRows = kRows;
#endif

// Numbers the query rows of all sequences: those of one sequence and key-value head are consecutive lanes, by
// position and then by head, and begin where a vector may.
class LaneOrder {
 public:
  LaneOrder(const Tensor& offsets, int64_t tokens, int64_t heads, int64_t kvHeads)
      : group(heads / kvHeads),
        offsets_(offsets.as<const int32_t>()),
        count_(offsets.shape[0]),
        total_(totalFor(count_, tokens, heads, kvHeads)),
        perHead_(total_ / kvHeads) {}

  // Lanes of all sequences and key-value heads, from shapes alone.
  static int64_t totalFor(int64_t offsets, int64_t tokens, int64_t heads, int64_t kvHeads) {
    return kvHeads * roundUp(tokens * (heads / kvHeads) + offsets * kWidth, kWidth);
  }
  int64_t total() const { return total_; }
  int64_t sequences() const { return count_ - 1; }
  int64_t start(int64_t s) const { return offsets_[s]; }
  int64_t length(int64_t s) const { return offsets_[s + 1] - offsets_[s]; }
  int64_t lanes(int64_t s) const { return length(s) * group; }
  int64_t padded(int64_t s) const { return roundUp(lanes(s), kWidth); }
  int64_t base(int64_t s, int64_t kvHead) const {
    return kvHead * perHead_ + roundUp(start(s) * group, kWidth) + s * kWidth;
  }

  const int64_t group;

 private:
  const int32_t* offsets_;
  int64_t count_, total_, perHead_;
};

// The keys of a sequence in at most `most` runs of about equal work: early keys are seen by more rows than
// late ones.
struct KeyRuns {
  int64_t count = 0;
  int64_t begin[kRuns + 1] = {};

  KeyRuns(int64_t length, int64_t most) {
    const double blocks = static_cast<double>((length + kKeyBlock - 1) / kKeyBlock);
    for (int64_t run = 1; run <= most; ++run) {
      const double part = 1.0 - std::sqrt(1.0 - static_cast<double>(run) / static_cast<double>(most));
      const int64_t end = smaller(length, static_cast<int64_t>(blocks * part + 0.5) * kKeyBlock);
      if (end > begin[count]) begin[++count] = end;
    }
  }
};

// The query side in the orders of the products, and the copies of dq.
template <class Unit>
struct Queries {
  int64_t runs, depth, columns, total;
  Unit *qLanes, *dyLanes;  // panels of lanes (depth, lanes): B of the scores and of dp
  Unit *qRows,
      *dyRows;  // for each panel of lanes, panels of columns (units of lanes, columns): B of dk and dv
  float *lse, *delta, *place;  // one a lane; place: the last key that it sees
  float* dqCopies;             // (runs, total, columns)

  Queries(Carver& carver, int64_t total, int64_t headDim, int64_t runs)
      : runs(runs), depth(headDim / kPerUnit<Unit>), columns(roundUp(headDim, kWidth)), total(total) {
    qLanes = carver.take<Unit>(total * depth);
    dyLanes = carver.take<Unit>(total * depth);
    qRows = carver.take<Unit>(total / kPerUnit<Unit> * columns);
    dyRows = carver.take<Unit>(total / kPerUnit<Unit> * columns);
    lse = carver.take<float>(total);
    delta = carver.take<float>(total);
    place = carver.take<float>(total);
    dqCopies = carver.take<float>(runs * total * columns);
  }
  Unit* rows(Unit* all, int64_t lane) const { return all + lane / kPerUnit<Unit> * columns; }
  float* dq(int64_t run, int64_t lane) const { return dqCopies + (run * total + lane) * columns; }
};

// Up to kKeyBlock keys of one key-value head: their dk and dv, summed over the panels of lanes that are
// added.
template <class Unit>
class KeyTile {
 public:
  KeyTile(Carver& carver, int64_t headDim, float scale)
      : headDim_(headDim),
        columns_(roundUp(headDim, kWidth)),
        depth_(headDim / kPerUnit<Unit>),
        scale_(scale) {
    keys_ = carver.take<Unit>(kKeyBlock * depth_);
    values_ = carver.take<Unit>(kKeyBlock * depth_);
    keyPanels_ = carver.take<Unit>(kSteps * columns_);
    dk_ = carver.take<float>(kKeyBlock * columns_);
    dv_ = carver.take<float>(kKeyBlock * columns_);
    scores_ = carver.take<float>(kScoreRows * kPanel);
    dp_ = carver.take<float>(kScoreRows * kPanel);
    p_ = carver.take<Unit>(kKeyBlock * kPanelUnits);
    ds_ = carver.take<Unit>(kKeyBlock * kPanelUnits);
    dsPairs_ = kPerUnit<Unit> == 1 ? ds_ : carver.take<Unit>(kSteps * kPanel);
  }

  template <class T, class KeyAt, class ValueAt>
  void begin(int64_t firstKey, int64_t keys, KeyAt&& keyAt, ValueAt&& valueAt) {
    firstKey_ = firstKey;
    count_ = keys;
    for (int64_t j = 0; j < keys; ++j) {
      packRow(static_cast<const T*>(keyAt(j)), keys_ + j * depth_, headDim_);
      packRow(static_cast<const T*>(valueAt(j)), values_ + j * depth_, headDim_);
    }
    packPanels<T>(keys, keyAt, keyPanels_, kSteps, headDim_, columns_);
    std::memset(dk_, 0, static_cast<size_t>(keys * columns_) * sizeof(float));
    std::memset(dv_, 0, static_cast<size_t>(keys * columns_) * sizeof(float));
  }

  // One panel of lanes, `width` from `lane` on; adds to the run's copy of dq, or sets it.
  void add(const Queries<Unit>& queries, int64_t lane, int64_t width, int64_t run, bool addDq) {
    const int64_t lowest = static_cast<int64_t>(queries.place[lane]);
    const int64_t seen =
        smaller(count_, static_cast<int64_t>(queries.place[lane + width - 1]) - firstKey_ + 1);
    for (int64_t j = 0; j < seen; j += kScoreRows) {
      const int64_t rows = smaller(kScoreRows, seen - j);
      const Unit* q = queries.qLanes + lane * depth_;
      const Unit* dy = queries.dyLanes + lane * depth_;
      multiplyPanel(rows, width / kWidth, Left<Unit>{keys_ + j * depth_, depth_, 1}, q, width, depth_,
                    scores_, kPanel, false);
      multiplyPanel(rows, width / kWidth, Left<Unit>{values_ + j * depth_, depth_, 1}, dy, width, depth_, dp_,
                    kPanel, false);
      for (int64_t column = 0; column < width; column += kWidth) {
        weigh(queries, lane, column, j, rows, firstKey_ + j + rows - 1 > lowest);
      }
    }
    const int64_t steps = width / kPerUnit<Unit>;
    multiplyPanels(seen, columns_, Left<Unit>{p_, kPanelUnits, 1}, queries.rows(queries.dyRows, lane), steps,
                   steps, dv_, columns_, true);
    multiplyPanels(seen, columns_, Left<Unit>{ds_, kPanelUnits, 1}, queries.rows(queries.qRows, lane), steps,
                   steps, dk_, columns_, true);
    multiplyPanels(width, columns_, Left<Unit>{dsPairs_, 1, kPanel}, keyPanels_, kSteps,
                   roundUp(seen, kPerUnit<Unit>) / kPerUnit<Unit>, queries.dq(run, lane), columns_, addDq);
  }

  const float* dk() const { return dk_; }
  const float* dv() const { return dv_; }
  template <class T>
  void writeRow(const float* rows, int64_t j, float factor, T* to) const {
    const float* row = rows + j * columns_;
    forVectors(headDim_, [&](int64_t i, int64_t lanes) {
      storePart(to + i, load(row + i) * broadcast(factor), lanes);
    });
  }

 private:
  static constexpr int64_t kSteps = kKeyBlock / kPerUnit<Unit>;
  static constexpr int64_t kPanelUnits = kPanel / kPerUnit<Unit>;

  // p and ds of up to kScoreRows keys from j on, for one vector of lanes.
  void weigh(const Queries<Unit>& queries, int64_t lane, int64_t column, int64_t j, int64_t rows,
             bool masked) {
    const Vec lse = load(queries.lse + lane + column), delta = load(queries.delta + lane + column);
    const Vec place = load(queries.place + lane + column);
    const auto one = [&](int64_t row, Vec& p, Vec& ds) {
      p = expOf(fma(load(scores_ + row * kPanel + column), broadcast(scale_), broadcast(0.0f) - lse));
      if (masked) {
        p = selectLessEqual(broadcast(static_cast<float>(firstKey_ + j + row)), place, p, broadcast(0.0f));
      }
      ds = p * (load(dp_ + row * kPanel + column) - delta);
    };
    for (int64_t row = 0; row < rows; row += 2) {
      Vec p0, ds0, p1 = broadcast(0.0f), ds1 = broadcast(0.0f);
      one(row, p0, ds0);
      if (row + 1 < rows) one(row + 1, p1, ds1);
      storeRow(p_, j + row, column, p0);
      storeRow(ds_, j + row, column, ds0);
      if (row + 1 < rows) {
        storeRow(p_, j + row + 1, column, p1);
        storeRow(ds_, j + row + 1, column, ds1);
      }
#if defined(IBERT_PAIR_DOT)
      if constexpr (kPerUnit<Unit> == 2)
        storePairs(dsPairs_ + (j + row) / 2 * kPanel + column, joinPairs(ds0, ds1));
#endif
    }
  }

  static void storeRow(float* rows, int64_t row, int64_t column, Vec value) {
    store(rows + row * kPanel + column, value);
  }
#if defined(IBERT_PAIR_DOT)
  static void storeRow(uint32_t* rows, int64_t row, int64_t column, Vec value) {
    store(reinterpret_cast<Bf16*>(rows) + row * kPanel + column, value);
  }
#endif

  int64_t headDim_, columns_, depth_;
  float scale_;
  int64_t firstKey_ = 0, count_ = 0;
  Unit *keys_, *values_;  // (kKeyBlock, depth): A of the scores and of dp
  Unit* keyPanels_;       // panels of columns, k = keys: B of dq
  float *dk_, *dv_;       // (kKeyBlock, columns)
  float *scores_, *dp_;   // (kScoreRows, kPanel)
  Unit *p_, *ds_;         // (kKeyBlock, kPanel) in units along the lanes: A of dv and dk
  Unit* dsPairs_;         // (kSteps, kPanel) in units along the keys: A of dq, transposed
};

}  // namespace ibert::cpu::IBERT_ISA

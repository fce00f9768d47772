// Attention of a tile of query rows to a run of keys, with the softmax kept up as the keys come in (Dao et
// al. 2022).
//
// The query rows of all heads that share one key-value head are the lanes of the vectors: scores^T (keys,
// lanes) = K Q^T. So keys and values are read as they lie, maximum and sum of the softmax run down the lanes
// with no shuffle, and one packed block of keys serves every query head of the group. Lanes go by position
// first, then by head, so that a panel of lanes covers few positions and stops close to the causal edge.
#pragma once

#include <cmath>

#include "attention_micro.h"
#include "attention_softmax.h"

namespace ibert::cpu::IBERT_ISA {

// Keys and values that stay near while the lanes pass over them; more of them mean fewer passes over the
// results.
constexpr int64_t kKeyBlock = 128;

// Positions of one tile when `group` query heads share a key-value head: at least some 64 lanes, at most some
// 256.
inline int64_t tilePositions(int64_t group) {
  return larger(16, smaller(64, 256 / group));
}

template <class Unit>
class AttentionTile {
 public:
  AttentionTile(Carver& carver, int64_t maxLanes, int64_t headDim, float scale)
      : headDim_(headDim),
        columns_(roundUp(headDim, kWidth)),
        depth_(headDim / kPerUnit<Unit>),
        scale_(scale) {
    const int64_t lanes = roundUp(maxLanes, kWidth);
    q_ = carver.take<Unit>(lanes * depth_);
    limits_ = carver.take<float>(lanes);
    highest_ = carver.take<float>(lanes);
    totals_ = carver.take<float>(lanes);
    out_ = carver.take<float>(lanes * columns_);
    keys_ = carver.take<Unit>(kKeyBlock * depth_);
    values_ = carver.take<Unit>(kKeyBlock / kPerUnit<Unit> * columns_);
    scores_ = carver.take<float>(kKeyBlock * kPanel);
    weights_ = carver.take<Unit>(kKeyBlock / kPerUnit<Unit> * kPanel);
    factors_ = carver.take<float>(kPanel);
  }

  // Takes the query rows rowAt(lane) (headDim values each) of which each sees the keys 0 .. limitAt(lane).
  // Limits do not fall from lane to lane.
  template <class T, class RowAt, class LimitAt>
  void begin(int64_t lanes, RowAt&& rowAt, LimitAt&& limitAt) {
    lanes_ = lanes;
    padded_ = roundUp(lanes, kWidth);
    for (int64_t first = 0; first < padded_; first += kPanel) {
      const int64_t width = smaller(kPanel, padded_ - first);
      packLanes<Unit, T>(
          width, [&](int64_t i) { return first + i < lanes ? rowAt(first + i) : nullptr; },
          q_ + first * depth_, width, depth_);
    }
    for (int64_t lane = 0; lane < padded_; ++lane) {
      limits_[lane] = static_cast<float>(limitAt(lane < lanes ? lane : lanes - 1));
      highest_[lane] = kMasked;
      totals_[lane] = 0.0f;
    }
    std::memset(out_, 0, static_cast<size_t>(padded_ * columns_) * sizeof(float));
  }

  // Takes the keys firstKey .. firstKey + count - 1, count <= kKeyBlock, whose rows are keyAt(j) and
  // valueAt(j), j from 0.
  template <class K, class V, class KeyAt, class ValueAt>
  void add(int64_t firstKey, int64_t count, KeyAt&& keyAt, ValueAt&& valueAt) {
    for (int64_t j = 0; j < count; ++j)
      packRow(static_cast<const K*>(keyAt(j)), keys_ + j * depth_, headDim_);
    packPanels<V>(count, valueAt, values_, kKeyBlock / kPerUnit<Unit>, headDim_, columns_);
    for (int64_t lane = 0; lane < padded_; lane += kPanel) {
      const int64_t width = smaller(kPanel, padded_ - lane);
      const int64_t seen = static_cast<int64_t>(limits_[lane + width - 1]) - firstKey + 1;
      if (seen > 0) attend(lane, width, firstKey, smaller(count, seen));
    }
  }

  // Unnormalised result of a lane, in columns() floats: divide by total(lane). lse is of the scaled scores.
  const float* out(int64_t lane) const { return out_ + lane * columns_; }
  float total(int64_t lane) const { return totals_[lane]; }
  // Logarithm of the factor that was left out of out and total.
  float shift(int64_t lane) const { return highest_[lane] * scale_; }
  float lse(int64_t lane) const { return shift(lane) + std::log(totals_[lane]); }

  template <class T>
  void writeRow(int64_t lane, T* to) const {
    const Vec inverse = broadcast(1.0f / totals_[lane]);
    const float* row = out(lane);
    forVectors(headDim_,
               [&](int64_t i, int64_t lanes) { storePart(to + i, load(row + i) * inverse, lanes); });
  }

 private:
  void attend(int64_t lane, int64_t width, int64_t firstKey, int64_t keys) {
    multiplyPanel(keys, width / kWidth, Left<Unit>{keys_, depth_, 1}, q_ + lane * depth_, width, depth_,
                  scores_, kPanel, false);
    const int64_t used = smaller(width, lanes_ - lane);
    // Keys from `open` on are hidden from some lane of the panel.
    const int64_t open = smaller(keys, larger(0, static_cast<int64_t>(limits_[lane]) - firstKey + 1));
    bool moved = false;
    for (int64_t column = 0; column < width; column += kWidth) {
      moved |= softmax(lane + column, scores_ + column, weights_ + column, factors_ + column, firstKey, keys,
                       open);
    }
    if (moved) {
      for (int64_t i = 0; i < used; ++i) {
        if (factors_[i] == 1.0f) continue;
        const Vec factor = broadcast(factors_[i]);
        float* row = out_ + (lane + i) * columns_;
        for (int64_t column = 0; column < columns_; column += kWidth)
          store(row + column, load(row + column) * factor);
      }
    }
    constexpr int64_t kSteps = kKeyBlock / kPerUnit<Unit>;
    multiplyPanels(used, columns_, Left<Unit>{weights_, 1, kPanel}, values_, kSteps,
                   roundUp(keys, kPerUnit<Unit>) / kPerUnit<Unit>, out_ + lane * columns_, columns_, true);
  }

  // One vector of lanes: raises their maximum, turns scores into weights, adds up the total. Returns whether
  // a maximum rose, and the factor by which what was there before must shrink.
  bool softmax(int64_t lane, float* scores, Unit* weights, float* factors, int64_t firstKey, int64_t keys,
               int64_t open) {
    const Vec before = load(highest_ + lane), limit = load(limits_ + lane);
    Vec best = before, other = before;
    for (int64_t j = open; j < keys; ++j) {
      const Vec key = broadcast(static_cast<float>(firstKey + j));
      store(scores + j * kPanel, selectLessEqual(key, limit, load(scores + j * kPanel), broadcast(kMasked)));
    }
    int64_t j = 0;
    for (; j + 2 <= keys; j += 2) {
      best = max(load(scores + j * kPanel), best);
      other = max(load(scores + (j + 1) * kPanel), other);
    }
    if (j < keys) best = max(load(scores + j * kPanel), best);
    best = max(best, other);

    const Vec scale = broadcast(scale_), shift = broadcast(0.0f) - best * scale;
    Vec even = broadcast(0.0f), odd = broadcast(0.0f);
    for (j = 0; j + 2 <= keys; j += 2) {
      const Vec a = expOf(fma(load(scores + j * kPanel), scale, shift));
      const Vec b = expOf(fma(load(scores + (j + 1) * kPanel), scale, shift));
      even += a;
      odd += b;
      storeWeights(weights, j, a, b);
    }
    if (j < keys) {
      const Vec a = expOf(fma(load(scores + j * kPanel), scale, shift));
      even += a;
      storeWeights(weights, j, a, broadcast(0.0f));
    }
    const Vec factor = expOf((before - best) * scale);
    store(factors, factor);
    store(highest_ + lane, best);
    store(totals_ + lane, fma(load(totals_ + lane), factor, even + odd));
    return sum(selectLessEqual(broadcast(1.0f), factor, broadcast(0.0f), broadcast(1.0f))) != 0.0f;
  }

  static void storeWeights(float* weights, int64_t j, Vec a, Vec b) {
    store(weights + j * kPanel, a);
    store(weights + (j + 1) * kPanel, b);
  }
#if defined(IBERT_PAIR_DOT)
  static void storeWeights(uint32_t* weights, int64_t j, Vec a, Vec b) {
    storePairs(weights + j / 2 * kPanel, joinPairs(a, b));
  }
#endif

  int64_t headDim_, columns_, depth_;  // headDim; padded to vectors; in units
  float scale_;
  int64_t lanes_ = 0, padded_ = 0;
  Unit* q_;         // panels of lanes (depth, lanes)
  float* limits_;   // last key of each lane
  float* highest_;  // highest score so far
  float* totals_;
  float* out_;      // (lanes, columns)
  Unit* keys_;      // (kKeyBlock, depth)
  Unit* values_;    // panels of columns (kKeyBlock units, columns)
  float* scores_;   // (kKeyBlock, kPanel)
  Unit* weights_;   // the same, in units along the keys
  float* factors_;  // kPanel
};

}  // namespace ibert::cpu::IBERT_ISA

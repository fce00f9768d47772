// Attention in a step of generation: a few query rows of one sequence against its cache. Reading the cache is
// the bound, so keys and values are used as they lie, each once for all query heads that share them.
//
// The context goes in pieces of at most kPieceKeys keys: scores of all of them, softmax, weighted sum of the
// values; the pieces are joined in their order. All pieces of a model are as long, and the arithmetic of a
// lane (a query row and head) knows of no other lane, so that its result is the same bits whatever rows go
// with it, and whether one task walks through the pieces or each has its own.
#pragma once

#include <cmath>

#include "attention_micro.h"
#include "attention_softmax.h"
#include "cache_rows.h"
#include "sum_each.h"

namespace ibert::cpu::IBERT_ISA {

constexpr int64_t kPieceKeys = 512;
// Lanes that share a key in registers, and keys whose scores make one vector with them.
constexpr int kLaneBlock = 4;
constexpr int kKeyStep = kWidth / kLaneBlock;
static_assert(kKeyStep * kLaneBlock == kWidth);

template <class T>
using PieceRows = CacheRows<T, kPieceKeys>;

// What some of the context gave for lanes: the unnormalised result in rows of `columns` floats, its total,
// and the logarithm of the factor left out of both.
struct Partial {
  float *out, *total, *shift;
  int64_t columns;

  Partial(Carver& carver, int64_t lanes, int64_t headDim)
      : out(carver.take<float>(lanes * roundUp(headDim, kWidth))),
        total(carver.take<float>(lanes)),
        shift(carver.take<float>(lanes)),
        columns(roundUp(headDim, kWidth)) {}

  void copy(int64_t lane, const Partial& from, int64_t fromLane) {
    std::memcpy(out + lane * columns, from.out + fromLane * columns,
                static_cast<size_t>(columns) * sizeof(float));
    total[lane] = from.total[fromLane];
    shift[lane] = from.shift[fromLane];
  }

  // Joins what the next piece gave.
  void join(int64_t lane, const Partial& next, int64_t nextLane) {
    const float best = next.shift[nextLane] > shift[lane] ? next.shift[nextLane] : shift[lane];
    const float before = std::exp(shift[lane] - best), after = std::exp(next.shift[nextLane] - best);
    const float* from = next.out + nextLane * columns;
    float* to = out + lane * columns;
    for (int64_t i = 0; i < columns; i += kWidth) {
      store(to + i, fma(load(from + i), broadcast(after), load(to + i) * broadcast(before)));
    }
    total[lane] = __builtin_fmaf(next.total[nextLane], after, total[lane] * before);
    shift[lane] = best;
  }

  template <class T>
  void writeRow(int64_t lane, int64_t headDim, T* to) const {
    const Vec inverse = broadcast(1.0f / total[lane]);
    const float* row = out + lane * columns;
    forVectors(headDim, [&](int64_t i, int64_t lanes) { storePart(to + i, load(row + i) * inverse, lanes); });
  }
};

class StepTile {
 public:
  StepTile(Carver& carver, int64_t maxLanes, int64_t headDim, float scale)
      : headDim_(headDim),
        columns_(roundUp(headDim, kWidth)),
        scale_(scale),
        piece_(carver, roundUp(maxLanes, kLaneBlock), headDim) {
    const int64_t lanes = roundUp(maxLanes, kLaneBlock);
    q_ = carver.take<float>(lanes * columns_);
    limits_ = carver.take<int64_t>(lanes);
    scores_ = carver.take<float>(lanes * kPieceKeys);
  }

  // Takes the query rows rowAt(lane), of which each sees the keys 0 .. limitAt(lane).
  template <class Q, class K, class RowAt, class LimitAt>
  void begin(int64_t lanes, RowAt&& rowAt, LimitAt&& limitAt) {
    lanes_ = lanes;
    pairs_ = kPairs && std::is_same_v<Q, Bf16> && std::is_same_v<K, Bf16> && headDim_ % (2 * kWidth) == 0;
    const int64_t padded = roundUp(lanes, kLaneBlock);
    std::memset(q_, 0, static_cast<size_t>(padded * columns_) * sizeof(float));
    for (int64_t lane = 0; lane < padded; ++lane) {
      limits_[lane] = limitAt(smaller(lane, lanes - 1));
      if (lane >= lanes) continue;
      const Q* row = rowAt(lane);
      float* to = q_ + lane * columns_;
      if (pairs_) {
        std::memcpy(to, row, static_cast<size_t>(headDim_) * sizeof(Q));
      } else {
        forVectors(headDim_, [&](int64_t i, int64_t n) { storePart(to + i, loadPart(row + i, n), n); });
      }
    }
  }

  // Computes piece(): the keys from firstKey on, at which a piece begins. It holds nothing for the
  // lanes that see none of them.
  template <class K, class V>
  void attend(int64_t firstKey, const PieceRows<K>& keys, const PieceRows<V>& values) {
    std::memset(piece_.out, 0, static_cast<size_t>(roundUp(lanes_, kLaneBlock) * columns_) * sizeof(float));
    for (int64_t key = 0; key < kPrefetch; ++key) keys.prefetch(key);
    for (int64_t key = 0; key < keys.count; key += keys.kAhead) {
      const int64_t end = smaller(keys.count, key + keys.kAhead);
      for (int64_t lane = 0; lane < lanes_; lane += kLaneBlock) {
        withLanes(lane, [&]<int Lanes>() {
          for (int64_t j = key; j < end; j += kKeyStep) {
            for (int64_t next = j + kPrefetch; lane == 0 && next < j + kPrefetch + kKeyStep; ++next) {
              keys.prefetch(next);
              values.prefetch(next - keys.count);
            }
            score<K, Lanes>(keys.row + j, lane, j);
          }
        });
      }
    }
    for (int64_t lane = 0; lane < lanes_; lane += kLaneBlock) softmax(lane, firstKey, keys.count);
    for (int64_t key = 0; key < values.count; key += values.kAhead) {
      const int64_t end = smaller(values.count, key + values.kAhead);
      for (int64_t lane = 0; lane < lanes_; lane += kLaneBlock) {
        withLanes(lane, [&]<int Lanes>() { weigh<V, Lanes>(values, lane, key, end); });
      }
    }
  }

  const Partial& piece() const { return piece_; }

 private:
#if defined(IBERT_PAIR_DOT) && !defined(IBERT_HAS_TILES)
  static constexpr bool kPairs = true;
#else
  static constexpr bool kPairs = false;
#endif
  // Rows that are asked for ahead of their use, one by one as others are used: a core that has asked for some
  // twenty lines waits before it asks for more.
  static constexpr int64_t kPrefetch = 32;
  // Vectors of columns whose sums stay in registers, for each lane of a block.
  static constexpr int kColumns = kRegisters >= 32 ? 4 : 2;

  template <class Body>
  void withLanes(int64_t lane, Body&& body) {
    switch (lanes_ - lane) {
      case 1:
        return body.template operator()<1>();
      case 2:
        return body.template operator()<2>();
      case 3:
        return body.template operator()<3>();
      default:
        return body.template operator()<kLaneBlock>();
    }
  }

  float* scoresOf(int64_t lane) const { return scores_ + lane * kPieceKeys; }  // (keys, kLaneBlock)

  // Scores of kKeyStep keys by a block of lanes: one vector of partial sums for each, then all are summed at
  // once.
  template <class K, int Lanes>
  void score(const K* const* rows, int64_t lane, int64_t key) {
    Vec sums[kWidth];
    for (Vec& sum : sums) sum = broadcast(0.0f);
    const float* q = q_ + lane * columns_;
#if defined(IBERT_PAIR_DOT) && !defined(IBERT_HAS_TILES)
    if constexpr (std::is_same_v<K, Bf16>) {
      if (pairs_) {
        for (int64_t i = 0; i < headDim_ / 2; i += kWidth) {
          Pairs query[Lanes];
          for (int l = 0; l < Lanes; ++l)
            query[l] = loadPairs(reinterpret_cast<const uint32_t*>(q + l * columns_) + i);
#pragma GCC unroll 4
          for (int k = 0; k < kKeyStep; ++k) {
            const Pairs row = loadPairs(reinterpret_cast<const uint32_t*>(rows[k]) + i);
#pragma GCC unroll 4
            for (int l = 0; l < Lanes; ++l)
              sums[k * kLaneBlock + l] = dot(row, query[l], sums[k * kLaneBlock + l]);
          }
        }
        return store(scoresOf(lane) + key * kLaneBlock, sumEach(sums));
      }
    }
#endif
    for (int64_t i = 0; i < headDim_; i += kWidth) {
      Vec query[Lanes];
      for (int l = 0; l < Lanes; ++l) query[l] = load(q + l * columns_ + i);
#pragma GCC unroll 4
      for (int k = 0; k < kKeyStep; ++k) {
        const Vec row = cached(rows[k], i, headDim_ - i);
#pragma GCC unroll 4
        for (int l = 0; l < Lanes; ++l)
          sums[k * kLaneBlock + l] = fma(row, query[l], sums[k * kLaneBlock + l]);
      }
    }
    store(scoresOf(lane) + key * kLaneBlock, sumEach(sums));
  }

  // Turns the scores of a block of lanes into weights.
  void softmax(int64_t lane, int64_t firstKey, int64_t keys) {
    float* scores = scoresOf(lane);
    const int64_t padded = roundUp(keys, kKeyStep);
    for (int l = 0; l < kLaneBlock; ++l) {
      for (int64_t j = smaller(keys, larger(0, limits_[lane + l] - firstKey + 1)); j < padded; ++j) {
        scores[j * kLaneBlock + l] = kMasked;
      }
    }
    const int64_t count = padded * kLaneBlock;
    Vec best = broadcast(kMasked);
    for (int64_t i = 0; i < count; i += kWidth) best = max(load(scores + i), best);
    alignas(64) float lanes[kWidth];
    store(lanes, best);
    for (int i = kLaneBlock; i < kWidth; ++i) {
      if (lanes[i] > lanes[i % kLaneBlock]) lanes[i % kLaneBlock] = lanes[i];
    }
    for (int i = kWidth - 1; i >= 0; --i) lanes[i] = lanes[i % kLaneBlock] * scale_;
    const Vec shift = load(lanes), scale = broadcast(scale_);
    std::memcpy(piece_.shift + lane, lanes, sizeof(float) * kLaneBlock);
    Vec total = broadcast(0.0f);
    for (int64_t i = 0; i < count; i += kWidth) {
      const Vec weight = expOf(fma(load(scores + i), scale, broadcast(0.0f) - shift));
      total += weight;
      store(scores + i, weight);
    }
    store(lanes, total);
    for (int i = kLaneBlock; i < kWidth; ++i) lanes[i % kLaneBlock] += lanes[i];
    std::memcpy(piece_.total + lane, lanes, sizeof(float) * kLaneBlock);
  }

  // Adds the values of keys [key, end) by their weights.
  template <class V, int Lanes>
  void weigh(const PieceRows<V>& values, int64_t lane, int64_t key, int64_t end) {
    int64_t column = 0;
    for (; column + kColumns * kWidth <= columns_; column += kColumns * kWidth) {
      weighColumns<V, Lanes, kColumns>(values, lane, key, end, column);
    }
    for (; column < columns_; column += kWidth) weighColumns<V, Lanes, 1>(values, lane, key, end, column);
  }

  template <class V, int Lanes, int Columns>
  void weighColumns(const PieceRows<V>& values, int64_t lane, int64_t key, int64_t end, int64_t column) {
    float* out = piece_.out + lane * columns_ + column;
    const float* weights = scoresOf(lane);
    Vec sums[Lanes][Columns];
#pragma GCC unroll 4
    for (int l = 0; l < Lanes; ++l) {
#pragma GCC unroll 4
      for (int c = 0; c < Columns; ++c) sums[l][c] = load(out + l * columns_ + c * kWidth);
    }
    for (int64_t j = key; j < end; ++j) {
      if (lane == 0 && column == 0) values.prefetch(j + kPrefetch);
      Vec value[Columns];
#pragma GCC unroll 4
      for (int c = 0; c < Columns; ++c) {
        const int64_t i = column + c * kWidth;
        value[c] = cached(values.row[j], i, headDim_ - i);
      }
#pragma GCC unroll 4
      for (int l = 0; l < Lanes; ++l) {
        const Vec weight = broadcast(weights[j * kLaneBlock + l]);
#pragma GCC unroll 4
        for (int c = 0; c < Columns; ++c) sums[l][c] = fma(weight, value[c], sums[l][c]);
      }
    }
#pragma GCC unroll 4
    for (int l = 0; l < Lanes; ++l) {
#pragma GCC unroll 4
      for (int c = 0; c < Columns; ++c) store(out + l * columns_ + c * kWidth, sums[l][c]);
    }
  }

  int64_t headDim_, columns_;
  float scale_;
  int64_t lanes_ = 0;
  bool pairs_ = false;
  Partial piece_;
  float* q_;         // (lanes, columns); with pairs, each row is headDim bf16
  int64_t* limits_;  // last key of each lane
  float* scores_;    // (lanes / kLaneBlock, kPieceKeys, kLaneBlock)
};

}  // namespace ibert::cpu::IBERT_ISA

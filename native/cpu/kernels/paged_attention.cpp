// Attention against the paged cache (Kwon et al. 2023), for decode (one row a sequence, bound by the reading
// of the cache) and for prefill in chunks (many rows of a sequence, bound by multiplication): rows that
// follow each other in one sequence share a tile, so that prefill reads a block of keys once for all of them.
#include <cmath>
#include <vector>

#include "../content.h"
#include "../fail.h"
#include "act.h"
#include "attention_tile.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

// In a step of generation the context is cut into pieces, which are attended to in parallel and then merged in
// order. No thread count shows in the result, and no number of rows up to those of a step.
constexpr int64_t kSplitKeys = 512;

int64_t pieces(const PagedAttention& args) {
  if (args.qkv.shape[0] > kDirectRows) return 1;
  const int64_t capacity = args.blockTable.shape[1] * args.kCache.shape[2];
  return larger(1, (capacity + kSplitKeys - 1) / kSplitKeys);
}

// Rows [first, first + count), all of one sequence, with positions that do not fall; the last is at `last`.
struct RowTile {
  int64_t first, count, sequence, last;
};

std::vector<RowTile> rowTiles(const PagedAttention& args, int64_t positions) {
  std::vector<RowTile> tiles;
  const int32_t* sequence = args.rowSequence.as<const int32_t>();
  const int32_t* position = args.rowPosition.as<const int32_t>();
  for (int64_t t = 0; t < args.qkv.shape[0]; ++t) {
    const bool joins = !tiles.empty() && tiles.back().sequence == sequence[t] &&
                       tiles.back().count < positions && tiles.back().last <= position[t];
    if (!joins) tiles.push_back({t, 0, sequence[t], 0});
    ++tiles.back().count;
    tiles.back().last = position[t];
  }
  return tiles;
}

void checkContent(const PagedAttention& args, const std::vector<RowTile>& tiles) {
  const int64_t B = args.kCache.shape[0], W = args.kCache.shape[2], M = args.blockTable.shape[1];
  const int32_t* blocks = args.blockTable.as<const int32_t>();
  for (const RowTile& tile : tiles) {
    for (int64_t i = tile.sequence * M; i <= tile.sequence * M + tile.last / W; ++i) {
      if (blocks[i] < 0 || blocks[i] >= B) {
        fail("pagedAttention: blockTable[%lld] is %d, not in [0, %lld)", static_cast<long long>(i), blocks[i],
             static_cast<long long>(B));
      }
    }
  }
}

// What a piece of the context gave for one row and head: the unnormalised result, its total, and the
// logarithm of the factor left out.
struct Partials {
  float *out, *total, *shift;
  int64_t columns, pieces;

  Partials(Carver& carver, const PagedAttention& args, int64_t pieces)
      : columns(roundUp(args.headDim, kWidth)), pieces(pieces) {
    const int64_t count = pieces > 1 ? args.qkv.shape[0] * args.heads * pieces : 0;
    out = carver.take<float>(count * columns);
    total = carver.take<float>(count);
    shift = carver.take<float>(count);
  }

  template <class Unit>
  void keep(const AttentionTile<Unit>& tile, int64_t lane, int64_t row, int64_t piece) {
    const int64_t i = row * pieces + piece;
    std::memcpy(out + i * columns, tile.out(lane), static_cast<size_t>(columns) * sizeof(float));
    total[i] = tile.total(lane);
    shift[i] = tile.shift(lane);
  }

  // The first `used` pieces of a row, in their order.
  template <class Y>
  void merge(int64_t row, int64_t used, int64_t headDim, Y* y) const {
    const int64_t first = row * pieces;
    float best = shift[first];
    for (int64_t p = 1; p < used; ++p) best = shift[first + p] > best ? shift[first + p] : best;
    float sum = 0.0f;
    for (int64_t p = 0; p < used; ++p) sum += total[first + p] * std::exp(shift[first + p] - best);
    forVectors(headDim, [&](int64_t i, int64_t lanes) {
      Vec value = broadcast(0.0f);
      for (int64_t p = 0; p < used; ++p) {
        const float weight = std::exp(shift[first + p] - best) / sum;
        value = fma(broadcast(weight), load(out + (first + p) * columns + i), value);
      }
      storePart(y + i, value, lanes);
    });
  }
};

// Element offsets of the keys (and values) [begin, end) of one key-value head, at most kKeyBlock of them.
struct CacheRows {
  int64_t count = 0;
  int64_t at[kKeyBlock];

  void find(const PagedAttention& args, const int32_t* blocks, int64_t kvHead, int64_t begin, int64_t end) {
    const int64_t W = args.kCache.shape[2];
    count = 0;
    while (begin < end) {
      const int64_t place = begin % W, run = smaller(W - place, end - begin);
      const int64_t first = (blocks[begin / W] * args.kvHeads + kvHead) * W + place;
      for (int64_t i = 0; i < run; ++i) at[count++] = (first + i) * args.headDim;
      begin += run;
    }
  }
};

template <class Q, class K, class V>
struct UnitOfCache {
  static constexpr bool kSame = std::is_same_v<Q, K> && std::is_same_v<Q, V>;
  using type = std::conditional_t<kSame, UnitFor<Q>, float>;
};

template <class Q, class K, class V, class Y>
void attend(const PagedAttention& args, host::Context& context) {
  using Unit = typename UnitOfCache<Q, K, V>::type;
  const int64_t D = args.headDim, H = args.heads, group = H / args.kvHeads, columns = args.qkv.shape[1];
  const int64_t M = args.blockTable.shape[1];
  const float scale = static_cast<float>(args.scale);
  const int64_t positions = tilePositions(group), split = pieces(args);
  const int32_t* position = args.rowPosition.as<const int32_t>();
  const std::vector<RowTile> tiles = rowTiles(args, positions);
  checkContent(args, tiles);

  Carver shared(context.workspace);
  Partials partials(shared, args, split);
  std::byte* own = context.workspace + shared.bytes();
  Carver sizes(nullptr);
  AttentionTile<Unit>(sizes, positions * group, D, scale);

  // The last tiles first: in prefill they see the most keys.
  const int64_t tasks = static_cast<int64_t>(tiles.size()) * args.kvHeads * split;
  context.pool.parallelFor(tasks, [&](int64_t task, int worker) {
    const RowTile& rows = tiles[tiles.size() - 1 - static_cast<size_t>(task / (args.kvHeads * split))];
    const int64_t kvHead = task % args.kvHeads, piece = task / args.kvHeads % split;
    const int64_t begin = split > 1 ? piece * kSplitKeys : 0;
    const int64_t end = split > 1 ? smaller(rows.last + 1, begin + kSplitKeys) : rows.last + 1;
    if (begin >= end) return;
    Carver carver(own + worker * sizes.bytes());
    AttentionTile<Unit> tile(carver, positions * group, D, scale);

    const Q* q = args.qkv.as<const Q>() + rows.first * columns + kvHead * group * D;
    const auto laneRow = [&](int64_t lane) {
      return (rows.first + lane / group) * H + kvHead * group + lane % group;
    };
    tile.template begin<Q>(
        rows.count * group, [&](int64_t lane) { return q + lane / group * columns + lane % group * D; },
        [&](int64_t lane) { return position[rows.first + lane / group]; });
    const int32_t* blocks = args.blockTable.as<const int32_t>() + rows.sequence * M;
    // The blocks of a sequence lie anywhere, which no hardware foresees: reading a row asks for the one a
    // block further.
    CacheRows buffers[2];
    CacheRows *now = &buffers[0], *next = &buffers[1];
    const K* k = args.kCache.as<const K>();
    const V* v = args.vCache.as<const V>();
    now->find(args, blocks, kvHead, begin, smaller(end, begin + kKeyBlock));
    for (int64_t key = begin; key < end; key += kKeyBlock) {
      next->find(args, blocks, kvHead, key + kKeyBlock, smaller(end, key + 2 * kKeyBlock));
      const auto ahead = [&](const auto* cache, int64_t j) {
        if (j >= next->count) return;
        const std::byte* row = reinterpret_cast<const std::byte*>(cache + next->at[j]);
        for (int64_t byte = 0; byte < D * static_cast<int64_t>(sizeof *cache); byte += 64)
          __builtin_prefetch(row + byte);
      };
      const auto keyAt = [&](int64_t j) {
        ahead(k, j);
        return k + now->at[j];
      };
      const auto valueAt = [&](int64_t j) {
        ahead(v, j);
        return v + now->at[j];
      };
      tile.template add<K, V>(key, now->count, keyAt, valueAt);
      CacheRows* const done = now;
      now = next;
      next = done;
    }
    for (int64_t lane = 0; lane < rows.count * group; ++lane) {
      if (split == 1) {
        tile.writeRow(lane, args.y.as<Y>() + laneRow(lane) * D);
      } else if (position[rows.first + lane / group] >= begin) {
        partials.keep(tile, lane, laneRow(lane), piece);
      }
    }
  });
  if (split == 1) return;
  forRows(context.pool, args.qkv.shape[0] * H, D * split, [&](int64_t row) {
    partials.merge(row, position[row / H] / kSplitKeys + 1, D, args.y.as<Y>() + row * D);
  });
}

void pagedAttention(const PagedAttention& args, host::Context& context) {
  const int64_t M = args.blockTable.shape[1], W = args.kCache.shape[2];
  checkIndices("pagedAttention", "rowSequence", args.rowSequence, 0, args.blockTable.shape[0]);
  checkIndices("pagedAttention", "rowPosition", args.rowPosition, 0, M * W);
  withTypes(args.qkv.dtype, args.y.dtype, [&](auto* q, auto* y) {
    withTypes(args.kCache.dtype, args.vCache.dtype, [&](auto* k, auto* v) {
      attend<std::remove_pointer_t<decltype(q)>, std::remove_pointer_t<decltype(k)>,
             std::remove_pointer_t<decltype(v)>, std::remove_pointer_t<decltype(y)>>(args, context);
    });
  });
}

int64_t workspace(const PagedAttention& args, int threads) {
  Carver shared(nullptr), own(nullptr);
  Partials(shared, args, pieces(args));
  const int64_t group = args.heads / args.kvHeads;
  // Floats are the larger unit.
  AttentionTile<float>(own, tilePositions(group) * group, args.headDim, 1.0f);
  return shared.bytes() + threads * own.bytes();
}

}  // namespace

void registerPagedAttention(host::KernelTable& table) {
  table.set<PagedAttention, pagedAttention>(kPath);
  table.setWorkspace<PagedAttention, workspace>();
}

}  // namespace ibert::cpu::IBERT_ISA

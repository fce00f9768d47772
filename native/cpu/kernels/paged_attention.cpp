// Attention against the paged cache (Kwon et al. 2023). Rows that follow each other in one sequence share a
// tile, so that a block of keys is read once for all of them. Few rows are a step of generation, bound by the
// reading of the cache (attention_step.h); many are a chunk of a prompt, bound by multiplication
// (attention_tile.h).
#include <vector>

#include "act.h"
#include "attention_step.h"
#include "attention_tile.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

// A step with fewer rows times key-value heads than this for each thread makes a task of every piece of the
// context.
constexpr int64_t kSplitRows = 4;

// Keys of a piece. Few heads leave threads without work, or with one head more than others, unless the pieces
// are small.
int64_t pieceKeys(const PagedAttention& args) {
  return args.kvHeads < 8 ? kPieceKeys / 4 : kPieceKeys;
}

int64_t pieces(const PagedAttention& args, int threads) {
  const int64_t T = args.qkv.shape[0];
  if (T > kExactRows || T * args.kvHeads >= kSplitRows * threads) return 1;
  const int64_t capacity = args.blockTable.shape[1] * args.kCache.shape[2];
  return larger(1, ceilDivide(capacity, pieceKeys(args)));
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

// What the products with many rows take for a row of the cache: q8_0 is widened to the dtype of the queries
// first.
template <class Q, class T>
using Widened = std::conditional_t<std::is_same_v<T, Q8Block>, Q, T>;
// Their units: pairs of bf16 need both operands in bf16.
template <class Q, class K, class V>
using TileUnitFor = std::conditional_t<std::is_same_v<Q, Widened<Q, K>> && std::is_same_v<Q, Widened<Q, V>>,
                                       UnitFor<Q>, float>;

template <class Q, class K, class V, class Y>
class Kernel {
 public:
  Kernel(const PagedAttention& args, host::Context& context)
      : args_(args),
        group_(args.heads / args.kvHeads),
        tiles_(rowTiles(args, tilePositions(group_))),
        few_(args.qkv.shape[0] <= kExactRows || static_cast<int64_t>(tiles_.size()) == args.qkv.shape[0]),
        pieceKeys_(pieceKeys(args)),
        split_(pieces(args, context.pool.threads())),
        shared_(context.workspace),
        partials_(shared_, split_ > 1 ? args.qkv.shape[0] * args.heads * split_ : 0, args.headDim),
        own_(context.workspace + shared_.bytes()) {}

  void run(host::Context& context) {
    int64_t last = 0;
    for (const RowTile& rows : tiles_) last = larger(last, rows.last);
    const int64_t perTile = args_.kvHeads * smaller(split_, last / pieceKeys_ + 1);
    // The last tiles first: in prefill they see the most keys.
    context.pool.parallelFor(static_cast<int64_t>(tiles_.size()) * perTile, [&](int64_t task, int worker) {
      const RowTile& rows = tiles_[tiles_.size() - 1 - static_cast<size_t>(task / perTile)];
      const int64_t kvHead = task % args_.kvHeads, piece = task % perTile / args_.kvHeads;
      Carver carver(own_ + worker * workerBytes(args_));
      if (!few_) {
        attendMany(rows, kvHead, carver);
      } else if (split_ == 1) {
        attendFew(rows, kvHead, 0, rows.last + 1, carver);
      } else if (piece * pieceKeys_ <= rows.last) {
        attendFew(rows, kvHead, piece * pieceKeys_, smaller(rows.last + 1, (piece + 1) * pieceKeys_), carver);
      }
    });
    if (split_ == 1) return;
    forRows(context.pool, args_.qkv.shape[0] * args_.heads, args_.headDim * split_, [&](int64_t row) {
      for (int64_t p = 1; p <= position()[row / args_.heads] / pieceKeys_; ++p) {
        partials_.join(row * split_, partials_, row * split_ + p);
      }
      partials_.writeRow(row * split_, args_.headDim, y(row));
    });
  }

  static int64_t workerBytes(const PagedAttention& args) {
    const int64_t group = args.heads / args.kvHeads;
    const float scale = 1.0f;
    Carver many(nullptr), few(nullptr);
    AttentionTile<TileUnitFor<Q, K, V>>(many, tilePositions(group) * group, args.headDim, scale);
    many.take<Q>(2 * args.headDim);
    StepTile(few, kExactRows * group, args.headDim, scale);
    Partial(few, kExactRows * group, args.headDim);
    return larger(many.bytes(), few.bytes());
  }

 private:
  const int32_t* position() const { return args_.rowPosition.as<const int32_t>(); }
  const int32_t* blocks(const RowTile& rows) const {
    return args_.blockTable.as<const int32_t>() + rows.sequence * args_.blockTable.shape[1];
  }
  // Lanes go by row first, then by the heads of the group. Row of y, (T * heads, headDim), of a lane:
  int64_t laneRow(const RowTile& rows, int64_t kvHead, int64_t lane) const {
    return (rows.first + lane / group_) * args_.heads + kvHead * group_ + lane % group_;
  }
  Y* y(int64_t row) const { return args_.y.as<Y>() + row * args_.headDim; }

  // The widened row of key or value j; `rows` has room for two.
  template <class T>
  const Widened<Q, T>* widened(const T* row, Q* rows, int64_t j) const {
    if constexpr (std::is_same_v<T, Q8Block>) {
      Q* to = rows + j % 2 * args_.headDim;
      for (int64_t i = 0; i < args_.headDim; i += kWidth) store(to + i, cached(row, i, kWidth));
      return to;
    } else {
      return row;
    }
  }

  template <class Begin>
  void begin(const RowTile& rows, int64_t kvHead, Begin&& body) const {
    const int64_t columns = args_.qkv.shape[1], D = args_.headDim;
    const Q* q = args_.qkv.as<const Q>() + rows.first * columns + kvHead * group_ * D;
    body(
        rows.count * group_,
        [=, this](int64_t lane) { return q + lane / group_ * columns + lane % group_ * D; },
        [&, this](int64_t lane) { return position()[rows.first + lane / group_]; });
  }

  // The keys [from, to), of which `from` begins a piece: into y, or into partials where the context is split.
  void attendFew(const RowTile& rows, int64_t kvHead, int64_t from, int64_t to, Carver& carver) {
    const int64_t lanes = rows.count * group_, D = args_.headDim;
    StepTile tile(carver, kExactRows * group_, D, static_cast<float>(args_.scale));
    Partial sum(carver, kExactRows * group_, D);
    begin(rows, kvHead, [&](auto&&... of) { tile.template begin<Q, K>(of...); });
    PieceRows<K> keys;
    PieceRows<V> values;
    for (int64_t first = from; first < to; first += pieceKeys_) {
      const int64_t end = smaller(to, first + pieceKeys_);
      keys.find(args_.kCache, blocks(rows), kvHead, first, end);
      values.find(args_.vCache, blocks(rows), kvHead, first, end);
      tile.attend(first, keys, values);
      for (int64_t lane = 0; lane < lanes; ++lane) {
        if (position()[rows.first + lane / group_] < first) continue;
        if (split_ > 1) {
          partials_.copy(laneRow(rows, kvHead, lane) * split_ + first / pieceKeys_, tile.piece(), lane);
        } else if (first == 0) {
          sum.copy(lane, tile.piece(), lane);
        } else {
          sum.join(lane, tile.piece(), lane);
        }
      }
    }
    if (split_ > 1) return;
    for (int64_t lane = 0; lane < lanes; ++lane) sum.writeRow(lane, D, y(laneRow(rows, kvHead, lane)));
  }

  void attendMany(const RowTile& rows, int64_t kvHead, Carver& carver) const {
    AttentionTile<TileUnitFor<Q, K, V>> tile(carver, tilePositions(group_) * group_, args_.headDim,
                                             static_cast<float>(args_.scale));
    Q* scratch = carver.take<Q>(2 * args_.headDim);
    const TileScope scope;
    begin(rows, kvHead, [&](auto&&... of) { tile.template begin<Q>(of...); });
    CacheRows<K, kKeyBlock> keys[2];
    CacheRows<V, kKeyBlock> values[2];
    const auto find = [&](int64_t at, int64_t key) {
      const int64_t end = smaller(rows.last + 1, key + kKeyBlock);
      keys[at].find(args_.kCache, blocks(rows), kvHead, key, end);
      values[at].find(args_.vCache, blocks(rows), kvHead, key, end);
    };
    find(0, 0);
    int64_t now = 0;
    for (int64_t key = 0; key <= rows.last; key += kKeyBlock, now = 1 - now) {
      find(1 - now, key + kKeyBlock);
      const auto rowAt = [&](auto* of, int64_t j) {
        of[1 - now].prefetch(j);
        return widened(of[now].row[j], scratch, j);
      };
      tile.template add<Widened<Q, K>, Widened<Q, V>>(
          key, keys[now].count, [&](int64_t j) { return rowAt(keys, j); },
          [&](int64_t j) { return rowAt(values, j); });
    }
    for (int64_t lane = 0; lane < rows.count * group_; ++lane)
      tile.writeRow(lane, y(laneRow(rows, kvHead, lane)));
  }

  const PagedAttention& args_;
  int64_t group_;
  std::vector<RowTile> tiles_;
  // A step of generation: few rows, or one of each sequence. How long a tile is does not decide, since that
  // would let the place where a prompt was cut show in its bits.
  bool few_;
  int64_t pieceKeys_, split_;
  Carver shared_;
  Partial partials_;  // of row r of y and piece p: lane r * split + p
  std::byte* own_;
};

// Calls body.template operator()<Q, K, V, Y>().
template <class Body>
void withKernel(const PagedAttention& args, Body&& body) {
  withTypes(args.qkv.dtype, args.y.dtype, [&](auto* q, auto* y) {
    withCacheTypes(args.kCache.dtype, args.vCache.dtype, [&](auto* k, auto* v) {
      body.template
      operator()<Kernel<std::remove_pointer_t<decltype(q)>, std::remove_pointer_t<decltype(k)>,
                        std::remove_pointer_t<decltype(v)>, std::remove_pointer_t<decltype(y)>>>();
    });
  });
}

void pagedAttention(const PagedAttention& args, host::Context& context) {
  withKernel(args, [&]<class Chosen>() { Chosen(args, context).run(context); });
}

int64_t workspace(const PagedAttention& args, int threads) {
  Carver shared(nullptr);
  const int64_t split = pieces(args, threads);
  Partial(shared, split > 1 ? args.qkv.shape[0] * args.heads * split : 0, args.headDim);
  int64_t own = 0;
  withKernel(args, [&]<class Chosen>() { own = Chosen::workerBytes(args); });
  return shared.bytes() + threads * own;
}

}  // namespace

void registerPagedAttention(host::KernelTable& table) {
  table.set<PagedAttention, pagedAttention>(kPath);
  table.setWorkspace<PagedAttention, workspace>();
}

}  // namespace ibert::cpu::IBERT_ISA

// Causal grouped-query attention over packed sequences (Dao et al. 2022). One task is one key-value head of
// one tile of query positions; T x T scores never exist.
#include <algorithm>
#include <vector>

#include "act.h"
#include "attention_tile.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

// Positions [first, first + count) of the sequence that starts at token `start`, for one key-value head.
struct QueryTile {
  int64_t start, first, count, kvHead;
};

// The tiles of one sequence and key-value head follow each other, so that its keys and values stay in the
// cache. Work grows with the position: long sequences first and late positions first leave no thread with a
// long tile at the end.
std::vector<QueryTile> queryTiles(const Tensor& offsets, int64_t kvHeads, int64_t positions) {
  struct Sequence {
    int64_t start, length;
  };
  std::vector<Sequence> sequences;
  const int32_t* at = offsets.as<const int32_t>();
  for (int64_t s = 0; s + 1 < offsets.shape[0]; ++s) sequences.push_back({at[s], at[s + 1] - at[s]});
  std::stable_sort(sequences.begin(), sequences.end(),
                   [](const Sequence& a, const Sequence& b) { return a.length > b.length; });
  std::vector<QueryTile> tiles;
  for (const Sequence& sequence : sequences) {
    for (int64_t kvHead = 0; kvHead < kvHeads; ++kvHead) {
      for (int64_t first = roundUp(sequence.length, positions) - positions; first >= 0; first -= positions) {
        tiles.push_back({sequence.start, first, smaller(positions, sequence.length - first), kvHead});
      }
    }
  }
  return tiles;
}

template <class T, class Y>
void forwardOf(const AttentionForward& args, host::Context& context) {
  using Unit = UnitFor<T>;
  const int64_t D = args.headDim, H = args.heads, group = H / args.kvHeads, columns = args.qkv.shape[1];
  const float scale = static_cast<float>(args.scale);
  const int64_t positions = tilePositions(group);
  const std::vector<QueryTile> tiles = queryTiles(args.offsets, args.kvHeads, positions);
  Carver sizes(nullptr);
  AttentionTile<Unit>(sizes, positions * group, D, scale);

  context.pool.parallelFor(static_cast<int64_t>(tiles.size()), [&](int64_t task, int worker) {
    const QueryTile& query = tiles[static_cast<size_t>(task)];
    const int64_t kvHead = query.kvHead;
    const TileScope scope;
    Carver carver(context.workspace + worker * sizes.bytes());
    AttentionTile<Unit> tile(carver, positions * group, D, scale);

    const T* sequence = args.qkv.as<const T>() + query.start * columns;
    const T* q = sequence + query.first * columns + kvHead * group * D;
    tile.template begin<T>(
        query.count * group, [&](int64_t lane) { return q + lane / group * columns + lane % group * D; },
        [&](int64_t lane) { return query.first + lane / group; });
    const int64_t end = query.first + query.count;
    for (int64_t key = 0; key < end; key += kKeyBlock) {
      const T* k = sequence + key * columns + (H + kvHead) * D;
      const T* v = k + args.kvHeads * D;
      tile.template add<T, T>(
          key, smaller(kKeyBlock, end - key), [&](int64_t j) { return k + j * columns; },
          [&](int64_t j) { return v + j * columns; });
    }
    for (int64_t lane = 0; lane < query.count * group; ++lane) {
      const int64_t row = (query.start + query.first + lane / group) * H + kvHead * group + lane % group;
      tile.writeRow(lane, args.y.as<Y>() + row * D);
      args.lse.as<float>()[row] = tile.lse(lane);
    }
  });
}

void forward(const AttentionForward& args, host::Context& context) {
  withTypes(args.qkv.dtype, args.y.dtype, [&](auto* in, auto* out) {
    forwardOf<std::remove_pointer_t<decltype(in)>, std::remove_pointer_t<decltype(out)>>(args, context);
  });
}

int64_t workspace(const AttentionForward& args, int threads) {
  Carver sizes(nullptr);
  const int64_t group = args.heads / args.kvHeads, lanes = tilePositions(group) * group;
  withType(args.qkv.dtype, [&](auto* in) {
    AttentionTile<UnitFor<std::remove_pointer_t<decltype(in)>>>(sizes, lanes, args.headDim, 1.0f);
  });
  return threads * sizes.bytes();
}

}  // namespace

void registerAttentionForward(host::KernelTable& table) {
  table.set<AttentionForward, forward>(kPath);
  table.setWorkspace<AttentionForward, workspace>();
}

}  // namespace ibert::cpu::IBERT_ISA

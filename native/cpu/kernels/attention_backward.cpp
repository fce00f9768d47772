// Gradient of attention (Dao et al. 2022) from the saved log-sum-exp: p = exp(s - lse) is computed again,
// tile by tile. With dp = dy v and delta = dy . y: ds = p (dp - delta), dv = p^T dy, dk = scale ds^T q, dq =
// scale ds k.
//
// One pass makes all three, five products where two kernels (dq; dk and dv) need seven. A task is a run of
// keys of one key-value head of one sequence: it owns their dk and dv, and adds to its own copy of dq; the at
// most kRuns copies are summed in order at the end. So there are no atomics, and which thread took which task
// does not show.
//
// As in the forward pass the lanes are the query rows of a group (attention_tile.h); every product reads the
// operands in an order that is packed once, before the first task.
#include "attention_backward.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "act.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

struct Run {
  int64_t sequence, kvHead, index, begin, end;
};

// The runs of one sequence and key-value head follow each other, so that its packed queries stay in the
// cache; long sequences first, so that no thread ends with a long run.
std::vector<Run> keyRuns(const LaneOrder& order, int64_t kvHeads, int64_t most) {
  std::vector<int64_t> sequences;
  for (int64_t s = 0; s < order.sequences(); ++s) sequences.push_back(s);
  std::stable_sort(sequences.begin(), sequences.end(),
                   [&](int64_t a, int64_t b) { return order.length(a) > order.length(b); });
  std::vector<Run> list;
  for (const int64_t s : sequences) {
    const KeyRuns runs(order.length(s), most);
    for (int64_t kvHead = 0; kvHead < kvHeads; ++kvHead) {
      for (int64_t i = 0; i < runs.count; ++i)
        list.push_back({s, kvHead, i, runs.begin[i], runs.begin[i + 1]});
    }
  }
  return list;
}

// Calls body(sequence, begin, end) for pieces of the positions of all sequences, in parallel. Pieces begin at
// multiples of kPanel, and so do their lanes at whole panels.
template <class Body>
void forSequences(host::Context& context, const LaneOrder& order, Body&& body) {
  struct Piece {
    int64_t sequence, begin, end;
  };
  std::vector<Piece> pieces;
  for (int64_t s = 0; s < order.sequences(); ++s) {
    for (int64_t begin = 0; begin < order.length(s); begin += kPanel) {
      pieces.push_back({s, begin, smaller(begin + kPanel, order.length(s))});
    }
  }
  context.pool.parallelFor(static_cast<int64_t>(pieces.size()), [&](int64_t task, int) {
    const Piece& piece = pieces[static_cast<size_t>(task)];
    body(piece.sequence, piece.begin, piece.end);
  });
}

// A copy of q and dy in the orders of the products, and delta, for one panel of lanes.
template <class T, class Dy, class Y, class Unit>
void packQueries(const AttentionBackward& args, const LaneOrder& order, const Queries<Unit>& queries,
                 int64_t s, int64_t kvHead, int64_t first) {
  const int64_t D = args.headDim, H = args.heads, group = order.group, columns = args.qkv.shape[1];
  const int64_t lanes = order.lanes(s), width = smaller(kPanel, order.padded(s) - first);
  const int64_t base = order.base(s, kvHead) + first;
  const auto headRow = [&](int64_t i) {
    const int64_t lane = first + i;
    return (order.start(s) + lane / group) * H + kvHead * group + lane % group;
  };
  const auto qRow = [&](int64_t i) -> const T* {
    if (first + i >= lanes) return nullptr;
    const int64_t row = headRow(i);
    return args.qkv.as<const T>() + row / H * columns + row % H * D;
  };
  const auto dyRow = [&](int64_t i) -> const Dy* {
    return first + i < lanes ? args.dy.as<const Dy>() + headRow(i) * D : nullptr;
  };
  packLanes<Unit, T>(width, qRow, queries.qLanes + base * queries.depth, width, queries.depth);
  packLanes<Unit, Dy>(width, dyRow, queries.dyLanes + base * queries.depth, width, queries.depth);
  for (int64_t i = 0; i < width; ++i) {
    // A lane that pads has weight exp(-infinity) = 0.
    float lse = HUGE_VALF, delta = 0.0f;
    if (const Dy* dy = dyRow(i)) {
      const Y* y = args.y.as<const Y>() + headRow(i) * D;
      Vec total = broadcast(0.0f);
      forVectors(D,
                 [&](int64_t c, int64_t n) { total = fma(loadPart(dy + c, n), loadPart(y + c, n), total); });
      delta = sum(total);
      lse = args.lse.as<const float>()[headRow(i)];
    }
    queries.lse[base + i] = lse;
    queries.delta[base + i] = delta;
    queries.place[base + i] = static_cast<float>((first + i) / group);
  }
  const int64_t steps = width / kPerUnit<Unit>;
  packPanels<T>(width, qRow, queries.rows(queries.qRows, base), steps, D, queries.columns);
  packPanels<Dy>(width, dyRow, queries.rows(queries.dyRows, base), steps, D, queries.columns);
}

template <class T, class Unit, class Out>
void gradient(const AttentionBackward& args, host::Context& context, const LaneOrder& order,
              const Queries<Unit>& queries, std::byte* own) {
  const int64_t D = args.headDim, H = args.heads, group = order.group, columns = args.qkv.shape[1];
  const float scale = static_cast<float>(args.scale);
  const std::vector<Run> runs = keyRuns(order, args.kvHeads, queries.runs);
  Carver sizes(nullptr);
  KeyTile<Unit>(sizes, D, scale);

  context.pool.parallelFor(static_cast<int64_t>(runs.size()), [&](int64_t task, int worker) {
    const Run& run = runs[static_cast<size_t>(task)];
    const int64_t kvHead = run.kvHead;
    const TileScope scope;
    Carver carver(own + worker * sizes.bytes());
    KeyTile<Unit> tile(carver, D, scale);
    const int64_t kColumn = (H + kvHead) * D, vColumn = kColumn + args.kvHeads * D;
    const T* sequence = args.qkv.as<const T>() + order.start(run.sequence) * columns;
    Out* result = args.dqkv.as<Out>() + order.start(run.sequence) * columns;
    const int64_t base = order.base(run.sequence, kvHead), padded = order.padded(run.sequence);
    for (int64_t key = run.begin; key < run.end; key += kKeyBlock) {
      const int64_t keys = smaller(kKeyBlock, run.end - key);
      tile.template begin<T>(
          key, keys, [&](int64_t j) { return sequence + (key + j) * columns + kColumn; },
          [&](int64_t j) { return sequence + (key + j) * columns + vColumn; });
      for (int64_t lane = key * group / kPanel * kPanel; lane < padded; lane += kPanel) {
        tile.add(queries, base + lane, smaller(kPanel, padded - lane), run.index, key != run.begin);
      }
      for (int64_t j = 0; j < keys; ++j) {
        tile.writeRow(tile.dk(), j, scale, result + (key + j) * columns + kColumn);
        tile.writeRow(tile.dv(), j, 1.0f, result + (key + j) * columns + vColumn);
      }
    }
  });
}

// dq of the positions [first, end) of a sequence: the sum of those copies whose run begins at or before the
// position.
template <class Out, class Unit>
void sumCopies(const AttentionBackward& args, const LaneOrder& order, const Queries<Unit>& queries, int64_t s,
               int64_t first, int64_t end) {
  const int64_t D = args.headDim, H = args.heads, group = order.group;
  const Vec scale = broadcast(static_cast<float>(args.scale));
  const KeyRuns runs(order.length(s), queries.runs);
  int64_t used = 0;
  for (int64_t place = first; place < end; ++place) {
    while (used < runs.count && runs.begin[used] <= place) ++used;
    Out* to = args.dqkv.as<Out>() + (order.start(s) + place) * args.dqkv.shape[1];
    for (int64_t head = 0; head < H; ++head) {
      const int64_t lane = order.base(s, head / group) + place * group + head % group;
      forVectors(D, [&](int64_t i, int64_t n) {
        Vec total = load(queries.dq(0, lane) + i);
        for (int64_t run = 1; run < used; ++run) total += load(queries.dq(run, lane) + i);
        storePart(to + head * D + i, total * scale, n);
      });
    }
  }
}

// From shapes alone, so that no thread count shows in the result.
int64_t runCount(const AttentionBackward& args) {
  const int64_t groups = larger(1, (args.offsets.shape[0] - 1) * args.kvHeads);
  const int64_t blocks = (args.qkv.shape[0] + kKeyBlock - 1) / kKeyBlock;
  return larger(1, smaller(smaller(kRuns, blocks), (kTasks + groups - 1) / groups));
}

template <class T, class Dy, class Y, class Out>
void backwardOf(const AttentionBackward& args, host::Context& context) {
  using Unit = std::conditional_t<std::is_same_v<T, Dy>, UnitFor<T>, float>;
  const LaneOrder order(args.offsets, args.qkv.shape[0], args.heads, args.kvHeads);
  Carver carver(context.workspace);
  const Queries<Unit> queries(carver, order.total(), args.headDim, runCount(args));

  forSequences(context, order, [&](int64_t s, int64_t begin, int64_t end) {
    const int64_t firstLane = begin * order.group,
                  endLane = end < order.length(s) ? end * order.group : order.padded(s);
    for (int64_t lane = firstLane; lane < endLane; lane += kPanel) {
      for (int64_t kvHead = 0; kvHead < args.kvHeads; ++kvHead) {
        packQueries<T, Dy, Y, Unit>(args, order, queries, s, kvHead, lane);
      }
    }
  });
  gradient<T, Unit, Out>(args, context, order, queries, context.workspace + carver.bytes());
  forSequences(context, order, [&](int64_t s, int64_t begin, int64_t end) {
    sumCopies<Out>(args, order, queries, s, begin, end);
  });
}

void backward(const AttentionBackward& args, host::Context& context) {
  withTypes(args.qkv.dtype, args.dy.dtype, [&](auto* in, auto* dy) {
    withTypes(args.y.dtype, args.dqkv.dtype, [&](auto* y, auto* out) {
      backwardOf<std::remove_pointer_t<decltype(in)>, std::remove_pointer_t<decltype(dy)>,
                 std::remove_pointer_t<decltype(y)>, std::remove_pointer_t<decltype(out)>>(args, context);
    });
  });
}

int64_t workspace(const AttentionBackward& args, int threads) {
  Carver shared(nullptr), own(nullptr);
  const int64_t total =
      LaneOrder::totalFor(args.offsets.shape[0], args.qkv.shape[0], args.heads, args.kvHeads);
  withTypes(args.qkv.dtype, args.dy.dtype, [&](auto* in, auto* dy) {
    using T = std::remove_pointer_t<decltype(in)>;
    using Unit =
        std::conditional_t<std::is_same_v<T, std::remove_pointer_t<decltype(dy)>>, UnitFor<T>, float>;
    Queries<Unit>(shared, total, args.headDim, runCount(args));
    KeyTile<Unit>(own, args.headDim, 1.0f);
  });
  return shared.bytes() + threads * own.bytes();
}

}  // namespace

void registerAttentionBackward(host::KernelTable& table) {
  table.set<AttentionBackward, backward>(kPath);
  table.setWorkspace<AttentionBackward, workspace>();
}

}  // namespace ibert::cpu::IBERT_ISA

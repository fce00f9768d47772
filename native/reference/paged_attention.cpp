// The paged key-value cache (Kwon et al. 2023): a block holds W positions of every key-value head.
#include <cmath>

#include "reference.h"

namespace ibert::reference {

namespace {

// Index of the first element of (block, kvHead, place) in a cache of shape (B, kvHeads, W, headDim).
int64_t cacheIndex(const Tensor& cache, int64_t block, int64_t kvHead, int64_t place) {
  return ((block * cache.shape[1] + kvHead) * cache.shape[2] + place) * cache.shape[3];
}

// Rows run in order, so that of two rows with one slot the later stays.
void kvCacheWrite(const KvCacheWrite& args, Context&) {
  const int64_t D = args.headDim, W = args.kCache.shape[2], columns = args.qkv.shape[1];
  std::vector<double> values(D);
  for (int64_t t = 0; t < args.qkv.shape[0]; ++t) {
    const int64_t slot = indexAt(args.slots, t);
    if (slot < 0) continue;
    for (int64_t kvHead = 0; kvHead < args.kvHeads; ++kvHead) {
      const int64_t k = t * columns + (args.heads + kvHead) * D;
      const int64_t target = cacheIndex(args.kCache, slot / W, kvHead, slot % W);
      readRange(args.qkv, k, D, values.data());
      writeRange(args.kCache, target, D, values.data());
      readRange(args.qkv, k + args.kvHeads * D, D, values.data());
      writeRange(args.vCache, target, D, values.data());
    }
  }
}

void pagedAttention(const PagedAttention& args, Context& context) {
  const int64_t D = args.headDim, W = args.kCache.shape[2];
  const int64_t M = args.blockTable.shape[1], columns = args.qkv.shape[1];
  const int64_t group = args.heads / args.kvHeads;
  context.pool.parallelFor(args.qkv.shape[0], [&](int64_t t, int) {
    const int64_t sequence = indexAt(args.rowSequence, t);
    const int64_t length = 1 + indexAt(args.rowPosition, t);
    std::vector<double> q(D), row(D), y(D), score(length);
    const auto readCached = [&](const Tensor& cache, int64_t position, int64_t kvHead) {
      const int64_t block = indexAt(args.blockTable, sequence * M + position / W);
      readRange(cache, cacheIndex(cache, block, kvHead, position % W), D, row.data());
    };
    for (int64_t head = 0; head < args.heads; ++head) {
      readRange(args.qkv, t * columns + head * D, D, q.data());
      double highest = -HUGE_VAL, sum = 0;
      for (int64_t p = 0; p < length; ++p) {
        readCached(args.kCache, p, head / group);
        score[p] = args.scale * dot(q.data(), row.data(), D);
        highest = std::max(highest, score[p]);
      }
      for (double& s : score) sum += s = std::exp(s - highest);
      y.assign(D, 0);
      for (int64_t p = 0; p < length; ++p) {
        readCached(args.vCache, p, head / group);
        for (int64_t i = 0; i < D; ++i) y[i] += score[p] / sum * row[i];
      }
      writeRange(args.y, (t * args.heads + head) * D, D, y.data());
    }
  });
}

}  // namespace

void registerPagedAttention(KernelTable& table) {
  table.set<KvCacheWrite, kvCacheWrite>(kPath);
  table.set<PagedAttention, pagedAttention>(kPath);
}

}  // namespace ibert::reference

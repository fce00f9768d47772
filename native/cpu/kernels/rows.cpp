// Moves rows: a gather, and the entry of new keys and values into the paged cache. Both only copy, convert or
// quantise, so memory is their bound.
#include <cstring>
#include <type_traits>

#include "cache_rows.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

template <class From, class To>
void copyRow(const From* from, To* to, int64_t count) {
  if constexpr (std::is_same_v<To, Q8Block>) {
    quantizeRow(from, to, count);
  } else if constexpr (std::is_same_v<From, To>) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(To));
  } else {
    forVectors(count, [&](int64_t i, int64_t lanes) { storePart(to + i, loadPart(from + i, lanes), lanes); });
  }
}

// Rows whose lines are asked for before they are written.
constexpr int64_t kAhead = 8;

template <class T>
void prefetchRow(const T* row, int64_t count) {
  const auto bytes = static_cast<int64_t>(count / kPerCell<T> * sizeof(T));
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(reinterpret_cast<const char*>(row) + i, 1);
}

void gatherRows(const GatherRows& args, host::Context& context) {
  const int64_t D = args.source.shape[1];
  const int32_t* rows = args.rows.as<const int32_t>();
  withTypes(args.source.dtype, args.target.dtype, [&](auto* fromType, auto* toType) {
    const auto* from = args.source.as<const std::remove_pointer_t<decltype(fromType)>>();
    auto* to = args.target.as<std::remove_pointer_t<decltype(toType)>>();
    forRows(context.pool, args.rows.shape[0], D,
            [&](int64_t t) { copyRow(from + rows[t] * D, to + t * D, D); });
  });
}

// One task is one key-value head; its rows run in order, so that of two rows with one slot the later one
// stays.
void kvCacheWrite(const KvCacheWrite& args, host::Context& context) {
  const int64_t D = args.headDim, W = args.kCache.shape[2], columns = args.qkv.shape[1],
                T = args.qkv.shape[0];
  const int32_t* slots = args.slots.as<const int32_t>();
  withType(args.qkv.dtype, [&](auto* inType) {
    withCacheTypes(args.kCache.dtype, args.vCache.dtype, [&](auto* kType, auto* vType) {
      using K = std::remove_pointer_t<decltype(kType)>;
      using V = std::remove_pointer_t<decltype(vType)>;
      const auto* qkv = args.qkv.as<const std::remove_pointer_t<decltype(inType)>>();
      const auto rowOf = [&](auto* cache, int64_t t, int64_t kvHead) {
        const int64_t row = (slots[t] / W * args.kvHeads + kvHead) * W + slots[t] % W;
        return cache + row * (D / kPerCell<std::remove_pointer_t<decltype(cache)>>);
      };
      K* keys = args.kCache.as<K>();
      V* values = args.vCache.as<V>();
      context.pool.parallelFor(args.kvHeads, [&](int64_t kvHead, int) {
        // No row of the cache is near another, and a store waits for its line.
        const auto prefetch = [&](int64_t t) {
          if (t >= T || slots[t] < 0) return;
          prefetchRow(rowOf(keys, t, kvHead), D);
          prefetchRow(rowOf(values, t, kvHead), D);
        };
        for (int64_t t = 0; t < kAhead; ++t) prefetch(t);
        for (int64_t t = 0; t < T; ++t) {
          prefetch(t + kAhead);
          if (slots[t] < 0) continue;
          const auto* k = qkv + t * columns + (args.heads + kvHead) * D;
          copyRow(k, rowOf(keys, t, kvHead), D);
          copyRow(k + args.kvHeads * D, rowOf(values, t, kvHead), D);
        }
      });
    });
  });
}

}  // namespace

void registerRows(host::KernelTable& table) {
  table.set<GatherRows, gatherRows>(kPath);
  table.set<KvCacheWrite, kvCacheWrite>(kPath);
}

}  // namespace ibert::cpu::IBERT_ISA

#include "paged_attention.h"

#include <cmath>

#include "register.h"

namespace ibert::metal {

namespace {

template <class Struct>
PagedParameters parametersOf(const Struct& args) {
  PagedParameters parameters{};
  parameters.at = {args.heads, args.kvHeads, args.headDim};
  parameters.T = args.qkv.shape[0];
  parameters.B = args.kCache.shape[0];
  parameters.W = args.kCache.shape[2];
  parameters.qkv = numberOf(args.qkv);
  parameters.kCache = numberOf(args.kCache);
  parameters.vCache = numberOf(args.vCache);
  return parameters;
}

void write(const KvCacheWrite& args, Context& context) {
  context.rows("kvCacheWrite", args.qkv.shape[0] * args.kvHeads,
               {&args.qkv, &args.slots, &args.kCache, &args.vCache}, parametersOf(args),
               kFewThreads * static_cast<int64_t>(sizeof(float)));
}

constexpr int64_t kFloat = sizeof(float);
static_assert(pagedBytes(64) <= Machine{}.threadgroupBytes && pagedBytes(128) <= Machine{}.threadgroupBytes);

// By dtypes and head dims alone.
bool isFlash(const PagedAttention& args) {
  const DType cache = args.kCache.dtype;
  return args.qkv.dtype == DType::BF16 && args.y.dtype == DType::BF16 && cache == args.vCache.dtype &&
         (cache == DType::BF16 || cache == DType::Q8_0) && (args.headDim == 64 || args.headDim == 128) &&
         std::isfinite(static_cast<float>(args.scale) * 2);
}
const char* attendPath(const PagedAttention& args) {
  return isFlash(args) ? kFlash : kTwin;
}
int64_t chunksOf(const PagedAttention& args) {
  return ceilDivide(args.blockTable.shape[1] * args.kCache.shape[2], kChunkPositions);
}
int64_t headTilesOf(const PagedAttention& args) {
  return ceilDivide(args.heads / args.kvHeads, kPagedHeads);
}
// Of the chunks' sums, or 0 where a threadgroup takes all chunks of its row: there is one chunk, or there are
// threadgroups enough for a chip of 40 cores, or the sums would take too much. A row's bits are the same.
int64_t workspace(const PagedAttention& args, Machine) {
  constexpr int64_t kEnoughGroups = 256, kMostBytes = 128 << 20;
  const int64_t T = args.qkv.shape[0], chunks = chunksOf(args);
  if (!isFlash(args) || chunks <= 1 || T * args.kvHeads * headTilesOf(args) >= kEnoughGroups) return 0;
  const int64_t bytes = T * args.heads * chunks * (args.headDim + 2) * kFloat;
  return bytes <= kMostBytes ? bytes : 0;
}

void attendFlash(const PagedAttention& args, PagedParameters p, Context& context) {
  const int D = static_cast<int>(args.headDim);
  p.chunks = chunksOf(args);
  p.headTiles = static_cast<int32_t>(headTilesOf(args));
  p.isSplit = workspace(args, context.machine) > 0;
  p.qkvAligned = areAligned({&args.qkv}, 8);
  p.cacheAligned = areAligned({&args.kCache, &args.vCache}, 8);
  const Operand sums = p.isSplit ? context.scratch(0) : Operand();
  const Operand softmax =
      p.isSplit ? context.scratch(p.T * args.heads * p.chunks * args.headDim * kFloat) : Operand();
  const int64_t groups = p.T * args.kvHeads * p.headTiles * (p.isSplit ? p.chunks : 1);
  context.groups(D == 64 ? "flashPaged64" : "flashPaged128", groups, kPagedThreads,
                 {&args.qkv, &args.kCache, &args.vCache, &args.blockTable, &args.rowSequence,
                  &args.rowPosition, &args.y, sums, softmax},
                 p, pagedBytes(D));
  if (p.isSplit)
    context.rows("flashCombine", p.T * args.heads, {sums, softmax, &args.rowPosition, &args.y}, p);
}

void attend(const PagedAttention& args, Context& context) {
  PagedParameters parameters = parametersOf(args);
  parameters.S = args.blockTable.shape[0];
  parameters.M = args.blockTable.shape[1];
  parameters.scale = static_cast<float>(args.scale);
  parameters.y = numberOf(args.y);
  if (isFlash(args)) return attendFlash(args, parameters, context);
  context.rows("pagedAttention", args.qkv.shape[0] * args.heads,
               {&args.qkv, &args.kCache, &args.vCache, &args.blockTable, &args.rowSequence, &args.rowPosition,
                &args.y},
               parameters, 2 * kFewThreads * static_cast<int64_t>(sizeof(float)));
}

}  // namespace

void registerPagedAttention(KernelTable& table) {
  table.set<KvCacheWrite, write>(kTwin);
  table.set<PagedAttention, attend>(kFlash);
  table.setPathOf<PagedAttention, attendPath>();
  table.setWorkspace<PagedAttention, workspace>();
}

}  // namespace ibert::metal

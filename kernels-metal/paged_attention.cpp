#include "paged_attention.h"

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

void attend(const PagedAttention& args, Context& context) {
  PagedParameters parameters = parametersOf(args);
  parameters.S = args.blockTable.shape[0];
  parameters.M = args.blockTable.shape[1];
  parameters.scale = static_cast<float>(args.scale);
  parameters.y = numberOf(args.y);
  context.rows("pagedAttention", args.qkv.shape[0] * args.heads,
               {&args.qkv, &args.kCache, &args.vCache, &args.blockTable, &args.rowSequence, &args.rowPosition,
                &args.y},
               parameters, 2 * kFewThreads * static_cast<int64_t>(sizeof(float)));
}

}  // namespace

void registerPagedAttention(KernelTable& table) {
  table.set<KvCacheWrite, write>(kTwin);
  table.set<PagedAttention, attend>(kTwin);
}

}  // namespace ibert::metal

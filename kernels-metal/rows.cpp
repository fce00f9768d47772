#include "rows.h"

#include "register.h"

namespace ibert::metal {

namespace {

void gather(const Tensor& source, const Tensor& rows, const Tensor& target, Context& context) {
  if (source.shape[0] == 0) return;  // every row is on record as a wrong one
  const RowsParameters parameters{target.elements(), source.shape[0], target.shape[1], numberOf(source),
                                  numberOf(target)};
  context.elements("gatherRows", parameters.count, {&source, &rows, &target}, parameters);
}

void embedding(const Embedding& args, Context& context) {
  gather(args.table, args.ids, args.y, context);
}

void gatherRows(const GatherRows& args, Context& context) {
  gather(args.source, args.rows, args.target, context);
}

}  // namespace

void registerRows(KernelTable& table) {
  table.set<Embedding, embedding>(kTwin);
  table.set<GatherRows, gatherRows>(kTwin);
}

}  // namespace ibert::metal

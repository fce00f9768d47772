// embedding, gatherRows, cast, packWeight: values that move and change their dtype.
#include <cstring>

#include "reference.h"

namespace ibert::reference {

namespace {

// target[i] = source[rows[i]]
void gather(const Tensor& source, const Tensor& rows, const Tensor& target, Context& context) {
  const int64_t columns = source.shape[1];
  context.pool.parallelFor(rows.shape[0], [&](int64_t i, int) {
    const int64_t row = indexAt(rows, i);
    std::vector<double> values(columns);
    readRange(source, row * columns, columns, values.data());
    writeRange(target, i * columns, columns, values.data());
  });
}

void embedding(const Embedding& args, Context& context) {
  gather(args.table, args.ids, args.y, context);
}

void gatherRows(const GatherRows& args, Context& context) {
  gather(args.source, args.rows, args.target, context);
}

void cast(const Cast& args, Context& context) {
  write(args.target, read(args.source, context.pool), context.pool);
}

std::string castUnsupported(const Cast& args) {
  if (canWrite(args.target.dtype)) return "";
  return std::string("cannot cast to ") + dtypeInfo(args.target.dtype)->name;
}

// The reference's packed order is the row-major order.
void packWeight(const PackWeight& args, Context& context) {
  if (args.packed.dtype == args.source.dtype) {
    const int64_t columns = args.source.shape[1];
    std::memcpy(args.packed.data, args.source.data,
                rowMajorBytes(args.source.dtype, args.source.elements(), columns));
  } else {
    write(args.packed, read(args.source, context.pool), context.pool);
  }
}

std::string packUnsupported(const PackWeight& args) {
  if (args.packed.dtype == args.source.dtype || canWrite(args.packed.dtype)) return "";
  return std::string("cannot pack ") + dtypeInfo(args.source.dtype)->name + " as " +
         dtypeInfo(args.packed.dtype)->name;
}

}  // namespace

void registerGatherCastPack(KernelTable& table) {
  table.set<Embedding, embedding>(kPath);
  table.set<GatherRows, gatherRows>(kPath);
  table.set<Cast, cast>(kPath);
  table.setUnsupported<Cast, castUnsupported>();
  table.set<PackWeight, packWeight>(kPath);
  table.setUnsupported<PackWeight, packUnsupported>();
}

}  // namespace ibert::reference

// embedding and gatherRows: target[i] = source[rows[i]].
#include "operand.h"
#include "register.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;

// The twin: an element a thread. source: (N, D) in any dtype, rows: (T), target: (T, D)
__global__ void __launch_bounds__(kThreads)
    gatherTwin(View source, const int32_t* rows, View target, int64_t N, int64_t T, int64_t D) {
  for (int64_t i = firstElement(); i < T * D; i += elementStride()) {
    const int64_t row = inside(rows[i / D], 0, N, 0);
    target.set(i, source.at(row * D + i % D));
  }
}

void gather(const Tensor& source, const Tensor& rows, const Tensor& target, const Context& context) {
  const int64_t N = source.shape[0], T = target.shape[0], D = target.shape[1];
  if (N == 0) return;  // every row is on record as a wrong one
  context.require(launch(gatherTwin, blocksFor(T * D, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, view(source), rows.as<const int32_t>(), view(target), N, T, D));
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

}  // namespace ibert::cuda

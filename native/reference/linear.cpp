// Linear layers with low-rank adapters (Hu et al. 2021): y = x W^T + bias + scale * (x A^T) B^T + residual.
#include "reference.h"

namespace ibert::reference {

namespace {

// The LoRA slot of every row of W, or -1: a segment of rows uses columns [slot * r, (slot + 1) * r) of x A^T.
std::vector<int64_t> slotOfRow(const Ints& segments, const Ints& slots, int64_t N) {
  std::vector<int64_t> slotOf(N, 0);
  for (int64_t i = 0, row = 0; i < segments.count; ++i) {
    for (; row < segments.values[i]; ++row) slotOf[row] = slots.values[i];
  }
  return slotOf;
}

void loraLinearForward(const LoraLinearForward& args, Context& context) {
  const int64_t T = args.x.shape[0], K = args.x.shape[1], N = args.weight.shape[0];
  const Matrix x = read(args.x, context.pool);

  Matrix xa, B;
  std::vector<int64_t> adapter(T, 0), slotOf(N, -1);
  int64_t r = 0;
  if (args.loraA) {
    const int64_t R = args.loraA.shape[1];
    r = args.loraB.shape[2];
    slotOf = slotOfRow(args.segments, args.slots, N);
    const Matrix A = read(args.loraA, context.pool);
    B = read(args.loraB, context.pool);
    xa = Matrix(T, R);
    for (int64_t t = 0; t < T && args.adapterOfRow; ++t) {
      adapter[t] = indexAt(args.adapterOfRow, t);
    }
    context.pool.parallelFor(T, [&](int64_t t, int) {
      if (adapter[t] < 0) return;
      for (int64_t j = 0; j < R; ++j) xa.row(t)[j] = dot(x.row(t), A.row(adapter[t] * R + j), K);
    });
    if (args.xa) write(args.xa, xa, context.pool);
  }

  context.pool.parallelFor(N, [&](int64_t n, int) {
    std::vector<double> weight(K);
    readRange(args.weight, n * K, K, weight.data());
    for (int64_t t = 0; t < T; ++t) {
      double y = dot(x.row(t), weight.data(), K);
      if (slotOf[n] >= 0 && adapter[t] >= 0) {
        y += args.scale * dot(xa.row(t) + slotOf[n] * r, B.row(adapter[t] * N + n), r);
      }
      if (args.bias) y += readAt(args.bias, n);
      if (args.residual) y += readAt(args.residual, t * N + n);
      writeAt(args.y, t * N + n, y);
    }
  });
}

std::string forwardUnsupported(const LoraLinearForward& args) {
  return args.xa && !args.loraA ? "xa needs loraA" : "";
}

void loraLinearBackward(const LoraLinearBackward& args, Context& context) {
  const int64_t T = args.dy.shape[0], N = args.weight.shape[0], K = args.weight.shape[1];
  const Matrix dy = read(args.dy, context.pool);

  Matrix A, dxa;  // dxa = dy B, the gradient of x A^T before the scale
  std::vector<int64_t> slotOf(N, -1);
  int64_t r = 0, R = 0;
  if (args.loraA) {
    R = args.loraA.shape[1];
    r = args.loraB.shape[2];
    slotOf = slotOfRow(args.segments, args.slots, N);
    A = read(args.loraA, context.pool);
    const Matrix B = read(args.loraB, context.pool);
    dxa = Matrix(T, R);
    context.pool.parallelFor(T, [&](int64_t t, int) {
      for (int64_t n = 0; n < N; ++n) {
        if (slotOf[n] < 0) continue;
        for (int64_t j = 0; j < r; ++j) dxa.row(t)[slotOf[n] * r + j] += dy.row(t)[n] * B.row(n)[j];
      }
    });
  }

  if (args.dx) {
    const Matrix W = read(args.weight, context.pool);
    context.pool.parallelFor(T, [&](int64_t t, int) {
      std::vector<double> dx(K);
      for (int64_t n = 0; n < N; ++n) {
        for (int64_t k = 0; k < K; ++k) dx[k] += dy.row(t)[n] * W.row(n)[k];
      }
      for (int64_t j = 0; j < R; ++j) {
        for (int64_t k = 0; k < K; ++k) dx[k] += args.scale * dxa.row(t)[j] * A.row(j)[k];
      }
      writeRange(args.dx, t * K, K, dx.data());
    });
  }

  if (args.dLoraA) {
    const Matrix x = read(args.x, context.pool);
    context.pool.parallelFor(R, [&](int64_t j, int) {
      std::vector<double> sum(K), row(K);
      for (int64_t t = 0; t < T; ++t) {
        for (int64_t k = 0; k < K; ++k) sum[k] += dxa.row(t)[j] * x.row(t)[k];
      }
      readRange(args.dLoraA, j * K, K, row.data());
      for (int64_t k = 0; k < K; ++k) row[k] += args.scale * sum[k];
      writeRange(args.dLoraA, j * K, K, row.data());
    });
  }

  if (args.dLoraB) {
    const Matrix xa = read(args.xa, context.pool);
    context.pool.parallelFor(N, [&](int64_t n, int) {
      if (slotOf[n] < 0) return;
      for (int64_t j = 0; j < r; ++j) {
        double sum = 0;
        for (int64_t t = 0; t < T; ++t) sum += dy.row(t)[n] * xa.row(t)[slotOf[n] * r + j];
        writeAt(args.dLoraB, n * r + j, readAt(args.dLoraB, n * r + j) + args.scale * sum);
      }
    });
  }
}

}  // namespace

void registerLinear(KernelTable& table) {
  table.set<LoraLinearForward, loraLinearForward>(kPath);
  table.setUnsupported<LoraLinearForward, forwardUnsupported>();
  table.set<LoraLinearBackward, loraLinearBackward>(kPath);
}

}  // namespace ibert::reference

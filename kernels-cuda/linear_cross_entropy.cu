// linearCrossEntropy: logprob[t] = (x W^T)[t][target] - logsumexp((x W^T)[t]), loss = -tokenWeight * logprob,
// and the gradient of gradScale * loss with respect to x. Rows go in chunks, so that the logits are never
// whole in memory.
#include "register.h"
#include "scratch.h"
#include "tile_gemm.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int64_t kLogitBytes = int64_t{128} << 20;

struct Operands {
  View x, weight;
  const int32_t* targets;
  View tokenWeight, loss, logprob, dx;
  float* logits;  // (rows of a chunk, stride)
  int64_t D, V, stride;
  float gradScale;

  __device__ float weightOf(int64_t t) const { return tokenWeight ? tokenWeight.at(t) : 1.0f; }
  // -1 where the logits of row t are not asked for.
  __device__ int64_t targetOf(int64_t t) const {
    const int64_t target = inside(targets[t], 0, V, -1);
    return weightOf(t) != 0 || logprob ? target : -1;
  }
};

// The twin of x W^T: a logit a thread, of `rows` rows from `first` on.
__global__ void __launch_bounds__(kThreads) logitsTwin(Operands o, int64_t first, int64_t rows) {
  for (int64_t i = firstElement(); i < rows * o.V; i += elementStride()) {
    const int64_t t = first + i / o.V, v = i % o.V;
    if (o.targetOf(t) < 0) continue;
    float sum = 0;
    for (int64_t k = 0; k < o.D; ++k) sum += o.x.at(t * o.D + k) * o.weight.at(v * o.D + k);
    o.logits[i / o.V * o.stride + v] = sum;
  }
}

// The highest over the threads of a block, for all of them; ends with a barrier.
__device__ __forceinline__ float blockHighest(float value, float* partial) {
  partial[threadIdx.x] = value;
  __syncthreads();
  float highest = -INFINITY;
  for (int i = 0; i < kThreads; ++i) highest = fmaxf(highest, partial[i]);
  __syncthreads();
  return highest;
}

// The twin of the loss: a row a block. Leaves gradScale * tokenWeight * (softmax - onehot) in the row of
// logits.
__global__ void __launch_bounds__(kThreads) lossTwin(Operands o, int64_t first) {
  DYNAMIC_SHARED(memory);
  auto* partial = reinterpret_cast<float*>(memory);
  const int64_t t = first + blockIdx.x, target = o.targetOf(t);
  float* logits = o.logits + blockIdx.x * o.stride;
  if (target < 0) {
    if (threadIdx.x == 0) {
      o.loss.set(t, 0);
      if (o.logprob) o.logprob.set(t, 0);
    }
    return;
  }
  float own = -INFINITY;
  for (int64_t v = threadIdx.x; v < o.V; v += kThreads) own = fmaxf(own, logits[v]);
  const float highest = blockHighest(own, partial);
  float sum = 0;
  for (int64_t v = threadIdx.x; v < o.V; v += kThreads) sum += expf(logits[v] - highest);
  const float total = blockSum(sum, partial), below = logits[target] - highest, logprob = below - logf(total);
  const float tokenWeight = o.weightOf(t), scale = o.gradScale * tokenWeight;
  if (threadIdx.x == 0) {
    o.loss.set(t, tokenWeight == 0 ? 0.0f : -tokenWeight * logprob);
    if (o.logprob) o.logprob.set(t, logprob);
  }
  __syncthreads();  // all have read the target's logit
  for (int64_t v = threadIdx.x; v < o.V; v += kThreads) {
    const float p = expf(logits[v] - highest) / total;
    logits[v] = scale == 0 ? 0.0f : scale * (v == target ? p - 1 : p);
  }
}

// The twin of dx: an element a thread.
__global__ void __launch_bounds__(kThreads) gradientTwin(Operands o, int64_t first, int64_t rows) {
  for (int64_t i = firstElement(); i < rows * o.D; i += elementStride()) {
    const int64_t t = first + i / o.D, k = i % o.D;
    const float* gradient = o.logits + i / o.D * o.stride;
    float sum = 0;
    if (o.targetOf(t) >= 0 && o.weightOf(t) != 0) {
      for (int64_t v = 0; v < o.V; ++v) sum += gradient[v] * o.weight.at(v * o.D + k);
    }
    o.dx.set(t * o.D + k, sum);
  }
}

// ---- On the tensor cores: the same three kernels over as many rows, whose products are tiles ----

using Tile = GemmTile<128, 128>;

// dx is a sum over the vocabulary, of few rows at a time: parts of fixed length fill a device, and a second
// kernel adds them in their order.
constexpr int64_t kVocabularyPart = 8192;

// A tile of x W^T. x: rows [first, first + rows) of (T, D)
template <bool kDirect>
__global__ void __launch_bounds__(Tile::kThreads, kDirect ? 2 : 1)
    logitsTiles(Operands o, Matrix x, Weight w, unsigned rowTiles, unsigned columnTiles) {
  DYNAMIC_SHARED(memory);
  const TilePlace place = placeOf(blockIdx.x, rowTiles, columnTiles);
  const int64_t row = int64_t{place.row} * Tile::kM, column = int64_t{place.column} * Tile::kN;
  Tile tile;
  tile.multiply<false, false>(memory, static_cast<int>(ceilDivide(o.D, Tile::kK)), [&](int offset, int step) {
    const int64_t d = int64_t{step} * Tile::kK;
    bringTile<Tile::kM, Tile::kK, Tile::kThreads>(memory, offset, x, row, d);
    bringWeight<kDirect, Tile::kN, Tile::kK, Tile::kThreads>(memory, offset + Tile::kBytesA, w, column, d);
  });
  tile.forPairs([&](int r, int c, float one, float two) {
    const int64_t v = column + c;
    if (row + r < x.rows && v < o.V)
      storePair(o.logits + (row + r) * o.stride + v, make_float2(one, two), true, v + 1 < o.V);
  });
}

// A row of dlogits as bf16, in the memory of its logits, two of its elements to one of theirs: a block reads
// what it is about to write over first.
__global__ void __launch_bounds__(kThreads) roundTiles(Operands o) {
  const float* from = o.logits + blockIdx.x * o.stride;
  auto* to = reinterpret_cast<Bf16*>(o.logits + blockIdx.x * o.stride);
  for (int64_t v = 0; v < o.V; v += kThreads) {
    const int64_t own = v + threadIdx.x;
    const float value = own < o.V ? from[own] : 0.0f;
    __syncthreads();
    if (own < o.V) to[own] = __float2bfloat16_rn(value);
    __syncthreads();
  }
}

// A tile of the part of dx that one part of the vocabulary gives. part: (parts, rows, D)
template <bool kDirect>
__global__ void __launch_bounds__(Tile::kThreads, kDirect ? 2 : 1)
    gradientTiles(Operands o, Matrix gradient, Weight w, float* part, unsigned rowTiles,
                  unsigned columnTiles) {
  DYNAMIC_SHARED(memory);
  const TilePlace place = placeOf(blockIdx.x, rowTiles, columnTiles);
  const int64_t row = int64_t{place.row} * Tile::kM, column = int64_t{place.column} * Tile::kN;
  const int64_t first = blockIdx.y * kVocabularyPart;
  const int64_t count = o.V - first < kVocabularyPart ? o.V - first : kVocabularyPart;
  Tile tile;
  tile.multiply<false, true>(
      memory, static_cast<int>(ceilDivide(count, Tile::kK)), [&](int offset, int step) {
        const int64_t v = first + int64_t{step} * Tile::kK;
        bringTile<Tile::kM, Tile::kK, Tile::kThreads>(memory, offset, gradient, row, v);
        bringWeight<kDirect, Tile::kK, Tile::kN, Tile::kThreads>(memory, offset + Tile::kBytesA, w, v,
                                                                 column);
      });
  float* to = part + blockIdx.y * gradient.rows * o.D;
  const bool pairs = o.D % 2 == 0;
  tile.forPairs([&](int r, int c, float one, float two) {
    const int64_t d = column + c;
    if (row + r < gradient.rows && d < o.D)
      storePair(to + (row + r) * o.D + d, make_float2(one, two), pairs, d + 1 < o.D);
  });
}

__global__ void __launch_bounds__(kThreads)
    addParts(Operands o, const float* part, int64_t parts, int64_t first, int64_t rows) {
  for (int64_t i = firstElement(); i < rows * o.D; i += elementStride()) {
    const int64_t t = first + i / o.D;
    float sum = 0;
    if (o.targetOf(t) >= 0 && o.weightOf(t) != 0) {
      for (int64_t p = 0; p < parts; ++p) sum += part[p * rows * o.D + i];
    }
    o.dx.set(first * o.D + i, sum);
  }
}

bool isFast(const LinearCrossEntropy& args) {
  return args.x.dtype == DType::BF16 && !(args.dx && args.dx.dtype == DType::F64);
}

// Logits are kept at a stride whose rows start at multiples of sixteen bytes, as bf16 too.
int64_t strideOf(const LinearCrossEntropy& args) {
  return isFast(args) ? paddedColumns(args.weight.shape[0]) : args.weight.shape[0];
}

int64_t rowsOfChunk(const LinearCrossEntropy& args) {
  const int64_t T = args.x.shape[0], rows = kLogitBytes / (strideOf(args) * 4);
  return T < rows ? T : rows < 1 ? 1 : rows;
}

struct Layout {
  Scratch scratch;
  float *logits, *part = nullptr;

  Layout(const LinearCrossEntropy& args, std::byte* memory) : scratch(memory) {
    logits = scratch.take<float>(rowsOfChunk(args) * strideOf(args));
    if (args.dx && isFast(args))
      part = scratch.take<float>(ceilDivide(args.weight.shape[0], kVocabularyPart) * rowsOfChunk(args) *
                                 args.x.shape[1]);
  }
};

int64_t workspace(const LinearCrossEntropy& args, Machine) {
  return Layout(args, nullptr).scratch.bytes();
}

void runTwin(const LinearCrossEntropy& args, const Operands& o, int64_t first, int64_t rows,
             Context& context) {
  context.require(launch(logitsTwin, blocksFor(rows * o.V, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, o, first, rows));
  context.require(launch(lossTwin, dim3(static_cast<unsigned>(rows)), dim3(kThreads),
                         kThreads * sizeof(float), context.stream, o, first));
  if (!args.dx) return;
  context.require(launch(gradientTwin, blocksFor(rows * o.D, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, o, first, rows));
}

void runTiles(const LinearCrossEntropy& args, const Operands& o, float* part, int64_t first, int64_t rows,
              Context& context) {
  const bool direct = args.weight.dtype == DType::BF16;
  const Weight w = weightOf(args.weight);
  const Matrix x = matrixOf(args.x.as<const Bf16>() + first * o.D, rows, o.D, o.D);
  const auto rowTiles = static_cast<unsigned>(ceilDivide(rows, Tile::kM));
  const auto tilesOf = [](int64_t columns) { return static_cast<unsigned>(ceilDivide(columns, Tile::kN)); };
  context.require(launch(direct ? logitsTiles<true> : logitsTiles<false>, dim3(rowTiles * tilesOf(o.V)),
                         dim3(Tile::kThreads), Tile::kSharedBytes, context.stream, o, x, w, rowTiles,
                         tilesOf(o.V)));
  context.require(launch(lossTwin, dim3(static_cast<unsigned>(rows)), dim3(kThreads),
                         kThreads * sizeof(float), context.stream, o, first));
  if (!args.dx || o.D == 0) return;
  context.require(
      launch(roundTiles, dim3(static_cast<unsigned>(rows)), dim3(kThreads), 0, context.stream, o));
  const int64_t parts = ceilDivide(o.V, kVocabularyPart);
  context.require(launch(direct ? gradientTiles<true> : gradientTiles<false>,
                         dim3(rowTiles * tilesOf(o.D), static_cast<unsigned>(parts)), dim3(Tile::kThreads),
                         Tile::kSharedBytes, context.stream, o, matrixOf(o.logits, rows, o.V, 2 * o.stride),
                         w, part, rowTiles, tilesOf(o.D)));
  context.require(launch(addParts, blocksFor(rows * o.D, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, o, static_cast<const float*>(part), parts, first, rows));
}

void run(const LinearCrossEntropy& args, Context& context) {
  const int64_t T = args.x.shape[0], chunk = rowsOfChunk(args);
  const Layout layout(args, context.workspace);
  const Operands operands{view(args.x),           view(args.weight), args.targets.as<const int32_t>(),
                          view(args.tokenWeight), view(args.loss),   view(args.logprob),
                          view(args.dx),          layout.logits,     args.x.shape[1],
                          args.weight.shape[0],   strideOf(args),    static_cast<float>(args.gradScale)};
  for (int64_t first = 0; first < T; first += chunk) {
    const int64_t rows = T - first < chunk ? T - first : chunk;
    if (isFast(args))
      runTiles(args, operands, layout.part, first, rows, context);
    else
      runTwin(args, operands, first, rows, context);
  }
}

const char* pathOf(const LinearCrossEntropy& args) {
  return isFast(args) ? kMmaPath : kTwin;
}

}  // namespace

void registerLinearCrossEntropy(KernelTable& table) {
  table.set<LinearCrossEntropy, run>(kMmaPath);
  table.setPathOf<LinearCrossEntropy, pathOf>();
  table.setWorkspace<LinearCrossEntropy, workspace>();
}

}  // namespace ibert::cuda

// loraLinearBackward: dx = dy W + scale * (dy B) A; dLoraA += scale * (dy B)^T x; dLoraB += scale * dy^T (x
// A^T). Each gradient is summed over its tokens in their order: no atomics.
#include "lora_linear.h"
#include "register.h"
#include "tile_gemm.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;

// Sizes: T rows of dy, N rows of W and K columns; R rows of A, rank r = columns of B.
struct Sizes {
  int64_t T, N, K, R, r;
};

Sizes sizesOf(const LoraLinearBackward& args) {
  return {args.dy.shape[0], args.weight.shape[0], args.weight.shape[1], args.loraA ? args.loraA.shape[1] : 0,
          args.loraB ? args.loraB.shape[2] : 0};
}

// The twin of dy B: an element a thread, over the rows of W that have its slot. dy: (T, N), B: (N, r), dxa:
// (T, R)
__global__ void __launch_bounds__(kThreads) lowTwin(View dy, View B, float* dxa, Segments segments, Sizes s) {
  for (int64_t i = firstElement(); i < s.T * s.R; i += elementStride()) {
    const int64_t t = i / s.R, slot = i % s.R / s.r, j = i % s.r;
    float sum = 0;
    for (int64_t n = 0; n < s.N; ++n) {
      if (segments.slotOf(n) == slot) sum += dy.at(t * s.N + n) * B.at(n * s.r + j);
    }
    dxa[i] = sum;
  }
}

// The twin: an element a thread. W: (N, K), A: (R, K), dx: (T, K)
__global__ void __launch_bounds__(kThreads)
    inputTwin(View dy, View W, const float* dxa, View A, View dx, float scale, Sizes s) {
  for (int64_t i = firstElement(); i < s.T * s.K; i += elementStride()) {
    const int64_t t = i / s.K, k = i % s.K;
    float sum = 0, low = 0;
    for (int64_t n = 0; n < s.N; ++n) sum += dy.at(t * s.N + n) * W.at(n * s.K + k);
    for (int64_t j = 0; j < s.R; ++j) low += dxa[t * s.R + j] * A.at(j * s.K + k);
    dx.set(i, sum + scale * low);
  }
}

// The twin: an element a thread. dA: (R, K)
__global__ void __launch_bounds__(kThreads) aTwin(const float* dxa, View x, View dA, float scale, Sizes s) {
  for (int64_t i = firstElement(); i < s.R * s.K; i += elementStride()) {
    const int64_t j = i / s.K, k = i % s.K;
    float sum = 0;
    for (int64_t t = 0; t < s.T; ++t) sum += dxa[t * s.R + j] * x.at(t * s.K + k);
    dA.set(i, dA.at(i) + scale * sum);
  }
}

// The twin: an element a thread; rows without a slot stay as they are. xa: (T, R), dB: (N, r)
__global__ void __launch_bounds__(kThreads)
    bTwin(View dy, View xa, View dB, Segments segments, float scale, Sizes s) {
  for (int64_t i = firstElement(); i < s.N * s.r; i += elementStride()) {
    const int64_t n = i / s.r, j = i % s.r;
    const int slot = segments.slotOf(n);
    if (slot < 0) continue;
    float sum = 0;
    for (int64_t t = 0; t < s.T; ++t) sum += dy.at(t * s.N + n) * xa.at(t * s.R + slot * s.r + j);
    dB.set(i, dB.at(i) + scale * sum);
  }
}

void runTwin(const LoraLinearBackward& args, Context& context) {
  const Sizes s = sizesOf(args);
  const Segments segments = segmentsOf(args.segments, args.slots, s.N, static_cast<bool>(args.loraA));
  const auto scale = static_cast<float>(args.scale);
  auto* dxa = reinterpret_cast<float*>(context.workspace);
  const float* low = dxa;
  const auto over = [&](int64_t elements, auto kernel, auto... operands) {
    context.require(launch(kernel, blocksFor(elements, kThreads, context.machine), dim3(kThreads), 0,
                           context.stream, operands...));
  };
  if (args.loraA) over(s.T * s.R, lowTwin, view(args.dy), view(args.loraB), dxa, segments, s);
  if (args.dx)
    over(s.T * s.K, inputTwin, view(args.dy), view(args.weight), low, view(args.loraA), view(args.dx), scale,
         s);
  if (args.dLoraA) over(s.R * s.K, aTwin, low, view(args.x), view(args.dLoraA), scale, s);
  if (args.dLoraB)
    over(s.N * s.r, bTwin, view(args.dy), view(args.xa), view(args.dLoraB), segments, scale, s);
}

// ---- On the tensor cores ----
//
// dx is made as loraLinearForward makes y: the products of dy and W go on into those of scale * dy B and A,
// whose tiles are the first blocks of the same grid. W is read as it lies: ldmatrix transposes.

using HighTile = GemmTile<128, 128>;
using LowTile = GemmTile<128, 64>;

// Steps of kK rows of W that cover [begin, end), counted from a multiple of kK.
__device__ __forceinline__ int stepsOver(int64_t begin, int64_t end) {
  return static_cast<int>(ceilDivide(end, HighTile::kK) - begin / HighTile::kK);
}

struct Operands {
  Matrix dy;        // (T, N)
  Weight weight;    // (N, K)
  Matrix A, B;      // (R, K), (N, r)
  LowRank low;      // scale * dy B
  unsigned* ready;  // of each row of tiles of dy B, how many are there; behind them, how many blocks began
  View dx;
  bool pairs;  // dx can be reached two elements at a time
  Segments segments;
  float scale;
  Sizes s;
  unsigned rowTiles, columnTiles, rankColumns, lowTiles;
};

// A tile of dy B of one slot, over the rows of W that have it.
__device__ __forceinline__ void lowTile(const Operands& o, char* memory, unsigned block) {
  using Tile = LowTile;
  const unsigned rowTile = block % o.rowTiles, rest = block / o.rowTiles;
  const int64_t row = int64_t{rowTile} * Tile::kM, column = int64_t{rest % o.rankColumns} * Tile::kN;
  const int slot = static_cast<int>(rest / o.rankColumns);
  int steps = 0;
  o.segments.forSegments(slot, [&](int64_t begin, int64_t end) { steps += stepsOver(begin, end); });
  Tile tile;
  tile.multiply<false, true>(memory, steps, [&](int offset, int step) {
    // Steps begin at multiples of kK, where dy can be copied in chunks; B is zero outside of the segment.
    int64_t begin = 0, end = 0;
    int before = 0;
    o.segments.forSegments(slot, [&](int64_t first, int64_t last) {
      const int count = stepsOver(first, last);
      if (step >= before && step < before + count) {
        begin = first;
        end = last;
        step -= before;
        before = 1 << 30;
      }
      before += before == 1 << 30 ? 0 : count;
    });
    const int64_t n = (begin / Tile::kK + step) * Tile::kK;
    bringTile<Tile::kM, Tile::kK, Tile::kThreads>(memory, offset, o.dy, row, n);
    bringRows<Tile::kK, Tile::kN, Tile::kThreads>(memory, offset + Tile::kBytesA, o.B, column, [&](int r) {
      return n + r >= begin && n + r < end ? n + r : -1;
    });
  });
  tile.forPairs([&](int r, int c, float first, float second) {
    const int64_t t = row + r;
    if (t >= o.s.T) return;
#pragma unroll
    for (int i = 0; i < 2; ++i) {  // the padding too, which the gradient of A reads
      const int64_t j = column + c + i;
      const float value = j < o.s.r ? o.scale * (i == 0 ? first : second) : 0.0f;
      if (j < o.low.padded)
        o.low.data[t * o.low.stride + slot * o.low.padded + j] = __float2bfloat16_rn(value);
    }
  });
  __syncthreads();
  if (threadIdx.x == 0) signalBlocks(o.ready + rowTile);
}

// A tile of dx.
template <bool kDirect, class X>
__device__ __forceinline__ void highTile(const Operands& o, char* memory, unsigned block) {
  using Tile = HighTile;
  const Sizes& s = o.s;
  const TilePlace place = placeOf(block - o.lowTiles, o.rowTiles, o.columnTiles);
  const int64_t row = int64_t{place.row} * Tile::kM, column = int64_t{place.column} * Tile::kN;
  const int steps = static_cast<int>(ceilDivide(s.N, Tile::kK));
  const int rankSteps = static_cast<int>(ceilDivide(s.r, Tile::kK));
  const int slots = s.r == 0 ? 0 : static_cast<int>(s.R / s.r);
  Tile tile;
  tile.template multiply<false, true>(memory, steps + slots * rankSteps, [&](int offset, int step) {
    if (step < steps) {
      const int64_t n = int64_t{step} * Tile::kK;
      bringTile<Tile::kM, Tile::kK, Tile::kThreads>(memory, offset, o.dy, row, n);
      bringWeight<kDirect, Tile::kK, Tile::kN, Tile::kThreads>(memory, offset + Tile::kBytesA, o.weight, n,
                                                               column);
      return;
    }
    step -= steps;
    if (step == 0) {
      if (threadIdx.x == 0) waitForBlocks(o.ready + place.row, static_cast<unsigned>(slots) * o.rankColumns);
      __syncthreads();
    }
    const int slot = step / rankSteps;
    const int64_t j = int64_t{step % rankSteps} * Tile::kK;
    bringTile<Tile::kM, Tile::kK, Tile::kThreads>(memory, offset, o.low.ofSlot(slot), row, j);
    bringRows<Tile::kK, Tile::kN, Tile::kThreads>(memory, offset + Tile::kBytesA, o.A, column, [&](int r) {
      return j + r < s.r ? slot * s.r + j + r : -1;
    });
  });
  auto* dx = static_cast<X*>(o.dx.data);
  tile.forPairs([&](int r, int c, float first, float second) {
    const int64_t t = row + r, k = column + c;
    if (t < s.T && k < s.K) storePair(dx + t * s.K + k, make_float2(first, second), o.pairs, k + 1 < s.K);
  });
}

template <bool kDirect, class X>
__global__ void __launch_bounds__(HighTile::kThreads, kDirect ? 2 : 1) inputTiles(Operands o) {
  DYNAMIC_SHARED(memory);
  const unsigned block = numberOfBlock(o.lowTiles == 0 ? nullptr : o.ready + o.rowTiles, memory);
  if (block < o.lowTiles)
    lowTile(o, memory, block);
  else
    highTile<kDirect, X>(o, memory, block);
}

// ---- The gradients of A and B: sums over tokens, of few elements each ----
//
// So that they fill a device, tokens are cut into parts of a fixed length, whose sums a second kernel adds in
// their order: no atomics, and the same bits in every run.

using ATile = GemmTile<64, 128>;
using BTile = GemmTile<128, 64>;
constexpr int64_t kPart = 1024;  // tokens, a multiple of kK

struct Parts {
  int64_t count, length;
};
// As many parts as bring the blocks to some 256, at most one for kPart tokens.
Parts partsOf(int64_t T, int64_t tiles) {
  const int64_t most = ceilDivide(T, kPart), wanted = ceilDivide(256, tiles < 1 ? 1 : tiles);
  const int64_t count = wanted < most ? wanted : most;
  const int64_t steps = ceilDivide(ceilDivide(T, count < 1 ? 1 : count), ATile::kK);
  return {count < 1 ? 1 : count, steps * ATile::kK};
}

// Of low^T x: rows are columns of low, padding among them. part: (parts, low.stride, K)
__global__ void __launch_bounds__(ATile::kThreads, 2)
    aTiles(LowRank low, Matrix x, float* part, int64_t length) {
  DYNAMIC_SHARED(memory);
  using Tile = ATile;
  const int64_t column = int64_t{blockIdx.x} * Tile::kN, row = int64_t{blockIdx.y} * Tile::kM;
  const int64_t first = blockIdx.z * length, K = x.columns;
  const int64_t count = low.T - first < length ? low.T - first : length;
  Tile tile;
  tile.multiply<true, true>(memory, static_cast<int>(ceilDivide(count, Tile::kK)), [&](int offset, int step) {
    const int64_t t = first + int64_t{step} * Tile::kK;
    bringTile<Tile::kK, Tile::kM, Tile::kThreads>(memory, offset, low.whole(), t, row);
    bringTile<Tile::kK, Tile::kN, Tile::kThreads>(memory, offset + Tile::kBytesA, x, t, column);
  });
  float* to = part + int64_t{blockIdx.z} * low.stride * K;
  tile.forPairs([&](int r, int c, float one, float two) {
    const int64_t j = row + r, k = column + c;
    if (j >= low.stride) return;
    if (k < K) to[j * K + k] = one;
    if (k + 1 < K) to[j * K + k + 1] = two;
  });
}

// Of dy^T xa of one slot. part: (parts, N, r)
__global__ void __launch_bounds__(BTile::kThreads, 2)
    bTiles(Matrix dy, Matrix xa, float* part, Segments segments, int64_t r, int64_t length,
           unsigned rankColumns) {
  DYNAMIC_SHARED(memory);
  using Tile = BTile;
  const int64_t row = int64_t{blockIdx.x} * Tile::kM, first = blockIdx.z * length, N = dy.columns;
  const int slot = static_cast<int>(blockIdx.y / rankColumns);
  const int64_t column = int64_t{blockIdx.y % rankColumns} * Tile::kN;
  if ((segments.slotsOf(row, row + Tile::kM) >> slot & 1) == 0) return;
  const int64_t count = dy.rows - first < length ? dy.rows - first : length;
  Matrix ofSlot = xa;
  ofSlot.data += slot * r;
  ofSlot.columns = r;
  ofSlot.aligned = xa.aligned && slot * r % kChunk == 0;
  Tile tile;
  tile.multiply<true, true>(memory, static_cast<int>(ceilDivide(count, Tile::kK)), [&](int offset, int step) {
    const int64_t t = first + int64_t{step} * Tile::kK;
    bringTile<Tile::kK, Tile::kM, Tile::kThreads>(memory, offset, dy, t, row);
    bringTile<Tile::kK, Tile::kN, Tile::kThreads>(memory, offset + Tile::kBytesA, ofSlot, t, column);
  });
  float* to = part + int64_t{blockIdx.z} * N * r;
  tile.forPairs([&](int i, int c, float one, float two) {
    const int64_t n = row + i, j = column + c;
    if (n >= N || segments.slotOf(n) != slot) return;
    if (j < r) to[n * r + j] = one;
    if (j + 1 < r) to[n * r + j + 1] = two;
  });
}

// dA += the sum of the parts. Row j of dA is row j / r * padded + j % r of a part.
__global__ void __launch_bounds__(kThreads)
    addToA(const float* part, LowRank low, View dA, int64_t parts, int64_t R, int64_t K) {
  for (int64_t i = firstElement(); i < R * K; i += elementStride()) {
    const int64_t j = i / K, from = (j / low.r * low.padded + j % low.r) * K + i % K;
    float sum = 0;
    for (int64_t p = 0; p < parts; ++p) sum += part[p * low.stride * K + from];
    dA.set(i, dA.at(i) + sum);
  }
}

// dB += scale * the sum of the parts, in rows that have a slot.
__global__ void __launch_bounds__(kThreads)
    addToB(const float* part, View dB, Segments segments, float scale, int64_t parts, int64_t N, int64_t r) {
  for (int64_t i = firstElement(); i < N * r; i += elementStride()) {
    if (segments.slotOf(i / r) < 0) continue;
    float sum = 0;
    for (int64_t p = 0; p < parts; ++p) sum += part[p * N * r + i];
    dB.set(i, dB.at(i) + scale * sum);
  }
}

// Where one activation is bf16, all go through the tensor cores as bf16: the gradient of the residual stream
// too, which is float32. Otherwise float32 activations stay what they are.
bool isFast(const LoraLinearBackward& args) {
  const auto is = [](const Tensor& tensor, DType dtype) { return tensor && tensor.dtype == dtype; };
  return args.dy.dtype != DType::F64 && !is(args.dx, DType::F64) && !is(args.x, DType::F64) &&
         (args.dy.dtype == DType::BF16 || is(args.dx, DType::BF16) || is(args.x, DType::BF16));
}

// Where the scratch memory goes: the tiles' counters, scale * dy B, operands as bf16 where they are not, and
// parts.
struct Layout {
  Scratch scratch;
  Parts ofA{}, ofB{};
  unsigned* ready = nullptr;
  LowRank low{};
  Bf16 *dy = nullptr, *A = nullptr, *B = nullptr, *x = nullptr, *xa = nullptr;
  float *partA = nullptr, *partB = nullptr;

  Layout(const LoraLinearBackward& args, std::byte* memory) : scratch(memory) {
    const Sizes s = sizesOf(args);
    const auto rounded = [&](const Tensor& tensor, int64_t rows, int64_t columns) -> Bf16* {
      return !tensor || tensor.dtype == DType::BF16 ? nullptr
                                                    : scratch.take<Bf16>(rows * paddedColumns(columns));
    };
    dy = rounded(args.dy, s.T, s.N);
    if (!args.loraA) return;
    ready = scratch.take<unsigned>(ceilDivide(s.T, HighTile::kM) + 1);
    low = LowRank(scratch, s.T, s.R, s.r);
    A = rounded(args.loraA, s.R, s.K);
    B = rounded(args.loraB, s.N, s.r);
    if (args.dLoraA) {
      x = rounded(args.x, s.T, s.K);
      ofA = partsOf(s.T, ceilDivide(s.K, ATile::kN) * ceilDivide(low.stride, ATile::kM));
      partA = scratch.take<float>(ofA.count * low.stride * s.K);
    }
    if (args.dLoraB) {
      xa = rounded(args.xa, s.T, s.R);
      ofB = partsOf(s.T, ceilDivide(s.N, BTile::kM));
      partB = scratch.take<float>(ofB.count * s.N * s.r);
    }
  }
};

int64_t workspace(const LoraLinearBackward& args, Machine) {
  const Sizes s = sizesOf(args);
  return isFast(args) ? Layout(args, nullptr).scratch.bytes()
                      : s.T * s.R * static_cast<int64_t>(sizeof(float));
}

void runInput(const LoraLinearBackward& args, Operands& o, Context& context) {
  const bool direct = args.weight.dtype == DType::BF16;
  if (args.dx) o.columnTiles = static_cast<unsigned>(ceilDivide(o.s.K, HighTile::kN));
  const unsigned blocks = o.lowTiles + o.rowTiles * o.columnTiles;
  if (blocks == 0) return;
  withType(args.dx ? args.dx.dtype : DType::BF16, [&](auto* x) {
    using X = Pointed<decltype(x)>;
    o.pairs = args.dx && inPairs(args.dx.as<X>(), o.s.K);
    context.require(launch(direct ? inputTiles<true, X> : inputTiles<false, X>, dim3(blocks),
                           dim3(HighTile::kThreads), HighTile::kSharedBytes, context.stream, o));
  });
}

void runTiles(const LoraLinearBackward& args, Context& context) {
  const Sizes s = sizesOf(args);
  const Layout layout(args, context.workspace);
  const auto over = [&](int64_t elements, auto kernel, auto... operands) {
    context.require(launch(kernel, blocksFor(elements, kThreads, context.machine), dim3(kThreads), 0,
                           context.stream, operands...));
  };
  Operands o{};
  o.s = s;
  o.dy = asBf16(args.dy, layout.dy, s.T, s.N, context);
  o.weight = weightOf(args.weight);
  o.dx = view(args.dx);
  o.rowTiles = static_cast<unsigned>(ceilDivide(s.T, HighTile::kM));
  o.segments = segmentsOf(args.segments, args.slots, s.N, static_cast<bool>(args.loraA));
  o.scale = static_cast<float>(args.scale);
  if (args.loraA) {
    o.A = asBf16(args.loraA, layout.A, s.R, s.K, context);
    o.B = asBf16(args.loraB, layout.B, s.N, s.r, context);
    o.low = layout.low;
    o.ready = layout.ready;
    o.rankColumns = static_cast<unsigned>(ceilDivide(s.r, LowTile::kN));
    o.lowTiles = o.rowTiles * o.rankColumns * static_cast<unsigned>(s.r == 0 ? 0 : s.R / s.r);
    context.require(cudaMemsetAsync(o.ready, 0, (o.rowTiles + 1) * sizeof(unsigned), context.stream));
  }
  runInput(args, o, context);
  if (s.T == 0) return;
  if (args.dLoraA && s.R * s.K > 0) {
    const Matrix x = asBf16(args.x, layout.x, s.T, s.K, context);
    const dim3 grid(static_cast<unsigned>(ceilDivide(s.K, ATile::kN)),
                    static_cast<unsigned>(ceilDivide(layout.low.stride, ATile::kM)),
                    static_cast<unsigned>(layout.ofA.count));
    context.require(launch(aTiles, grid, dim3(ATile::kThreads), ATile::kSharedBytes, context.stream,
                           layout.low, x, layout.partA, layout.ofA.length));
    over(s.R * s.K, addToA, static_cast<const float*>(layout.partA), layout.low, view(args.dLoraA),
         layout.ofA.count, s.R, s.K);
  }
  if (args.dLoraB && s.N * s.r > 0) {
    const Matrix xa = asBf16(args.xa, layout.xa, s.T, s.R, context);
    const dim3 grid(static_cast<unsigned>(ceilDivide(s.N, BTile::kM)),
                    static_cast<unsigned>(s.R / s.r) * o.rankColumns,
                    static_cast<unsigned>(layout.ofB.count));
    context.require(launch(bTiles, grid, dim3(BTile::kThreads), BTile::kSharedBytes, context.stream, o.dy, xa,
                           layout.partB, o.segments, s.r, layout.ofB.length, o.rankColumns));
    over(s.N * s.r, addToB, static_cast<const float*>(layout.partB), view(args.dLoraB), o.segments, o.scale,
         layout.ofB.count, s.N, s.r);
  }
}

void run(const LoraLinearBackward& args, Context& context) {
  if (isFast(args))
    runTiles(args, context);
  else
    runTwin(args, context);
}

std::string unsupported(const LoraLinearBackward& args) {
  return (args.dLoraA || args.dLoraB) && !args.loraA ? "dLoraA and dLoraB need loraA and loraB" : "";
}

const char* pathOf(const LoraLinearBackward& args) {
  return isFast(args) ? kMmaPath : kTwin;
}

}  // namespace

void registerLoraLinearBackward(KernelTable& table) {
  table.set<LoraLinearBackward, run>(kMmaPath);
  table.setPathOf<LoraLinearBackward, pathOf>();
  table.setWorkspace<LoraLinearBackward, workspace>();
  table.setUnsupported<LoraLinearBackward, unsupported>();
}

}  // namespace ibert::cuda

// loraLinearForward (Hu et al. 2021): y = x W^T + bias + scale * (x A^T) B^T + residual.
#include "lora_linear.h"
#include "register.h"
#include "tile_gemm.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;

// The twin of x A^T: an element a thread. x: (T, K), A: (P, R, K), xa: (T, R); kept: the op's own output or
// absent
__global__ void __launch_bounds__(kThreads)
    lowTwin(View x, View A, const int32_t* adapterOfRow, float* xa, View kept, ForwardSizes s) {
  for (int64_t i = firstElement(); i < s.T * s.R; i += elementStride()) {
    const int64_t t = i / s.R, j = i % s.R, p = adapterOf(adapterOfRow, t, s.P);
    float sum = 0;
    for (int64_t k = 0; p >= 0 && k < s.K; ++k) sum += x.at(t * s.K + k) * A.at((p * s.R + j) * s.K + k);
    xa[i] = sum;
    if (kept) kept.set(i, sum);
  }
}

// The twin: an element of y a thread, whose bits no other row shows in. W: (N, K), B: (P, N, r), y: (T, N).
// residual may be y itself.
__global__ void __launch_bounds__(kThreads)
    forwardTwin(View x, View W, const float* xa, View B, const int32_t* adapterOfRow, View bias,
                View residual, View y, Segments segments, float scale, ForwardSizes s) {
  for (int64_t i = firstElement(); i < s.T * s.N; i += elementStride()) {
    const int64_t t = i / s.N, n = i % s.N, p = adapterOf(adapterOfRow, t, s.P);
    const int slot = segments.slotOf(n);
    float sum = 0;
    for (int64_t k = 0; k < s.K; ++k) sum += x.at(t * s.K + k) * W.at(n * s.K + k);
    if (slot >= 0 && p >= 0) {
      float low = 0;
      for (int64_t j = 0; j < s.r; ++j) low += xa[t * s.R + slot * s.r + j] * B.at((p * s.N + n) * s.r + j);
      sum += scale * low;
    }
    if (bias) sum += bias.at(n);
    if (residual) sum += residual.at(i);
    y.set(i, sum);
  }
}

void runTwin(const LoraLinearForward& args, Context& context) {
  const ForwardSizes s = sizesOf(args);
  auto* xa = reinterpret_cast<float*>(context.workspace);
  const auto* adapterOfRow = args.adapterOfRow ? args.adapterOfRow.as<const int32_t>() : nullptr;
  if (args.loraA) {
    context.require(launch(lowTwin, blocksFor(s.T * s.R, kThreads, context.machine), dim3(kThreads), 0,
                           context.stream, view(args.x), view(args.loraA), adapterOfRow, xa, view(args.xa),
                           s));
  }
  context.require(launch(forwardTwin, blocksFor(s.T * s.N, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, view(args.x), view(args.weight), static_cast<const float*>(xa),
                         view(args.loraB), adapterOfRow, view(args.bias), view(args.residual), view(args.y),
                         segmentsOf(args.segments, args.slots, s.N, static_cast<bool>(args.loraA)),
                         static_cast<float>(args.scale), s));
}

// ---- On the tensor cores ----
//
// The extension of K by the rank: a tile of y goes on from the products of x and W with those of scale * x
// A^T and B, in the same sums and the same main loop. The tiles of x A^T are the first blocks of the same
// grid, so that they run beside tiles of y that need them only at their end, and x is read once more by some
// 2 % of the blocks, not by a second kernel.

using HighTile = GemmTile<128, 128>;
using LowTile = GemmTile<128, 64>;

template <class Y>
struct Operands {
  Matrix x;         // (T, K)
  Weight weight;    // (N, K)
  Matrix A, B;      // (P R, K), (P N, r)
  LowRank low;      // scale * x A^T
  unsigned* ready;  // of each row of tiles of x A^T, how many are there; behind them, how many blocks began
  View kept;        // (T, R) or absent
  const int32_t* adapterOfRow;
  const float* bias;
  const Y* residual;
  Y* y;
  bool pairs;  // y and residual can be reached two elements at a time
  Segments segments;
  float scale;
  ForwardSizes s;
  unsigned rowTiles, columnTiles, lowColumns, lowTiles;
};

// A tile of x A^T of one adapter.
template <class Y>
__device__ __forceinline__ void lowTile(const Operands<Y>& o, char* memory, unsigned block) {
  const ForwardSizes& s = o.s;
  const unsigned rowTile = block % o.rowTiles, rest = block / o.rowTiles;
  const int64_t row = int64_t{rowTile} * LowTile::kM, column = int64_t{rest % o.lowColumns} * LowTile::kN;
  const int64_t p = rest / o.lowColumns;
  const auto isOwn = [&](int64_t t) { return t < s.T && adapterOf(o.adapterOfRow, t, s.P) == p; };
  if (o.kept || __syncthreads_or(isOwn(row + threadIdx.x % LowTile::kM))) {
    const Matrix A{o.A.data + p * s.R * o.A.stride, o.A.stride, s.R, s.K, o.A.aligned};
    LowTile tile;
    tile.multiply<false, false>(
        memory, static_cast<int>(ceilDivide(s.K, LowTile::kK)), [&](int offset, int step) {
          const int64_t k = int64_t{step} * LowTile::kK;
          bringTile<LowTile::kM, LowTile::kK, LowTile::kThreads>(memory, offset, o.x, row, k);
          bringTile<LowTile::kN, LowTile::kK, LowTile::kThreads>(memory, offset + LowTile::kBytesA, A, column,
                                                                 k);
        });
    tile.forPairs([&](int r, int c, float first, float second) {
      const int64_t t = row + r;
      if (t >= s.T) return;
      const bool own = isOwn(t);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int64_t j = column + c + i;
        const float value = i == 0 ? first : second;
        if (j >= s.R) continue;
        if (own) *o.low.at(t, j) = __float2bfloat16_rn(o.scale * value);
        if (o.kept) o.kept.set(t * s.R + j, own ? value : 0.0f);
      }
    });
    __syncthreads();
  }
  if (threadIdx.x == 0) signalBlocks(o.ready + rowTile);
}

// The adapters [first, last) that rows [row, row + kM) may have. All threads call it; `memory` is free
// afterwards.
__device__ __forceinline__ int2 adaptersOf(const int32_t* adapterOfRow, int64_t row, int64_t T, int64_t P,
                                           char* memory) {
  if (adapterOfRow == nullptr || P == 0) return make_int2(0, int(P));
  const int64_t t = row + threadIdx.x % HighTile::kM;
  const int own = t < T ? int(adapterOf(adapterOfRow, t, P)) : -1;
  int first = own < 0 ? int(P) : own, last = own + 1;
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const int otherFirst = __shfl_xor_sync(~0u, first, lanes), otherLast = __shfl_xor_sync(~0u, last, lanes);
    first = otherFirst < first ? otherFirst : first;
    last = otherLast > last ? otherLast : last;
  }
  auto* parts = reinterpret_cast<int2*>(memory);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = make_int2(first, last);
  __syncthreads();
  for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) {
    first = parts[warp].x < first ? parts[warp].x : first;
    last = parts[warp].y > last ? parts[warp].y : last;
  }
  __syncthreads();
  return make_int2(first, first < last ? last : first);
}

// A tile of y.
template <bool kDirect, class Y>
__device__ __forceinline__ void highTile(const Operands<Y>& o, char* memory, unsigned block) {
  using Tile = HighTile;
  const ForwardSizes& s = o.s;
  const TilePlace place = placeOf(block - o.lowTiles, o.rowTiles, o.columnTiles);
  const int64_t row = int64_t{place.row} * Tile::kM, column = int64_t{place.column} * Tile::kN;
  const int steps = static_cast<int>(ceilDivide(s.K, Tile::kK));
  const int rankSteps = static_cast<int>(ceilDivide(s.r, Tile::kK));
  const unsigned slots = o.segments.slotsOf(column, column + Tile::kN);
  const int2 adapters = adaptersOf(o.adapterOfRow, row, s.T, s.P, memory);
  const int slotCount = __popc(slots), extension = slotCount * (adapters.y - adapters.x) * rankSteps;

  Tile tile;
  tile.template multiply<false, false>(memory, steps + extension, [&](int offset, int step) {
    if (step < steps) {
      const int64_t k = int64_t{step} * Tile::kK;
      bringTile<Tile::kM, Tile::kK, Tile::kThreads>(memory, offset, o.x, row, k);
      bringWeight<kDirect, Tile::kN, Tile::kK, Tile::kThreads>(memory, offset + Tile::kBytesA, o.weight,
                                                               column, k);
      return;
    }
    step -= steps;
    if (step == 0) {
      if (threadIdx.x == 0) waitForBlocks(o.ready + place.row, static_cast<unsigned>(s.P) * o.lowColumns);
      __syncthreads();
    }
    const int64_t k = int64_t{step % rankSteps} * Tile::kK, p = adapters.x + step / rankSteps / slotCount;
    const int slot = nthBit(slots, step / rankSteps % slotCount);
    const Matrix low = o.low.ofSlot(slot);
    bringRows<Tile::kM, Tile::kK, Tile::kThreads>(memory, offset, low, k, [&](int r) {
      const int64_t t = row + r;
      return t < s.T && adapterOf(o.adapterOfRow, t, s.P) == p ? t : -1;
    });
    bringRows<Tile::kN, Tile::kK, Tile::kThreads>(memory, offset + Tile::kBytesA, o.B, k, [&](int r) {
      const int64_t n = column + r;
      return n < s.N && o.segments.slotOf(n) == slot ? p * s.N + n : -1;
    });
  });

  tile.forPairs([&](int r, int c, float first, float second) {
    const int64_t t = row + r, n = column + c;
    if (t >= s.T || n >= s.N) return;
    const bool both = n + 1 < s.N;
    float2 value = make_float2(first, second);
    if (o.bias != nullptr) {
      value.x += o.bias[n];
      if (both) value.y += o.bias[n + 1];
    }
    if (o.residual != nullptr) {
      const float2 more = loadPair(o.residual + t * s.N + n, o.pairs, both);
      value.x += more.x;
      value.y += more.y;
    }
    storePair(o.y + t * s.N + n, value, o.pairs, both);
  });
}

template <bool kDirect, class Y>
__global__ void __launch_bounds__(HighTile::kThreads, kDirect ? 2 : 1) forwardTiles(Operands<Y> o) {
  DYNAMIC_SHARED(memory);
  const unsigned block = numberOfBlock(o.lowTiles == 0 ? nullptr : o.ready + o.rowTiles, memory);
  if (block < o.lowTiles)
    lowTile(o, memory, block);
  else
    highTile<kDirect>(o, memory, block);
}

// float32 activations stay what they are: only bf16 ones go through the tensor cores, and so may their
// weights.
bool isFast(const LoraLinearForward& args) {
  const DType y = args.y.dtype;
  return args.x.dtype == DType::BF16 && y != DType::F64 && (!args.residual || args.residual.dtype == y) &&
         (!args.bias || args.bias.dtype == DType::F32);
}

// Where the scratch memory goes: the tiles' counters, scale * x A^T, and A and B as bf16 where they are not.
struct Layout {
  Scratch scratch;
  unsigned* ready = nullptr;
  LowRank low{};
  Bf16 *A = nullptr, *B = nullptr;

  Layout(const LoraLinearForward& args, std::byte* memory) : scratch(memory) {
    if (!args.loraA) return;
    const ForwardSizes s = sizesOf(args);
    ready = scratch.take<unsigned>(ceilDivide(s.T, HighTile::kM) + 1);
    low = LowRank(scratch, s.T, s.R, s.r);
    if (args.loraA.dtype != DType::BF16) A = scratch.take<Bf16>(s.P * s.R * paddedColumns(s.K));
    if (args.loraB.dtype != DType::BF16) B = scratch.take<Bf16>(s.P * s.N * paddedColumns(s.r));
  }
};

int64_t workspace(const LoraLinearForward& args, Machine) {
  if (isDecode(args)) return decodeWorkspace(args);
  const ForwardSizes s = sizesOf(args);
  return isFast(args) ? Layout(args, nullptr).scratch.bytes()
                      : s.T * s.R * static_cast<int64_t>(sizeof(float));
}

template <class Y>
void runTiles(const LoraLinearForward& args, Context& context) {
  const ForwardSizes s = sizesOf(args);
  const Layout layout(args, context.workspace);
  Operands<Y> o{};
  o.s = s;
  o.x = matrixOf(args.x.data, s.T, s.K, s.K);
  o.weight = weightOf(args.weight);
  o.rowTiles = static_cast<unsigned>(ceilDivide(s.T, HighTile::kM));
  o.columnTiles = static_cast<unsigned>(ceilDivide(s.N, HighTile::kN));
  o.segments = segmentsOf(args.segments, args.slots, s.N, static_cast<bool>(args.loraA));
  o.scale = static_cast<float>(args.scale);
  o.bias = args.bias ? args.bias.as<const float>() : nullptr;
  o.residual = args.residual ? args.residual.as<const Y>() : nullptr;
  o.y = args.y.as<Y>();
  o.pairs = inPairs(o.y, s.N) && inPairs(o.residual, s.N);
  if (args.loraA) {
    o.A = asBf16(args.loraA, layout.A, s.P * s.R, s.K, context);
    o.B = asBf16(args.loraB, layout.B, s.P * s.N, s.r, context);
    o.low = layout.low;
    o.ready = layout.ready;
    o.kept = view(args.xa);
    o.adapterOfRow = args.adapterOfRow ? args.adapterOfRow.as<const int32_t>() : nullptr;
    o.lowColumns = static_cast<unsigned>(ceilDivide(s.R, LowTile::kN));
    o.lowTiles = o.rowTiles * o.lowColumns * static_cast<unsigned>(s.P);
    context.require(cudaMemsetAsync(o.ready, 0, (o.rowTiles + 1) * sizeof(unsigned), context.stream));
  }
  const unsigned blocks = o.lowTiles + o.rowTiles * o.columnTiles;
  if (blocks == 0) return;
  const auto kernel = args.weight.dtype == DType::BF16 ? forwardTiles<true, Y> : forwardTiles<false, Y>;
  context.require(
      launch(kernel, dim3(blocks), dim3(HighTile::kThreads), HighTile::kSharedBytes, context.stream, o));
}

void run(const LoraLinearForward& args, Context& context) {
  if (isDecode(args)) return decodeForward(args, context);
  if (!isFast(args)) return runTwin(args, context);
  withType(args.y.dtype, [&](auto* y) { runTiles<Pointed<decltype(y)>>(args, context); });
}

std::string unsupported(const LoraLinearForward& args) {
  return args.xa && !args.loraA ? "xa needs loraA" : "";
}

const char* pathOf(const LoraLinearForward& args) {
  return isDecode(args) || isFast(args) ? kMmaPath : kTwin;
}

}  // namespace

void registerLoraLinearForward(KernelTable& table) {
  table.set<LoraLinearForward, run>(kMmaPath);
  table.setPathOf<LoraLinearForward, pathOf>();
  table.setWorkspace<LoraLinearForward, workspace>();
  table.setUnsupported<LoraLinearForward, unsupported>();
}

}  // namespace ibert::cuda

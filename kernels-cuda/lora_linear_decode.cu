// loraLinearForward of a step of generation: y = x W^T + bias + scale * (x A^T) B^T + residual for at most
// kExactRows rows of x in bf16.
//
// It takes as long as reading W once takes, so a block reads sixteen (or 32) rows of W straight into the
// registers of mma() (weight_rows.h), with W as its first operand: the rows of x, few, are columns of the
// result, and those that are not there cost nothing. The sums of its warps are added in shared memory, in a
// fixed order.
//
// x A^T is the same product with the rows of A. The first blocks of the grid compute it, while the others
// are reading W already; these wait for it only before they add scale * (x A^T) B^T, in float32.
//
// The bits of a row depend on W, K and the row alone: not on T, since the columns of a tile know nothing of
// each other, nor on where the operands lie, since the kernel for misaligned ones reads the same elements
// into the same registers, one by one.
//
// x float32 and a W of blocks that is not packed stay with the twin (lora_linear_forward.cu).
#include "lora_linear.h"
#include "segments.h"
#include "weight_rows.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = kRowWarps * 32;
constexpr int64_t kCounterBytes = 256;  // at the beginning of the workspace, before x A^T

struct Operands {
  const Bf16* x;
  const void* weight;
  View A, B;
  const int32_t* adapterOfRow;
  View bias, residual, y, kept;
  float* xa;           // (T, R)
  unsigned* counters;  // blocks of x A^T that are done, and blocks that have begun
  unsigned lowBlocks;
  bool byTicket;  // a block's number is when it began
  Segments segments;
  float scale;
  ForwardSizes s;
};

// Shared memory: what each warp summed, and scale * (x A^T) B^T, as [warp][row of x][row of W].
template <int kTiles, int kColumns>
struct Shared {
  static constexpr int kRows = kTiles * kTileRows, kT = kColumns * kTileColumns;
  // Four lanes of mma() have two rows of x each: eight rows of W of each lie in banks of their own.
  static constexpr int kStride = kRows + 4;
  static constexpr int kEach = kT * kStride;
  static constexpr int kFloats = (kRowWarps + 1) * kEach;
};

template <int kTiles, int kColumns>
__device__ __forceinline__ void keepSums(float* memory, const float (&sums)[kTiles][kColumns][4]) {
  using Layout = Shared<kTiles, kColumns>;
  const int lane = threadIdx.x % 32;
  float* own = memory + threadIdx.x / 32 * Layout::kEach;
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile)
#pragma unroll
    for (int column = 0; column < kColumns; ++column)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = tile * kTileRows + lane / 4 + i / 2 * 8,
                  t = column * kTileColumns + lane % 4 * 2 + i % 2;
        own[t * Layout::kStride + row] = sums[tile][column][i];
      }
}

template <int kTiles, int kColumns>
__device__ __forceinline__ float sumOf(const float* memory, int row, int t) {
  using Layout = Shared<kTiles, kColumns>;
  float sum = 0;
#pragma unroll
  for (int warp = 0; warp < kRowWarps; ++warp)
    sum += memory[warp * Layout::kEach + t * Layout::kStride + row];
  return sum;
}

// Whether a row of x has one of these adapters. The first one's block clears the rows that have none.
__device__ __forceinline__ bool isWanted(const Operands& o, int64_t firstAdapter, int64_t lastAdapter) {
  for (int64_t t = 0; t < o.s.T; ++t) {
    const int64_t p = adapterOf(o.adapterOfRow, t, o.s.P), own = p < 0 ? 0 : p;
    if (own >= firstAdapter && own <= lastAdapter) return true;
  }
  return false;
}

// A block of x A^T: sixteen of the P * R rows of A, for the rows of x that have their adapter.
template <int kColumns, bool kAligned>
__device__ __forceinline__ void lowRows(const Operands& o, float* memory, unsigned block) {
  const int64_t first = static_cast<int64_t>(block) * kTileRows, rows = o.s.P * o.s.R;
  if (!isWanted(o, first / o.s.R, (first + kTileRows - 1) / o.s.R)) {
    if (threadIdx.x == 0) signalBlocks(&o.counters[0]);
    return;
  }
  float sums[1][kColumns][4];
  if (o.A.dtype == DType::BF16)
    multiplyRows<PlainRows<Bf16>, kAligned>(sums, o.A.data, first, rows, o.x, static_cast<int>(o.s.T),
                                            static_cast<int>(o.s.K));
  else
    multiplyRows<PlainRows<float>, kAligned>(sums, o.A.data, first, rows, o.x, static_cast<int>(o.s.T),
                                             static_cast<int>(o.s.K));
  keepSums(memory, sums);
  __syncthreads();
  for (int i = threadIdx.x; i < o.s.T * kTileRows; i += kThreads) {
    const int row = i % kTileRows, t = i / kTileRows;
    if (first + row >= rows) continue;
    const int64_t own = (first + row) / o.s.R, j = (first + row) % o.s.R;
    const int64_t p = adapterOf(o.adapterOfRow, t, o.s.P);
    if (p != own && (p >= 0 || own != 0)) continue;  // a row without an adapter is the first one's to clear
    const float sum = p < 0 ? 0.0f : sumOf<1, kColumns>(memory, row, t);
    o.xa[t * o.s.R + j] = sum;
    if (o.kept) o.kept.set(t * o.s.R + j, sum);
  }
  __syncthreads();
  if (threadIdx.x == 0) signalBlocks(&o.counters[0]);
}

// scale * (x A^T) B^T of the block's rows: sixteen lanes a sum, which have every sixteenth term each.
template <int kTiles, int kColumns>
__device__ __forceinline__ void lowSums(const Operands& o, float* low, int64_t first) {
  using Layout = Shared<kTiles, kColumns>;
  constexpr int kLanes = 16;
  const int lane = threadIdx.x % kLanes;
  for (int i = threadIdx.x / kLanes; i < o.s.T * Layout::kRows; i += kThreads / kLanes) {
    const int row = i % Layout::kRows, t = i / Layout::kRows;
    const int64_t n = first + row, p = adapterOf(o.adapterOfRow, t, o.s.P);
    const int slot = n < o.s.N && p >= 0 ? o.segments.slotOf(n) : -1;
    float sum = 0;
    for (int64_t j = lane; slot >= 0 && j < o.s.r; j += kLanes)
      sum += o.xa[t * o.s.R + slot * o.s.r + j] * o.B.value((p * o.s.N + n) * o.s.r + j);
    for (int lanes = kLanes / 2; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(~0u, sum, lanes);
    if (lane == 0) low[t * Layout::kStride + row] = o.scale * sum;
  }
}

// W: (N, K) as Rows reads it, A: (P, R, K), B: (P, N, r), y, residual: (T, N), which may be one.
template <class Rows, int kTiles, int kColumns, bool kAligned>
__global__ void __launch_bounds__(kThreads, !kAligned     ? 1
                                            : kTiles == 1 ? Rows::kBlocksOfSm
                                                          : 2) decodeRows(Operands o) {
  using Layout = Shared<kTiles, kColumns>;
  DYNAMIC_SHARED(bytes);
  auto* memory = reinterpret_cast<float*>(bytes);
  unsigned block = blockIdx.x;
  if (o.byTicket) {
    auto* ticket = reinterpret_cast<unsigned*>(memory + Layout::kFloats);
    if (threadIdx.x == 0) *ticket = signalBlocks(&o.counters[1]);
    __syncthreads();
    block = *ticket;
  }
  if (block < o.lowBlocks) return lowRows<kColumns, kAligned>(o, memory, block);
  const int64_t first = static_cast<int64_t>(block - o.lowBlocks) * Layout::kRows;
  float sums[kTiles][kColumns][4];
  multiplyRows<Rows, kAligned>(sums, o.weight, first, o.s.N, o.x, static_cast<int>(o.s.T),
                               static_cast<int>(o.s.K));
  keepSums(memory, sums);
  if (o.lowBlocks > 0 && threadIdx.x == 0) waitForBlocks(&o.counters[0], o.lowBlocks);
  __syncthreads();
  float* low = memory + kRowWarps * Layout::kEach;
  if (o.lowBlocks > 0) {
    lowSums<kTiles, kColumns>(o, low, first);
    __syncthreads();
  }
  for (int i = threadIdx.x; i < o.s.T * Layout::kRows; i += kThreads) {
    const int row = i % Layout::kRows, t = i / Layout::kRows;
    const int64_t n = first + row;
    if (n >= o.s.N) continue;
    float sum = sumOf<kTiles, kColumns>(memory, row, t);
    if (o.lowBlocks > 0) sum += low[t * Layout::kStride + row];
    if (o.bias) sum += o.bias.value(n);
    if (o.residual) sum += o.residual.value(t * o.s.N + n);
    o.y.set(t * o.s.N + n, sum);
  }
}

// Calls body(static_cast<Rows*>(nullptr)) with how the rows of the weight are read.
template <class Body>
void withRows(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::F32:
      return body(static_cast<PlainRows<float>*>(nullptr));
    case DType::F16:
      return body(static_cast<PlainRows<__half>*>(nullptr));
    case DType::BF16:
      return body(static_cast<PlainRows<Bf16>*>(nullptr));
    default:
      return withPackedBlocks(dtype, [&](auto* blocks) {
        body(static_cast<BlockRows<Pointed<decltype(blocks)>::kFormat>*>(nullptr));
      });
  }
}

template <class Rows, int kTiles, int kColumns, bool kAligned>
void start(Operands operands, const Context& context) {
  using Layout = Shared<kTiles, kColumns>;
  const int64_t blocks = operands.lowBlocks + ceilDivide(operands.s.N, Layout::kRows);
  // Those that others wait for must begin no later than these. Where not all run at once they draw numbers.
  operands.byTicket = operands.lowBlocks > 0 && blocks > context.machine.multiprocessors;
  context.require(launch(decodeRows<Rows, kTiles, kColumns, kAligned>, dim3(static_cast<unsigned>(blocks)),
                         dim3(kThreads), Layout::kFloats * sizeof(float) + sizeof(unsigned), context.stream,
                         operands));
}

}  // namespace

bool isDecode(const LoraLinearForward& args) {
  return args.x.dtype == DType::BF16 && args.x.shape[0] <= kExactRows && args.x.shape[1] <= kMostColumns &&
         (!isBlockFormat(args.weight.dtype) || isPackedBlocks(args.weight));
}

int64_t decodeWorkspace(const LoraLinearForward& args) {
  const ForwardSizes s = sizesOf(args);
  return args.loraA ? kCounterBytes + s.T * s.R * static_cast<int64_t>(sizeof(float)) : 0;
}

void decodeForward(const LoraLinearForward& args, const Context& context) {
  const ForwardSizes s = sizesOf(args);
  if (s.T == 0 || s.N == 0) return;
  auto* counters = reinterpret_cast<unsigned*>(context.workspace);
  const bool lora = static_cast<bool>(args.loraA);
  if (lora) context.require(cudaMemsetAsync(counters, 0, 2 * sizeof *counters, context.stream));
  const Operands operands{args.x.as<const Bf16>(),
                          args.weight.data,
                          view(args.loraA),
                          view(args.loraB),
                          args.adapterOfRow ? args.adapterOfRow.as<const int32_t>() : nullptr,
                          view(args.bias),
                          view(args.residual),
                          view(args.y),
                          view(args.xa),
                          reinterpret_cast<float*>(context.workspace + kCounterBytes),
                          counters,
                          static_cast<unsigned>(ceilDivide(s.P * s.R, kTileRows)),
                          false,
                          segmentsOf(args.segments, args.slots, s.N, lora),
                          static_cast<float>(args.scale),
                          s};
  withRows(args.weight.dtype, [&](auto* rows) {
    using Rows = Pointed<decltype(rows)>;
    const bool aligned = s.K % kVector == 0 && areAligned({&args.x, &args.weight, &args.loraA});
    if (!aligned)
      start<Rows, 1, 2, false>(operands, context);
    else if (s.T <= kTileColumns)
      start<Rows, 1, 1, true>(operands, context);
    else
      start<Rows, 2, 2, true>(operands, context);
  });
}

}  // namespace ibert::cuda

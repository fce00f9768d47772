#include "linear_cross_entropy.h"

#include <algorithm>

#include "register.h"
#include "tile_choice.h"

namespace ibert::metal {

namespace {

constexpr int64_t kEdge = 4;  // as product.h has it
constexpr int64_t kLogitBytes = int64_t{64} << 20, kFloat = sizeof(float);

int64_t rowsOfChunk(const LinearCrossEntropy& args) {
  const int64_t fit = kLogitBytes / (kFloat * std::max<int64_t>(args.weight.shape[0], 1));
  return std::min(args.x.shape[0], std::max<int64_t>(fit / kEdge * kEdge, kEdge));
}

// ---- In tiles ----

// Rows at a time, which bound the memory of the gradient.
constexpr int64_t kMostRows = 2048;

// Floats of scratch memory, each part from a multiple of 256 bytes on.
struct TileScratch {
  int64_t rows, partCount;
  int64_t parts, targetLogits, rowSums, gradient, sofar, end;

  explicit TileScratch(const LinearCrossEntropy& args)
      : rows(std::min(args.x.shape[0], kMostRows)),
        partCount(ceilDivide(args.weight.shape[0], kPartColumns) * ManyRows::kColumnGroups) {
    static_assert(SomeRows::kColumnGroups == ManyRows::kColumnGroups);
    const bool isChunked = args.dx && args.weight.shape[0] > kGradientColumns;
    int64_t next = 0;
    const auto take = [&](int64_t floats) {
      const int64_t at = next;
      next += ceilDivide(floats, 64) * 64;
      return at;
    };
    parts = take(2 * partCount * rows);
    targetLogits = take(rows);
    rowSums = take(3 * rows);
    gradient = take(args.dx ? rows * kGradientColumns : 0);
    sofar = take(isChunked ? rows * args.x.shape[1] : 0);
    end = next;
  }
};

void runTiles(const LinearCrossEntropy& args, LossParameters p, Context& context) {
  const TileScratch scratch(args);
  const auto at = [&](int64_t floats) { return context.scratch(floats * kFloat); };
  const TileType type = tileType(context.machine, {&args.x});
  p.parts = scratch.partCount;
  p.aligned = alignedFlag(args.x, kAlignedLossX) | alignedFlag(args.weight, kAlignedLossWeight);
  for (p.first = 0; p.first < args.x.shape[0]; p.first += scratch.rows) {
    p.rows = std::min(args.x.shape[0] - p.first, scratch.rows);
    const bool many = tileRows(p.rows, context.machine) == TileRows::many;
    const int64_t memory = (many ? ManyRows::kFloats : SomeRows::kFloats) * kFloat;
    const int64_t rowTiles = ceilDivide(p.rows, many ? ManyRows::kRows : SomeRows::kRows);
    const auto tiles = [&](int64_t columns) {
      static_assert(SomeRows::kColumns == ManyRows::kColumns);
      return rowTiles * ceilDivide(columns, ManyRows::kColumns);
    };
    context.tiles(many ? "lossPartsMany" : "lossPartsSome", rowTiles * ceilDivide(p.V, kPartColumns),
                  {&args.x, &args.weight, &args.targets, at(scratch.parts), at(scratch.targetLogits)}, p,
                  memory, type);
    context.elements("lossOfParts", p.rows,
                     {at(scratch.parts), at(scratch.targetLogits), &args.targets, &args.tokenWeight,
                      at(scratch.rowSums), &args.loss, &args.logprob},
                     p);
    for (p.begin = 0; args.dx && p.begin < p.V; p.begin += kGradientColumns) {
      p.end = std::min<int64_t>(p.V, p.begin + kGradientColumns);
      context.tiles(many ? "lossLogitGradientMany" : "lossLogitGradientSome", tiles(p.end - p.begin),
                    {&args.x, &args.weight, &args.targets, at(scratch.rowSums), at(scratch.gradient)}, p,
                    memory, type);
      context.tiles(many ? "lossChunkGradientMany" : "lossChunkGradientSome", tiles(p.D),
                    {at(scratch.gradient), &args.weight, at(scratch.sofar), &args.dx}, p, memory, type);
    }
  }
}

// Without a vocabulary no tile would write dx.
bool isInTiles(const LinearCrossEntropy& args, Machine machine) {
  return machine.hasMatrices() && args.weight.shape[0] > 0;
}

const char* pathOf(const LinearCrossEntropy& args, Machine machine) {
  return isInTiles(args, machine) ? tilePath(tileType(machine, {&args.x})) : kTwin;
}

int64_t workspace(const LinearCrossEntropy& args, Machine machine) {
  if (isInTiles(args, machine)) return TileScratch(args).end * kFloat;
  return rowsOfChunk(args) * args.weight.shape[0] * kFloat;
}

void run(const LinearCrossEntropy& args, Context& context) {
  const int64_t T = args.x.shape[0], chunk = rowsOfChunk(args);
  LossParameters p{};
  p.D = args.x.shape[1];
  p.V = args.weight.shape[0];
  p.gradScale = static_cast<float>(args.gradScale);
  p.hasWeights = static_cast<bool>(args.tokenWeight);
  p.hasLogprob = static_cast<bool>(args.logprob);
  p.x = numberOf(args.x);
  p.weight = numberOf(args.weight);
  p.dx = numberOf(args.dx);
  if (isInTiles(args, context.machine)) return runTiles(args, p, context);
  // lossRows turns the one into the other where it is.
  const Operand logits = context.scratch(0), gradient = logits;
  const auto threads = [&](int64_t columns) {
    return ceilDivide(p.rows, kEdge) * ceilDivide(columns, kEdge);
  };
  for (p.first = 0; p.first < T; p.first += chunk) {
    p.rows = std::min(T - p.first, chunk);
    context.elements("lossLogits", threads(p.V), {&args.x, &args.weight, logits}, p);
    context.rows("lossRows", p.rows, {&args.targets, &args.tokenWeight, logits, &args.loss, &args.logprob}, p,
                 kFewThreads * kFloat);
    if (args.dx) context.elements("lossGradient", threads(p.D), {gradient, &args.weight, &args.dx}, p);
  }
}

}  // namespace

void registerLinearCrossEntropy(KernelTable& table) {
  table.set<LinearCrossEntropy, run>(kMatrices);
  table.setPathOf<LinearCrossEntropy, pathOf>();
  table.setWorkspace<LinearCrossEntropy, workspace>();
}

}  // namespace ibert::metal

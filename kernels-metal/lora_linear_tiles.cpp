#include "lora_linear_tiles.h"

#include "tile_choice.h"

namespace ibert::metal {

namespace {

constexpr int64_t kFloat = sizeof(float);

// Columns of x A^T that a threadgroup keeps for a slot: those of each adapter in whole eights, so that no
// matrix holds two adapters' columns.
int64_t lowColumnsOf(const LoraLinearForward& args) {
  return args.loraA ? args.loraA.shape[0] * ceilDivide(args.loraB.shape[2], 8) * 8 : 0;
}

// Elements of threadgroup memory for them. Whether there is room is asked for float32 in either type.
template <class Shape>
constexpr int64_t lowRoom(int64_t columns) {
  return columns == 0 ? 0 : Shape::kRows * (columns + kTilePad);
}
template <class Shape>
constexpr bool hasRoom(int64_t columns) {
  return (Shape::kFloats + lowRoom<Shape>(columns)) * kFloat <= Machine().threadgroupBytes;
}

// Some segment that has rows writes each slot's columns of xa.
bool coversSlots(const LoraLinearForward& args) {
  if (!args.xa || args.segments.count == 0) return true;
  const int64_t slots = args.loraA.shape[1] / std::max<int64_t>(args.loraB.shape[2], 1);
  for (int64_t slot = 0; slot < slots; ++slot) {
    bool isThere = false;
    for (int64_t i = 0, begin = 0; i < args.segments.count; begin = args.segments.values[i++])
      isThere = isThere || (args.slots.values[i] == slot && args.segments.values[i] > begin);
    if (!isThere) return false;
  }
  return true;
}

template <class Shape>
void launchTiles(const char* kernel, const LoraLinearForward& args, LinearParameters p, Context& context) {
  const int64_t rowTiles = ceilDivide(p.T, Shape::kRows);
  p.span = static_cast<int32_t>(
      p.hasLora ? tileSpan(rowTiles * ceilDivide(p.N, Shape::kColumns), context.machine) : 1);
  const TileType type = tileType(context.machine, {&args.x});
  int64_t spans = 0;
  for (int64_t i = 0, begin = 0; i < p.segmentCount; begin = p.ends[i++])
    spans += ceilDivide(p.ends[i] - begin, p.span * Shape::kColumns);
  context.tiles(kernel, rowTiles * spans,
                {&args.x, &args.weight, &args.loraA, &args.loraB, &args.adapterOfRow, &args.bias,
                 &args.residual, &args.y, &args.xa},
                p, Shape::kFloats * kFloat + lowRoom<Shape>(p.lowColumns) * (type == TileType::bf16 ? 2 : 4),
                type);
}

}  // namespace

bool isForwardInTiles(const LoraLinearForward& args, Machine machine) {
  return machine.hasMatrices() && hasRoom<FewRows>(lowColumnsOf(args)) && coversSlots(args);
}

void forwardInTiles(const LoraLinearForward& args, LinearParameters p, Context& context) {
  if (!p.hasLora) {
    p.segmentCount = 1;
    p.ends[0] = p.N;
    p.slots[0] = -1;
  }
  p.padded = static_cast<int32_t>(ceilDivide(p.r, 8) * 8);
  p.lowColumns = static_cast<int32_t>(lowColumnsOf(args));
  p.aligned = alignedFlag(args.x, kAlignedX) | alignedFlag(args.weight, kAlignedWeight) |
              alignedFlag(args.loraA, kAlignedA) | alignedFlag(args.loraB, kAlignedB);
  const TileRows rows = tileRows(p.T, context.machine);
  if (rows == TileRows::many && hasRoom<ManyRows>(p.lowColumns)) {
    launchTiles<ManyRows>("linearForwardMany", args, p, context);
  } else if (rows != TileRows::few && hasRoom<SomeRows>(p.lowColumns)) {
    launchTiles<SomeRows>("linearForwardSome", args, p, context);
  } else {
    launchTiles<FewRows>("linearForwardFew", args, p, context);
  }
}

namespace {

template <class Shape>
int64_t tilesOf(int64_t rows, int64_t columns) {
  return ceilDivide(rows, Shape::kRows) * ceilDivide(columns, Shape::kColumns);
}
constexpr bool isMany(TileRows rows) {
  return rows == TileRows::many;
}

}  // namespace

void backwardInTiles(const LoraLinearBackward& args, LinearParameters p, Operand low, Context& context) {
  const Machine machine = context.machine;
  const TileType type = tileType(machine, {&args.dy});
  p.aligned = alignedFlag(args.x, kAlignedX) | alignedFlag(args.weight, kAlignedWeight) |
              alignedFlag(args.loraA, kAlignedA) | alignedFlag(args.loraB, kAlignedB) |
              alignedFlag(args.dy, kAlignedDy) | alignedFlag(args.xa, kAlignedXa);
  constexpr int64_t kSome = SomeRows::kFloats * kFloat, kMany = ManyRows::kFloats * kFloat,
                    kFew = FewColumns::kFloats * kFloat;
  if (args.loraA) {
    const int64_t slots = p.R / std::max<int64_t>(p.r, 1);
    context.tiles("linearLowGradientTiles", slots * tilesOf<FewColumns>(p.T, p.r),
                  {&args.dy, &args.loraB, low}, p, kFew, type);
  }
  if (args.dx) {
    const bool many = isMany(tileRows(p.T, machine));
    context.tiles(many ? "linearInputGradientMany" : "linearInputGradientSome",
                  many ? tilesOf<ManyRows>(p.T, p.K) : tilesOf<SomeRows>(p.T, p.K),
                  {&args.dy, &args.weight, low, &args.loraA, &args.dx}, p, many ? kMany : kSome, type);
  }
  if (args.dLoraA) {
    const bool many = isMany(tileRows(p.R, machine));
    context.tiles(many ? "linearAGradientMany" : "linearAGradientSome",
                  many ? tilesOf<ManyRows>(p.R, p.K) : tilesOf<SomeRows>(p.R, p.K),
                  {low, &args.x, &args.dLoraA}, p, many ? kMany : kSome,
                  tileType(machine, {&args.dy, &args.x}));
  }
  if (args.dLoraB) {
    int64_t rowTiles = 0;
    for (int64_t i = 0, begin = 0; i < p.segmentCount; begin = p.ends[i++])
      rowTiles += ceilDivide(p.ends[i] - begin, FewColumns::kRows);
    context.tiles("linearBGradientTiles", rowTiles * ceilDivide(p.r, FewColumns::kColumns),
                  {&args.dy, &args.xa, &args.dLoraB}, p, kFew, tileType(machine, {&args.dy, &args.xa}));
  }
}

}  // namespace ibert::metal

#include "lora_linear.h"

#include "lora_linear_tiles.h"
#include "register.h"
#include "tile_choice.h"

namespace ibert::metal {

namespace {

constexpr int64_t kEdge = 4;  // as product.h has it

int64_t threadsOver(int64_t rows, int64_t columns) {
  return ceilDivide(rows, kEdge) * ceilDivide(columns, kEdge);
}

template <class Struct>
LinearParameters parametersOf(const Struct& args, int64_t T) {
  LinearParameters p{};
  p.T = T;
  p.N = args.weight.shape[0];
  p.K = args.weight.shape[1];
  p.weight = numberOf(args.weight);
  p.x = numberOf(args.x);
  p.xa = numberOf(args.xa);
  p.scale = static_cast<float>(args.scale);
  if (!args.loraA) return p;
  p.hasLora = 1;
  p.P = args.loraA.shape[0];
  p.R = args.loraA.shape[1];
  p.r = args.loraB.shape[2];
  p.A = numberOf(args.loraA);
  p.B = numberOf(args.loraB);
  // Without segments all rows have the first slot.
  p.segmentCount = args.segments.count == 0 ? 1 : static_cast<int32_t>(args.segments.count);
  p.ends[0] = p.N;
  for (int64_t i = 0; i < args.segments.count; ++i) {
    p.ends[i] = args.segments.values[i];
    p.slots[i] = static_cast<int32_t>(args.slots.values[i]);
  }
  return p;
}

template <class Struct>
int64_t workspace(const Struct& args, int64_t T) {
  return args.loraA ? T * args.loraA.shape[1] * static_cast<int64_t>(sizeof(float)) : 0;
}
int64_t forwardWorkspace(const LoraLinearForward& args, Machine machine) {
  return isForwardInTiles(args, machine) ? 0 : workspace(args, args.x.shape[0]);
}
int64_t backwardWorkspace(const LoraLinearBackward& args, Machine) {
  return workspace(args, args.dy.shape[0]);
}

void forward(const LoraLinearForward& args, Context& context) {
  LinearParameters p = parametersOf(args, args.x.shape[0]);
  p.hasAdapters = static_cast<bool>(args.adapterOfRow);
  p.hasBias = static_cast<bool>(args.bias);
  p.hasResidual = static_cast<bool>(args.residual);
  p.keepsLow = static_cast<bool>(args.xa);
  p.residual = numberOf(args.residual);
  p.y = numberOf(args.y);
  if (isForwardInTiles(args, context.machine)) return forwardInTiles(args, p, context);
  const Operand low = args.loraA ? context.scratch(0) : Operand();
  if (args.loraA)
    context.elements("linearLow", p.T * p.R, {&args.x, &args.loraA, &args.adapterOfRow, low, &args.xa}, p);
  context.elements(
      "linearForward", threadsOver(p.T, p.N),
      {&args.x, &args.weight, low, &args.loraB, &args.adapterOfRow, &args.bias, &args.residual, &args.y}, p);
}

void backward(const LoraLinearBackward& args, Context& context) {
  LinearParameters p = parametersOf(args, args.dy.shape[0]);
  p.dy = numberOf(args.dy);
  p.dx = numberOf(args.dx);
  const Operand low = args.loraA ? context.scratch(0) : Operand();
  if (context.machine.hasMatrices()) return backwardInTiles(args, p, low, context);
  if (args.loraA) context.elements("linearLowGradient", p.T * p.R, {&args.dy, &args.loraB, low}, p);
  if (args.dx)
    context.elements("linearInputGradient", threadsOver(p.T, p.K),
                     {&args.dy, &args.weight, low, &args.loraA, &args.dx}, p);
  if (args.dLoraA) context.elements("linearAGradient", p.R * p.K, {low, &args.x, &args.dLoraA}, p);
  if (args.dLoraB) context.elements("linearBGradient", p.N * p.r, {&args.dy, &args.xa, &args.dLoraB}, p);
}

std::string forwardUnsupported(const LoraLinearForward& args) {
  return args.xa && !args.loraA ? "xa needs loraA" : "";
}
std::string backwardUnsupported(const LoraLinearBackward& args) {
  return (args.dLoraA || args.dLoraB) && !args.loraA ? "dLoraA and dLoraB need loraA and loraB" : "";
}

const char* forwardPath(const LoraLinearForward& args, Machine machine) {
  return isForwardInTiles(args, machine) ? tilePath(tileType(machine, {&args.x})) : kTwin;
}
const char* backwardPath(const LoraLinearBackward& args, Machine machine) {
  return machine.hasMatrices() ? tilePath(tileType(machine, {&args.dy})) : kTwin;
}

}  // namespace

void registerLoraLinear(KernelTable& table) {
  table.set<LoraLinearForward, forward>(kMatrices);
  table.setPathOf<LoraLinearForward, forwardPath>();
  table.setWorkspace<LoraLinearForward, forwardWorkspace>();
  table.setUnsupported<LoraLinearForward, forwardUnsupported>();
  table.set<LoraLinearBackward, backward>(kMatrices);
  table.setPathOf<LoraLinearBackward, backwardPath>();
  table.setWorkspace<LoraLinearBackward, backwardWorkspace>();
  table.setUnsupported<LoraLinearBackward, backwardUnsupported>();
}

}  // namespace ibert::metal

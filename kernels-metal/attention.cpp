#include "attention.h"

#include <cmath>

#include "register.h"
#include "tile_choice.h"

namespace ibert::metal {

namespace {

constexpr int64_t kFloat = sizeof(float);
constexpr int bytesOf(TileType type) {
  return type == TileType::bf16 ? 2 : 4;
}
constexpr bool fits(int D, int bytes) {
  constexpr int64_t kMost = Machine{}.threadgroupBytes;
  return forwardBytes(D, kSomeQueries, bytes) <= kMost && keysBytes(D, bytes) <= kMost &&
         (D != 64 || forwardBytes(D, kManyQueries, bytes) <= kMost);
}
static_assert(fits(64, 2) && fits(64, 4) && fits(128, 2) && fits(128, 4));

template <class Struct>
AttentionParameters parametersOf(const Struct& args) {
  AttentionParameters parameters{};
  parameters.at = {args.heads, args.kvHeads, args.headDim};
  parameters.T = args.qkv.shape[0];
  parameters.S = args.offsets.shape[0];
  parameters.scale = static_cast<float>(args.scale);
  parameters.qkv = numberOf(args.qkv);
  parameters.y = numberOf(args.y);
  return parameters;
}

// Of the dtypes, heads and machine alone, so that the bits of a row do not depend on where it lies.
bool isFlash(const AttentionForward& args, Machine machine) {
  return machine.hasMatrices() && args.qkv.dtype == DType::BF16 &&
         (args.headDim == 64 || args.headDim == 128) && std::isfinite(static_cast<float>(args.scale) * 2);
}
const char* forwardPath(const AttentionForward& args, Machine machine) {
  return isFlash(args, machine) ? tilePath(tileType(machine, {&args.qkv})) : kTwin;
}

void flashForward(const AttentionForward& args, AttentionParameters parameters, Context& context) {
  parameters.aligned = areAligned({&args.qkv}, 8);
  const TileType type = tileType(context.machine, {&args.qkv});
  const int D = static_cast<int>(args.headDim);
  const int64_t queries = parameters.T * (args.heads / args.kvHeads);
  const int64_t some = ceilDivide(queries, kSomeQueries) * args.kvHeads,
                many = ceilDivide(queries, kManyQueries) * args.kvHeads;
  const int bytes = bytesOf(type);
  if (D == 64 && takesLargeTiles(many, context.machine)) {
    context.tiles("flashForward64Many", many, {&args.qkv, &args.offsets, &args.y, &args.lse}, parameters,
                  forwardBytes(64, kManyQueries, bytes), type);
  } else {
    context.tiles(D == 64 ? "flashForward64" : "flashForward128", some,
                  {&args.qkv, &args.offsets, &args.y, &args.lse}, parameters,
                  forwardBytes(D, kSomeQueries, bytes), type);
  }
}

void forward(const AttentionForward& args, Context& context) {
  if (isFlash(args, context.machine)) return flashForward(args, parametersOf(args), context);
  context.rows("attentionForward", args.qkv.shape[0] * args.heads,
               {&args.qkv, &args.offsets, &args.y, &args.lse}, parametersOf(args), 2 * kFewThreads * kFloat);
}

bool isFlash(const AttentionBackward& args, Machine machine) {
  if (!machine.hasMatrices()) return false;
  for (const Tensor* tensor : {&args.dy, &args.qkv, &args.y, &args.dqkv})
    if (tensor->dtype != DType::BF16) return false;
  return (args.headDim == 64 || args.headDim == 128) && std::isfinite(static_cast<float>(args.scale) * 2);
}
const char* backwardPath(const AttentionBackward& args, Machine machine) {
  return isFlash(args, machine) ? tilePath(tileType(machine, {&args.qkv})) : kTwin;
}

// delta, and behind it, of the fast kernels, where each token's sequence begins.
int64_t deltaBytes(const AttentionBackward& args) {
  return args.qkv.shape[0] * args.heads * kFloat;
}
int64_t workspace(const AttentionBackward& args, Machine machine) {
  const int64_t begins = args.qkv.shape[0] * static_cast<int64_t>(sizeof(int32_t));
  return deltaBytes(args) + (isFlash(args, machine) ? begins : 0);
}

void flashBackward(const AttentionBackward& args, AttentionParameters parameters, Context& context) {
  parameters.aligned = areAligned({&args.qkv, &args.dy}, 8);
  const TileType type = tileType(context.machine, {&args.qkv});
  const Operand delta = context.scratch(0), begins = context.scratch(deltaBytes(args));
  const int D = static_cast<int>(args.headDim), bytes = bytesOf(type), rows = backwardRows(D, bytes);
  const int64_t group = args.heads / args.kvHeads;
  context.tiles("flashFacts", ceilDivide(parameters.T * args.heads, kFlashSimdgroups),
                {&args.dy, &args.y, &args.offsets, delta, begins}, parameters, 0, type);
  context.tiles(
      D == 64 ? "flashQueries64" : "flashQueries128", ceilDivide(parameters.T * group, rows) * args.kvHeads,
      {&args.dy, &args.qkv, &args.lse, delta, begins, &args.dqkv}, parameters, backwardBytes(D, bytes), type);
  context.tiles(D == 64 ? "flashKeys64" : "flashKeys128", ceilDivide(parameters.T, rows) * args.kvHeads,
                {&args.dy, &args.qkv, &args.lse, delta, begins, &args.offsets, &args.dqkv}, parameters,
                keysBytes(D, bytes), type);
}

void backward(const AttentionBackward& args, Context& context) {
  AttentionParameters parameters = parametersOf(args);
  parameters.dy = numberOf(args.dy);
  parameters.dqkv = numberOf(args.dqkv);
  if (isFlash(args, context.machine)) return flashBackward(args, parameters, context);
  const int64_t queries = parameters.T * args.heads, keys = parameters.T * args.kvHeads;
  const Operand delta = context.scratch(0);
  context.elements("attentionDelta", queries, {&args.dy, &args.y, delta}, parameters);
  context.rows("attentionQueries", queries,
               {&args.dy, &args.qkv, &args.lse, delta, &args.offsets, &args.dqkv}, parameters,
               kFewThreads * kFloat);
  context.rows("attentionKeys", keys, {&args.dy, &args.qkv, &args.lse, delta, &args.offsets, &args.dqkv},
               parameters, 2 * kFewThreads * kFloat);
}

}  // namespace

void registerAttention(KernelTable& table) {
  table.set<AttentionForward, forward>(kMatrices);
  table.setPathOf<AttentionForward, forwardPath>();
  table.set<AttentionBackward, backward>(kMatrices);
  table.setPathOf<AttentionBackward, backwardPath>();
  table.setWorkspace<AttentionBackward, workspace>();
}

}  // namespace ibert::metal

#include "attention.h"

#include <cmath>

#include "register.h"

namespace ibert::metal {

namespace {

constexpr int64_t kFloat = sizeof(float);
constexpr bool fits(int D) {
  return forwardBytes(D) <= Machine{}.threadgroupBytes && queriesBytes(D) <= Machine{}.threadgroupBytes &&
         keysBytes(D) <= Machine{}.threadgroupBytes;
}
static_assert(fits(64) && fits(128));

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

// Of the dtypes and heads alone, so that the bits of a row do not depend on where it lies.
bool isFlash(const AttentionForward& args) {
  return args.qkv.dtype == DType::BF16 && (args.headDim == 64 || args.headDim == 128) &&
         std::isfinite(static_cast<float>(args.scale) * 2);
}
const char* forwardPath(const AttentionForward& args) {
  return isFlash(args) ? kFlash : kTwin;
}

void forward(const AttentionForward& args, Context& context) {
  if (isFlash(args)) {
    AttentionParameters parameters = parametersOf(args);
    parameters.aligned = areAligned({&args.qkv}, 8);
    const int64_t tiles = ceilDivide(parameters.T * (args.heads / args.kvHeads), kForwardRows);
    const int D = static_cast<int>(args.headDim);
    return context.groups(D == 64 ? "flashForward64" : "flashForward128", tiles * args.kvHeads, kFlashThreads,
                          {&args.qkv, &args.offsets, &args.y, &args.lse}, parameters, forwardBytes(D));
  }
  context.rows("attentionForward", args.qkv.shape[0] * args.heads,
               {&args.qkv, &args.offsets, &args.y, &args.lse}, parametersOf(args), 2 * kFewThreads * kFloat);
}

bool isFlash(const AttentionBackward& args) {
  for (const Tensor* tensor : {&args.dy, &args.qkv, &args.y, &args.dqkv})
    if (tensor->dtype != DType::BF16) return false;
  return (args.headDim == 64 || args.headDim == 128) && std::isfinite(static_cast<float>(args.scale) * 2);
}
const char* backwardPath(const AttentionBackward& args) {
  return isFlash(args) ? kFlash : kTwin;
}

// delta, and behind it, of the fast kernels, where each token's sequence begins.
int64_t deltaBytes(const AttentionBackward& args) {
  return args.qkv.shape[0] * args.heads * kFloat;
}
int64_t workspace(const AttentionBackward& args, Machine) {
  const int64_t begins = args.qkv.shape[0] * static_cast<int64_t>(sizeof(int32_t));
  return deltaBytes(args) + (isFlash(args) ? begins : 0);
}

void flashBackward(const AttentionBackward& args, AttentionParameters parameters, Context& context) {
  parameters.aligned = areAligned({&args.qkv, &args.dy}, 8);
  const Operand delta = context.scratch(0), begins = context.scratch(deltaBytes(args));
  const int D = static_cast<int>(args.headDim), rows = backwardRows(D);
  const int64_t group = args.heads / args.kvHeads;
  context.groups("flashFacts", ceilDivide(parameters.T * args.heads, kFlashSimdgroups), kFlashThreads,
                 {&args.dy, &args.y, &args.offsets, delta, begins}, parameters, 0);
  context.groups(D == 64 ? "flashQueries64" : "flashQueries128",
                 ceilDivide(parameters.T * group, rows) * args.kvHeads, kFlashThreads,
                 {&args.dy, &args.qkv, &args.lse, delta, begins, &args.dqkv}, parameters, queriesBytes(D));
  context.groups(D == 64 ? "flashKeys64" : "flashKeys128", ceilDivide(parameters.T, rows) * args.kvHeads,
                 kFlashThreads, {&args.dy, &args.qkv, &args.lse, delta, begins, &args.offsets, &args.dqkv},
                 parameters, keysBytes(D));
}

void backward(const AttentionBackward& args, Context& context) {
  AttentionParameters parameters = parametersOf(args);
  parameters.dy = numberOf(args.dy);
  parameters.dqkv = numberOf(args.dqkv);
  if (isFlash(args)) return flashBackward(args, parameters, context);
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
  table.set<AttentionForward, forward>(kFlash);
  table.setPathOf<AttentionForward, forwardPath>();
  table.set<AttentionBackward, backward>(kFlash);
  table.setPathOf<AttentionBackward, backwardPath>();
  table.setWorkspace<AttentionBackward, workspace>();
}

}  // namespace ibert::metal

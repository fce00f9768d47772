#include "attention.h"

#include "register.h"

namespace ibert::metal {

namespace {

constexpr int64_t kFloat = sizeof(float);

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

void forward(const AttentionForward& args, Context& context) {
  context.rows("attentionForward", args.qkv.shape[0] * args.heads,
               {&args.qkv, &args.offsets, &args.y, &args.lse}, parametersOf(args), 2 * kFewThreads * kFloat);
}

int64_t workspace(const AttentionBackward& args, Machine) {
  return args.qkv.shape[0] * args.heads * kFloat;
}

void backward(const AttentionBackward& args, Context& context) {
  AttentionParameters parameters = parametersOf(args);
  parameters.dy = numberOf(args.dy);
  parameters.dqkv = numberOf(args.dqkv);
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
  table.set<AttentionForward, forward>(kTwin);
  table.set<AttentionBackward, backward>(kTwin);
  table.setWorkspace<AttentionBackward, workspace>();
}

}  // namespace ibert::metal

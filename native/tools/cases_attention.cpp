// Cases of attentionForward and attentionBackward.
#include <cmath>

#include "cases.h"

namespace ibert::tools {

namespace {

struct Heads {
  int64_t heads, kvHeads, headDim;
};

using Lengths = std::vector<int32_t>;  // of the packed sequences

Tensor offsetsOf(Maker& make, const Lengths& lengths) {
  std::vector<int32_t> offsets{0};
  for (int32_t length : lengths) offsets.push_back(offsets.back() + length);
  return make.integers({static_cast<int64_t>(offsets.size())}, offsets);
}

// Of qkv and dqkv, and of y and dy.
struct Dtypes {
  DType qkv, y;
};

std::string labelOf(Dtypes dtypes, const Heads& at, const Lengths& lengths, double size) {
  std::string label = dtypeInfo(dtypes.qkv)->name + into(dtypes.qkv, dtypes.y) + " heads " +
                      std::to_string(at.heads) + "/" + std::to_string(at.kvHeads) + " of " +
                      std::to_string(at.headDim) + ", lengths";
  for (int32_t length : lengths) label.append(" ").append(std::to_string(length));
  return label + (size == 1 ? "" : ", of size " + std::to_string(static_cast<int>(size)));
}

AttentionForward forward(Maker& make, Dtypes dtypes, const Heads& at, const Lengths& lengths, double size) {
  int64_t T = 0;
  for (int32_t length : lengths) T += length;
  AttentionForward args{};
  args.qkv = make.normal(dtypes.qkv, {T, (at.heads + 2 * at.kvHeads) * at.headDim}, size);
  args.offsets = offsetsOf(make, lengths);
  args.y = make.empty(dtypes.y, {T, at.heads * at.headDim});
  args.lse = make.empty(DType::F32, {T, at.heads});
  args.heads = at.heads;
  args.kvHeads = at.kvHeads;
  args.headDim = at.headDim;
  args.scale = 1 / std::sqrt(static_cast<double>(at.headDim));
  return args;
}

AttentionBackward backward(Maker& make, const AttentionForward& before) {
  make.reference(before);
  AttentionBackward args{};
  args.dy = make.normal(before.y.dtype, {before.y.shape[0], before.y.shape[1]});
  args.qkv = before.qkv;
  args.y = before.y;
  args.lse = before.lse;
  args.offsets = before.offsets;
  args.dqkv = make.empty(before.qkv.dtype, {before.qkv.shape[0], before.qkv.shape[1]});
  args.heads = before.heads;
  args.kvHeads = before.kvHeads;
  args.headDim = before.headDim;
  args.scale = before.scale;
  return args;
}

void attentionCases(CaseList& list, Dtypes dtypes, Heads at, const Lengths& lengths, double size = 1) {
  const std::string label = labelOf(dtypes, at, lengths, size);
  list.push_back({Op::attentionForward, label, [=](Maker& make) {
                    make.arguments(forward(make, dtypes, at, lengths, size));
                    if (dtypes.qkv == DType::BF16) make.bound("y", kRounded16);  // probabilities are operands
                  }});
  list.push_back({Op::attentionBackward, label, [=](Maker& make) {
                    make.arguments(backward(make, forward(make, dtypes, at, lengths, size)));
                    if (dtypes.qkv == DType::F32 && size > 1) make.bound("dqkv", kSteep32);
                    if (dtypes.qkv == DType::BF16 || dtypes.y == DType::BF16)
                      make.bound("dqkv", kOperands16);  // p and ds are operands
                  }});
}

void offsetsError(CaseList& list, const std::string& label, const std::vector<int32_t>& offsets,
                  int32_t wrong) {
  for (const bool back : {false, true}) {
    list.push_back({back ? Op::attentionBackward : Op::attentionForward, label, [=](Maker& make) {
                      AttentionForward args = forward(make, {DType::BF16, DType::BF16}, {2, 1, 64}, {7}, 1);
                      const AttentionBackward gradient = backward(make, args);
                      const Tensor bad = make.integers({static_cast<int64_t>(offsets.size())}, offsets);
                      if (back) {
                        AttentionBackward copy = gradient;
                        copy.offsets = bad;
                        make.arguments(copy);
                      } else {
                        args.offsets = bad;
                        make.arguments(args);
                      }
                      make.mustFail(std::to_string(wrong));
                    }});
  }
}

}  // namespace

void addAttentionCases(CaseList& list) {
  for (const DType act : kActivations) {
    const Dtypes dtype{act, act};
    attentionCases(list, dtype, {1, 1, 16}, {1});
    attentionCases(list, dtype, {4, 2, 16}, {1, 2, 31, 33});
    attentionCases(list, dtype, {9, 3, 64}, {65, 1, 127});
    attentionCases(list, dtype, {2, 2, 64}, {257});
    attentionCases(list, dtype, {8, 2, 128}, {33, 2, 65});
    attentionCases(list, dtype, {4, 1, 32}, {3, 0, 70});  // an empty sequence is nobody's error
    attentionCases(list, dtype, {4, 2, 64}, {129}, 6);    // scores of some tens: nearly one-hot
    attentionCases(list, dtype, {2, 1, 80}, {35});
    attentionCases(list, dtype, {2, 1, 96}, {35});
    attentionCases(list, dtype, {8, 2, 64}, {70, 0, 1, 33});
    attentionCases(list, {act, act == DType::F32 ? DType::BF16 : DType::F32}, {4, 1, 128}, {1, 40});
    attentionCases(list, dtype, {2, 1, 192}, {65, 3});
    attentionCases(list, dtype, {4, 2, 256}, {1, 129});
    attentionCases(list, dtype, {2, 1, 64}, {0, 5, 0, 0, 17, 0});
    attentionCases(list, {act, act == DType::F32 ? DType::BF16 : DType::F32}, {3, 1, 64}, {33, 70});
    attentionCases(list, dtype, {2, 1, 64}, {});
    attentionCases(list, dtype, {2, 1, 64}, {0, 0});
    attentionCases(list, dtype, {3, 1, 64}, {63, 64, 65});
    attentionCases(list, dtype, {2, 2, 128}, {15, 16, 17, 31, 32, 127, 128, 129});
    attentionCases(list, dtype, {2, 1, 32}, {255, 256});
  }
  // Several tiles of queries and of keys, with bounds of sequences within tiles and on them.
  const Dtypes narrow{DType::BF16, DType::BF16};
  attentionCases(list, narrow, {6, 2, 128}, {127, 0, 130, 1});
  attentionCases(list, narrow, {2, 1, 128}, {300}, 6);
  attentionCases(list, narrow, {3, 1, 64}, {0, 128, 256, 0, 1, 200});
  attentionCases(list, narrow, {4, 4, 128}, {0, 64, 0, 192, 0});
  offsetsError(list, "offsets that do not start at 0", {1, 7}, 1);
  offsetsError(list, "offsets that end before the last token", {0, 3, 6}, 6);
  offsetsError(list, "offsets that descend", {0, 5, 4, 7}, 4);
}

}  // namespace ibert::tools

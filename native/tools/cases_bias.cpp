// Cases of loraLinearForward with a bias: every path that writes y, with and without what else is added to
// it.
#include "cases.h"

namespace ibert::tools {

namespace {

struct Bias {
  int64_t T, K, N;
  DType x, weight, y;
  int64_t rank;  // 0: no LoRA
  bool residual;
};

void biasCase(CaseList& list, const Bias& bias) {
  const auto [T, K, N, x, weight, y, rank, residual] = bias;
  const std::string label = named(x, {T, K}) + " times " + named(weight, {N, K}) + " packed, bias, y in " +
                            dtypeInfo(y)->name + (rank > 0 ? ", LoRA" : "") +
                            (residual ? ", residual is y" : "");
  list.push_back({Op::loraLinearForward, label, [=](Maker& make) {
                    LoraLinearForward args{};
                    args.scale = 2;
                    args.x = make.normal(x, {T, K});
                    args.weight = make.packedWeight(weight, N, K);
                    args.bias = make.normal(DType::F32, {N}, 2);
                    args.y = make.normal(y, {T, N});
                    if (residual) args.residual = args.y;
                    if (rank > 0) {
                      args.loraA = make.normal(x, {1, rank, K}, 1 / std::sqrt(static_cast<double>(K)));
                      args.loraB = make.normal(x, {1, N, rank}, 0.3);
                    }
                    if (x == DType::BF16) make.bound("y", kOperands16);
                    make.arguments(args);
                  }});
}

}  // namespace

void addBiasCases(CaseList& list) {
  constexpr DType kF32 = DType::F32, kBf16 = DType::BF16;
  for (const int64_t T : {1, 16, 17, 65}) {
    biasCase(list, {T, 64, 33, kF32, kF32, kF32, 0, false});
    biasCase(list, {T, 96, 65, kBf16, kBf16, kBf16, 8, false});
    biasCase(list, {T, 64, 31, kBf16, DType::Q8_0, kF32, 4, true});
    biasCase(list, {T, 256, 40, kF32, DType::Q4_K, kF32, 3, true});
  }
  biasCase(list, {129, 130, 257, kBf16, kBf16, kBf16, 0, false});
  list.push_back({Op::loraLinearForward, "a bias of another size", [](Maker& make) {
                    LoraLinearForward args{};
                    args.scale = 1;
                    args.x = make.normal(DType::F32, {2, 32});
                    args.weight = make.packedWeight(DType::F32, 8, 32);
                    args.bias = make.normal(DType::F32, {7});
                    args.y = make.empty(DType::F32, {2, 8});
                    make.arguments(args);
                    make.mustFail("bias has shape (7), but N = 8");
                  }});
}

}  // namespace ibert::tools

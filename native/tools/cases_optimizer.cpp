// Cases of gradNorm and adamW.
#include <cmath>

#include "cases.h"

namespace ibert::tools {

namespace {

struct Setting {
  const char* label;
  int64_t step;
  double weightDecay, maxNorm, gradScale, norm;  // norm 0: the true one
};

void adamWCase(CaseList& list, int64_t P, const Setting& setting) {
  list.push_back({Op::adamW, std::to_string(P) + " parameters, " + setting.label, [=](Maker& make) {
                    AdamW args{};
                    args.param = make.normal(DType::F32, {P}, 0.1);
                    args.grad = make.normal(DType::F32, {P}, 3);
                    args.m = make.normal(DType::F32, {P}, 0.1);
                    args.v = make.uniform(DType::F32, {P});
                    args.norm = make.values(DType::F32, {1}, {setting.norm});
                    if (setting.norm == 0) make.reference(GradNorm{args.grad, args.norm});
                    args.lr = 1e-2;
                    args.beta1 = 0.9;
                    args.beta2 = 0.999;
                    args.eps = 1e-8;
                    args.weightDecay = setting.weightDecay;
                    args.maxNorm = setting.maxNorm;
                    args.gradScale = setting.gradScale;
                    args.step = setting.step;
                    make.arguments(args);
                    if (!std::isfinite(setting.norm)) {
                      for (const char* name : {"param", "m", "v"}) make.bound(name, kExact);
                    }
                  }});
}

}  // namespace

void addOptimizerCases(CaseList& list) {
  for (const int64_t P : {1, 31, 257, 100003}) {
    list.push_back({Op::gradNorm, std::to_string(P) + " gradients", [=](Maker& make) {
                      make.arguments(
                          GradNorm{make.normal(DType::F32, {P}, 0.01), make.empty(DType::F32, {1})});
                    }});
    adamWCase(list, P, {"first step", 1, 0, 0, 1, 0});
    adamWCase(list, P, {"clipped, with decay", 7, 0.1, 1, 0.125, 0});
    adamWCase(list, P, {"below the clip", 1000, 0.01, 1e9, 0.5, 0});
    adamWCase(list, P, {"norm infinite", 3, 0.1, 1, 1, HUGE_VAL});
    adamWCase(list, P, {"norm not a number", 3, 0.1, 1, 1, std::nan("")});
  }
}

}  // namespace ibert::tools

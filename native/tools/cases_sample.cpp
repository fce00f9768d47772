// Cases of sample.
#include <cmath>

#include "cases.h"

namespace ibert::tools {

namespace {

struct Setting {
  const char* label;
  double temperature, topP;
  int64_t topK;
  double maskShare;  // of ids that are allowed; 0: no mask
};

Tensor randomMask(Maker& make, int64_t B, int64_t V, double share) {
  const int64_t words = (V + 31) / 32;
  std::vector<int32_t> mask(B * words);
  for (int64_t b = 0; b < B; ++b) {
    const int64_t sure = make.random.integer(0, V);  // so that no row is without an allowed id
    for (int64_t v = 0; v < V; ++v) {
      if (v == sure || make.random.uniform() < share) {
        mask[b * words + v / 32] |= static_cast<int32_t>(1u << (v % 32));
      }
    }
  }
  return make.integers({B, words}, mask);
}

void sampleCase(CaseList& list, int64_t B, int64_t V, const Setting& setting) {
  list.push_back({Op::sample, named(DType::F32, {B, V}) + ", " + setting.label, [=](Maker& make) {
                    Sample args{};
                    args.logits = make.normal(DType::F32, {B, V}, 3);
                    if (setting.maskShare > 0) args.mask = randomMask(make, B, V, setting.maskShare);
                    if (setting.temperature > 0) args.uniform = make.uniform(DType::F32, {B});
                    args.ids = make.empty(DType::I32, {B});
                    args.logprob = make.empty(DType::F32, {B});
                    args.temperature = setting.temperature;
                    args.topP = setting.topP;
                    args.topK = setting.topK;
                    make.arguments(args);
                  }});
}

}  // namespace

void addSampleCases(CaseList& list) {
  const Setting settings[] = {
      {"greedy", 0, 1, 0, 0},        {"greedy with a mask", 0, 1, 0, 0.3},
      {"temperature 1", 1, 1, 0, 0}, {"temperature 0.7, top-k 5", 0.7, 1, 5, 0},
      {"top-p 0.9", 1, 0.9, 0, 0},   {"temperature 1.3, top-k 40, top-p 0.8, mask", 1.3, 0.8, 40, 0.2},
      {"top-k 1", 1, 1, 1, 0.5},     {"top-p 0", 1, 0, 0, 0},
  };
  for (const Setting& setting : settings) {
    for (const int64_t V : {1, 31, 33, 257}) sampleCase(list, 9, V, setting);
    sampleCase(list, 3, 49152, setting);
  }
  // Near 0 only the highest is left, far above 1 all are alike; a bin may hold nearly the whole vocabulary.
  const Setting extremes[] = {
      {"temperature 1e-320", 1e-320, 1, 0, 0},
      {"temperature 1e-45, top-p 0.9", 1e-45, 0.9, 0, 0},
      {"temperature 1e-39, mask", 1e-39, 1, 0, 0.3},
      {"temperature 1e-6, top-k 3", 1e-6, 1, 3, 0},
      {"temperature 0.2", 0.2, 1, 0, 0},
      {"temperature 0.2, top-p 0.95", 0.2, 0.95, 0, 0},
      {"temperature 50, top-k 1000", 50, 1, 1000, 0},
      {"temperature 1e30, top-p 0.5", 1e30, 0.5, 0, 0},
      {"temperature 1e300", 1e300, 1, 0, 0},
      {"top-k above the vocabulary", 1, 1, 1 << 20, 0},
  };
  for (const Setting& setting : extremes) {
    for (const int64_t V : {1, 33, 257}) sampleCase(list, 9, V, setting);
    sampleCase(list, 2, 131072, setting);
  }
  list.push_back({Op::sample, "equal logits at every temperature", [](Maker& make) {
                    Sample args{};
                    args.logits = make.values(DType::F32, {2, 4}, {-3, -3, -3, -3, 5, 5, 5, 5});
                    args.uniform = make.values(DType::F32, {2}, {0.6, 0.1});
                    args.ids = make.empty(DType::I32, {2});
                    args.logprob = make.empty(DType::F32, {2});
                    args.temperature = 1e-40;
                    make.arguments(args);
                  }});
  list.push_back({Op::sample, "an infinite logit", [](Maker& make) {
                    Sample args{};
                    args.logits = make.values(DType::F32, {1, 3}, {1, HUGE_VAL, 2});
                    args.ids = make.empty(DType::I32, {1});
                    make.arguments(args);
                    make.mustFail("infinite");
                  }});
  list.push_back({Op::sample, "ties go to the lowest id, -inf is never drawn", [](Maker& make) {
                    const double low = -HUGE_VAL;
                    Sample args{};
                    args.logits = make.values(DType::F32, {2, 5}, {1, 4, 4, low, 4, low, low, low, 2, 2});
                    args.ids = make.empty(DType::I32, {2});
                    args.logprob = make.empty(DType::F32, {2});
                    make.arguments(args);
                  }});
  list.push_back({Op::sample, "a mask that allows no id", [](Maker& make) {
                    Sample args{};
                    args.logits = make.normal(DType::F32, {2, 33});
                    args.mask = make.integers({2, 2}, {1, 0, 0, 0});
                    args.ids = make.empty(DType::I32, {2});
                    make.arguments(args);
                    make.mustFail("1");
                  }});
}

}  // namespace ibert::tools

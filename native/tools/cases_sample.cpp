// Cases of sample.
#include <algorithm>
#include <cmath>
#include <limits>

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
                    const auto rows = static_cast<size_t>(B);
                    const double most = std::numeric_limits<float>::max();
                    if (setting.temperature > 0) {
                      args.temperature = make.values(
                          DType::F32, {B}, std::vector<double>(rows, std::min(setting.temperature, most)));
                    }
                    if (setting.topP < 1)
                      args.topP = make.values(DType::F32, {B}, std::vector<double>(rows, setting.topP));
                    if (setting.topK > 0)
                      args.topK =
                          make.integers({B}, std::vector<int32_t>(rows, static_cast<int32_t>(setting.topK)));
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
  // Rows that are drawn differently, as texts of different requests are.
  list.push_back({Op::sample, "eight settings in one batch", [](Maker& make) {
                    Sample args{};
                    args.logits = make.normal(DType::F32, {8, 257}, 3);
                    args.mask = randomMask(make, 8, 257, 0.4);
                    args.uniform = make.uniform(DType::F32, {8});
                    args.temperature = make.values(DType::F32, {8}, {0, 0.2, 0.7, 1, 1, 1.3, 50, 1e-30});
                    args.topP = make.values(DType::F32, {8}, {0.5, 1, 0.9, 0, 0.3, 1, 0.95, 1});
                    args.topK = make.integers({8}, {0, 5, 40, 0, 1, 3, 1000, 2});
                    args.ids = make.empty(DType::I32, {8});
                    args.logprob = make.empty(DType::F32, {8});
                    make.arguments(args);
                  }});
  const auto refused = [&](const std::string& field, double value) {
    list.push_back({Op::sample, field + " " + std::to_string(value), [=](Maker& make) {
                      Sample args{};
                      args.logits = make.normal(DType::F32, {3, 33});
                      args.ids = make.empty(DType::I32, {3});
                      const Tensor bad = make.values(DType::F32, {3}, {0.5, value, 0.5});
                      args.uniform = field == "uniform" ? bad : make.uniform(DType::F32, {3});
                      args.temperature = field == "temperature" ? bad : make.uniform(DType::F32, {3});
                      if (field == "topP") args.topP = bad;
                      if (field == "topK")
                        args.topK = make.integers({3}, {0, static_cast<int32_t>(value), 7});
                      make.arguments(args);
                      make.mustFail(field + "[1]");
                    }});
  };
  for (const double value : {-1.0, HUGE_VAL, std::nan("")}) refused("temperature", value);
  for (const double value : {-0.1, 1.5, std::nan("")}) refused("topP", value);
  for (const double value : {-0.1, 1.0, std::nan("")}) refused("uniform", value);
  refused("topK", -1);
  list.push_back({Op::sample, "equal logits at every temperature", [](Maker& make) {
                    Sample args{};
                    args.logits = make.values(DType::F32, {2, 4}, {-3, -3, -3, -3, 5, 5, 5, 5});
                    args.uniform = make.values(DType::F32, {2}, {0.6, 0.1});
                    args.ids = make.empty(DType::I32, {2});
                    args.logprob = make.empty(DType::F32, {2});
                    args.temperature = make.values(DType::F32, {2}, {1e-40, 1e-40});
                    make.arguments(args);
                  }});
  list.push_back({Op::sample, "an infinite logit", [](Maker& make) {
                    Sample args{};
                    args.logits = make.values(DType::F32, {1, 3}, {1, HUGE_VAL, 2});
                    args.ids = make.empty(DType::I32, {1});
                    make.arguments(args);
                    make.mustFail("logits");
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

// Cases of ropeTable and rope.
#include <cmath>

#include "cases.h"

namespace ibert::tools {

namespace {

// theta^(-2i / headDim), as two float32 numbers.
Tensor frequenciesOf(Maker& make, DType dtype, int64_t headDim, double theta) {
  const int64_t half = headDim / 2;
  std::vector<double> values(headDim);
  for (int64_t i = 0; i < half; ++i) {
    const double exact = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(headDim));
    values[i] = static_cast<float>(exact);
    values[half + i] = exact - values[i];
  }
  return make.values(dtype, {2, half}, values);
}

// Large positions with a large base need angles in more than float32: the bound is the same.
void tableCase(CaseList& list, int64_t T, int64_t headDim, double theta, int64_t highest,
               double magnitude = 1) {
  list.push_back({Op::ropeTable,
                  named(DType::F32, {T, headDim}) + ", theta " + std::to_string(theta) +
                      ", positions below " + std::to_string(highest) +
                      (magnitude == 1 ? "" : ", magnitude " + std::to_string(magnitude)),
                  [=](Maker& make) {
                    RopeTable args{};
                    args.positions = make.indices({T}, 0, highest);
                    args.cosSin = make.empty(DType::F32, {T, headDim});
                    args.frequencies = frequenciesOf(make, DType::F32, headDim, theta);
                    args.magnitude = magnitude;
                    make.arguments(args);
                  }});
}

void ropeCase(CaseList& list, DType dtype, int64_t T, int64_t heads, int64_t kvHeads, int64_t headDim,
              bool inverse, bool scaled = false) {
  const int64_t C = (heads + 2 * kvHeads) * headDim;
  list.push_back({Op::rope,
                  named(dtype, {T, C}) + ", head size " + std::to_string(headDim) +
                      (inverse ? ", inverse" : "") + (scaled ? ", q scaled" : ""),
                  [=](Maker& make) {
                    RopeTable table{};
                    table.positions = make.indices({T}, 0, 2048);
                    table.cosSin = make.empty(DType::F32, {T, headDim});
                    table.frequencies = frequenciesOf(make, DType::F32, headDim, 10000);
                    table.magnitude = 1;
                    make.reference(table);
                    Rope args{};
                    args.x = make.normal(dtype, {T, C});
                    args.cosSin = table.cosSin;
                    args.heads = heads + kvHeads;
                    args.headDim = headDim;
                    args.inverse = inverse;
                    if (scaled) {
                      args.qScale = make.normal(DType::F32, {T}, 0.3, 1);
                      args.qHeads = heads;
                    }
                    make.arguments(args);
                  }});
}

// A call that must be refused for what `change` does to it.
void refusedCase(CaseList& list, const std::string& label, const std::string& text,
                 const std::function<void(Maker&, Rope&)>& change) {
  list.push_back({Op::rope, label, [=](Maker& make) {
                    Rope args{};
                    args.x = make.normal(DType::F32, {2, 12});
                    args.cosSin = make.normal(DType::F32, {2, 4});
                    args.heads = 2;
                    args.headDim = 4;
                    change(make, args);
                    make.arguments(args);
                    make.mustFail(text);
                  }});
}

}  // namespace

void addRopeCases(CaseList& list) {
  refusedCase(list, "more q heads than heads", "qHeads must be in 0..heads", [](Maker& make, Rope& args) {
    args.qScale = make.normal(DType::F32, {2});
    args.qHeads = 3;
  });
  refusedCase(list, "q heads without a scale", "qScale and qHeads come together",
              [](Maker&, Rope& args) { args.qHeads = 1; });
  refusedCase(list, "a scale without q heads", "qScale and qHeads come together",
              [](Maker& make, Rope& args) { args.qScale = make.normal(DType::F32, {2}); });
  refusedCase(list, "a scale of another size", "qScale has shape (3), but T = 2",
              [](Maker& make, Rope& args) {
                args.qScale = make.normal(DType::F32, {3});
                args.qHeads = 1;
              });
  list.push_back({Op::ropeTable, "frequencies for other heads", [](Maker& make) {
                    RopeTable args{};
                    args.positions = make.indices({3}, 0, 9);
                    args.frequencies = make.normal(DType::F32, {2, 8});
                    args.cosSin = make.empty(DType::F32, {3, 14});
                    args.magnitude = 1;
                    make.arguments(args);
                    make.mustFail("cosSin has shape (3, 14), but 2*half = 16");
                  }});
  tableCase(list, 1, 2, 10000, 1);
  tableCase(list, 33, 64, 10000, 2048);
  tableCase(list, 65, 128, 1e9, 131072);
  tableCase(list, 31, 16, 500000, 8192);
  tableCase(list, 33, 32, 10000, 131072, 1.2079441541679836);
  for (const DType dtype : kActivations) {
    for (const bool inverse : {false, true}) {
      ropeCase(list, dtype, 1, 1, 1, 2, inverse);
      ropeCase(list, dtype, 33, 3, 1, 16, inverse);
      ropeCase(list, dtype, 31, 9, 3, 64, inverse);
      ropeCase(list, dtype, 5, 4, 2, 128, inverse);
      ropeCase(list, dtype, 3, 2, 1, 6, inverse);
      ropeCase(list, dtype, 31, 5, 1, 64, inverse, true);
      ropeCase(list, dtype, 2, 2, 2, 6, inverse, true);
    }
  }
}

}  // namespace ibert::tools

// Cases of ropeTable and rope.
#include "cases.h"

namespace ibert::tools {

namespace {

// Large positions with a large base need angles in more than float32: the bound is the same.
void tableCase(CaseList& list, int64_t T, int64_t headDim, double theta, int64_t highest) {
  list.push_back({Op::ropeTable,
                  named(DType::F32, {T, headDim}) + ", theta " + std::to_string(theta) +
                      ", positions below " + std::to_string(highest),
                  [=](Maker& make) {
                    RopeTable args{};
                    args.positions = make.indices({T}, 0, highest);
                    args.cosSin = make.empty(DType::F32, {T, headDim});
                    args.headDim = headDim;
                    args.theta = theta;
                    make.arguments(args);
                  }});
}

void ropeCase(CaseList& list, DType dtype, int64_t T, int64_t heads, int64_t kvHeads, int64_t headDim,
              bool inverse) {
  const int64_t C = (heads + 2 * kvHeads) * headDim;
  list.push_back(
      {Op::rope,
       named(dtype, {T, C}) + ", head size " + std::to_string(headDim) + (inverse ? ", inverse" : ""),
       [=](Maker& make) {
         RopeTable table{};
         table.positions = make.indices({T}, 0, 2048);
         table.cosSin = make.empty(DType::F32, {T, headDim});
         table.headDim = headDim;
         table.theta = 10000;
         make.reference(table);
         Rope args{};
         args.x = make.normal(dtype, {T, C});
         args.cosSin = table.cosSin;
         args.heads = heads + kvHeads;
         args.headDim = headDim;
         args.inverse = inverse;
         make.arguments(args);
       }});
}

}  // namespace

void addRopeCases(CaseList& list) {
  tableCase(list, 1, 2, 10000, 1);
  tableCase(list, 33, 64, 10000, 2048);
  tableCase(list, 65, 128, 1e9, 131072);
  tableCase(list, 31, 16, 500000, 8192);
  for (const DType dtype : kActivations) {
    for (const bool inverse : {false, true}) {
      ropeCase(list, dtype, 1, 1, 1, 2, inverse);
      ropeCase(list, dtype, 33, 3, 1, 16, inverse);
      ropeCase(list, dtype, 31, 9, 3, 64, inverse);
      ropeCase(list, dtype, 5, 4, 2, 128, inverse);
      ropeCase(list, dtype, 3, 2, 1, 6, inverse);
    }
  }
}

}  // namespace ibert::tools

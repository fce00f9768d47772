// Cases of embedding and gatherRows.
#include "cases.h"

namespace ibert::tools {

namespace {

void embeddingCase(CaseList& list, DType act, DType table, bool packed, int64_t T, int64_t V, int64_t D) {
  list.push_back({Op::embedding,
                  named(act, {T, D}) + " of " + named(table, {V, D}) + (packed ? " packed" : ""),
                  [=](Maker& make) {
                    Embedding args{};
                    args.ids = make.indices({T}, 0, V);
                    args.table = packed ? make.packedWeight(table, V, D) : make.weight(table, V, D);
                    args.y = make.empty(act, {T, D});
                    make.arguments(args);
                  }});
}

void embeddingError(CaseList& list, int32_t id) {
  list.push_back({Op::embedding, "id " + std::to_string(id) + " of 33", [=](Maker& make) {
                    Embedding args{};
                    args.ids = make.integers({3}, {0, id, 32});
                    args.table = make.weight(DType::BF16, 33, 64);
                    args.y = make.empty(DType::BF16, {3, 64});
                    make.arguments(args);
                    make.mustFail(std::to_string(id));
                  }});
}

void gatherCase(CaseList& list, DType source, DType target, int64_t T, int64_t N, int64_t D) {
  list.push_back({Op::gatherRows,
                  std::to_string(T) + " rows of " + named(source, {N, D}) + into(source, target),
                  [=](Maker& make) {
                    GatherRows args{};
                    args.source = make.normal(source, {N, D});
                    args.rows = make.indices({T}, 0, N);
                    args.target = make.empty(target, {T, D});
                    make.arguments(args);
                    make.bound("target", kExact);
                  }});
}

}  // namespace

void addGatherCases(CaseList& list) {
  for (const DType act : kActivations) {
    for (const DType table : {DType::F32, DType::BF16, DType::F16}) {
      embeddingCase(list, act, table, false, 5, 257, 65);
      embeddingCase(list, act, table, true, 33, 31, 64);
    }
    for (const DType table : kBlockFormats) {
      embeddingCase(list, act, table, false, 3, 31, 512);
      embeddingCase(list, act, table, true, 33, 65, 256);
    }
    gatherCase(list, act, act, 1, 1, 1);
    gatherCase(list, act, act, 33, 127, 65);
    gatherCase(list, act, act, 257, 31, 576);
    gatherCase(list, act, act == DType::F32 ? DType::BF16 : DType::F32, 33, 31, 65);
  }
  embeddingError(list, 33);
  embeddingError(list, -1);
  list.push_back({Op::gatherRows, "row 5 of 5", [](Maker& make) {
                    GatherRows args{};
                    args.source = make.normal(DType::BF16, {5, 32});
                    args.rows = make.integers({2}, {4, 5});
                    args.target = make.empty(DType::BF16, {2, 32});
                    make.arguments(args);
                    make.mustFail("5");
                  }});
}

}  // namespace ibert::tools

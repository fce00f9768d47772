// Cases of swigluForward and swigluBackward.
#include "cases.h"

namespace ibert::tools {

namespace {

// `result` is the dtype of y and of dGateUp.
void swigluCases(CaseList& list, DType dtype, DType result, int64_t T, int64_t F, double size) {
  const std::string label =
      named(dtype, {T, F}) + into(dtype, result) + " of size " + std::to_string(static_cast<int>(size));
  list.push_back({Op::swigluForward, label, [=](Maker& make) {
                    SwigluForward args{};
                    args.gateUp = make.normal(dtype, {T, 2 * F}, size);
                    args.y = make.empty(result, {T, F});
                    make.arguments(args);
                  }});
  for (const bool alias : {false, true}) {
    if (alias && result != dtype) continue;
    list.push_back({Op::swigluBackward, label + (alias ? ", in place" : ""), [=](Maker& make) {
                      SwigluBackward args{};
                      args.dy = make.normal(dtype, {T, F});
                      args.gateUp = make.normal(dtype, {T, 2 * F}, size);
                      args.dGateUp = alias ? args.gateUp : make.empty(result, {T, 2 * F});
                      make.arguments(args);
                    }});
  }
}

}  // namespace

void addSwigluCases(CaseList& list) {
  for (const DType dtype : kActivations) {
    for (const int64_t F : kBoundaries) swigluCases(list, dtype, dtype, 3, F, 2);
    swigluCases(list, dtype, dtype, 33, 1536, 2);
    swigluCases(list, dtype, dtype, 5, 65, 100);  // exp overflows in float32
    swigluCases(list, dtype, dtype == DType::F32 ? DType::BF16 : DType::F32, 5, 65, 2);
  }
}

}  // namespace ibert::tools

// Cases of swigluForward and swigluBackward.
#include "cases.h"

namespace ibert::tools {

namespace {

void swigluCases(CaseList& list, DType dtype, int64_t T, int64_t F, double size) {
  const std::string label = named(dtype, {T, F}) + " of size " + std::to_string(static_cast<int>(size));
  list.push_back({Op::swigluForward, label, [=](Maker& make) {
                    SwigluForward args{};
                    args.gateUp = make.normal(dtype, {T, 2 * F}, size);
                    args.y = make.empty(dtype, {T, F});
                    make.arguments(args);
                  }});
  for (const bool alias : {false, true}) {
    list.push_back({Op::swigluBackward, label + (alias ? ", in place" : ""), [=](Maker& make) {
                      SwigluBackward args{};
                      args.dy = make.normal(dtype, {T, F});
                      args.gateUp = make.normal(dtype, {T, 2 * F}, size);
                      args.dGateUp = alias ? args.gateUp : make.empty(dtype, {T, 2 * F});
                      make.arguments(args);
                    }});
  }
}

}  // namespace

void addSwigluCases(CaseList& list) {
  for (const DType dtype : kActivations) {
    for (const int64_t F : {1, 31, 33, 65, 127, 257}) swigluCases(list, dtype, 3, F, 2);
    swigluCases(list, dtype, 33, 1536, 2);
    swigluCases(list, dtype, 5, 65, 100);  // exp overflows in float32
  }
}

}  // namespace ibert::tools

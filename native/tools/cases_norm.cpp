// Cases of rmsNormForward and rmsNormBackward.
#include "cases.h"

namespace ibert::tools {

namespace {

RmsNormForward forward(Maker& make, DType dtype, int64_t T, int64_t D, double size) {
  RmsNormForward args{};
  args.x = make.normal(dtype, {T, D}, size);
  args.weight = make.normal(DType::F32, {D}, 0.3, 1);
  args.y = make.empty(dtype, {T, D});
  args.rstd = make.empty(DType::F32, {T});
  args.eps = 1e-5;
  return args;
}

void forwardCase(CaseList& list, DType dtype, int64_t T, int64_t D, double size, bool rstd) {
  const std::string label =
      named(dtype, {T, D}) + " of size " + std::to_string(size) + (rstd ? "" : ", no rstd");
  list.push_back({Op::rmsNormForward, label, [=](Maker& make) {
                    RmsNormForward args = forward(make, dtype, T, D, size);
                    if (!rstd) args.rstd = {};
                    make.arguments(args);
                  }});
}

enum class Residual { None, Own, Alias };

void backwardCase(CaseList& list, DType dtype, int64_t T, int64_t D, Residual residual) {
  const char* names[] = {"", ", residual", ", residual is dx"};
  list.push_back(
      {Op::rmsNormBackward, named(dtype, {T, D}) + names[static_cast<int>(residual)], [=](Maker& make) {
         const RmsNormForward before = forward(make, dtype, T, D, 1);
         make.reference(before);
         RmsNormBackward args{};
         args.dy = make.normal(dtype, {T, D});
         args.x = before.x;
         args.weight = before.weight;
         args.rstd = before.rstd;
         args.dx = make.normal(dtype, {T, D});
         if (residual == Residual::Own) args.dResidual = make.normal(dtype, {T, D});
         if (residual == Residual::Alias) args.dResidual = args.dx;
         make.arguments(args);
       }});
}

}  // namespace

void addNormCases(CaseList& list) {
  for (const DType dtype : kActivations) {
    for (const int64_t D : {1, 31, 33, 65, 127, 257, 576}) {
      forwardCase(list, dtype, 5, D, 1, true);
      // With one column dx is a difference of equal numbers, all of it rounding: a residual gives it a size.
      backwardCase(list, dtype, 5, D, D == 1 ? Residual::Own : Residual::None);
    }
    forwardCase(list, dtype, 1, 5120, 1, true);
    forwardCase(list, dtype, 65, 576, 1, false);
    forwardCase(list, dtype, 3, 64, 1e-3, true);  // eps decides
    forwardCase(list, dtype, 3, 64, 1e4, true);
    backwardCase(list, dtype, 33, 576, Residual::Own);
    backwardCase(list, dtype, 33, 576, Residual::Alias);
    backwardCase(list, dtype, 1, 5120, Residual::Alias);
  }
}

}  // namespace ibert::tools

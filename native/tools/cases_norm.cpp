// Cases of rmsNormForward and rmsNormBackward.
#include "cases.h"

namespace ibert::tools {

namespace {

RmsNormForward forward(Maker& make, DType x, DType y, int64_t T, int64_t D, double size) {
  RmsNormForward args{};
  args.x = make.normal(x, {T, D}, size);
  args.weight = make.normal(DType::F32, {D}, 0.3, 1);
  args.y = make.empty(y, {T, D});
  args.rstd = make.empty(DType::F32, {T});
  args.eps = 1e-5;
  return args;
}

void forwardCase(CaseList& list, DType x, DType y, int64_t T, int64_t D, double size, bool rstd) {
  const std::string label =
      named(x, {T, D}) + into(x, y) + " of size " + std::to_string(size) + (rstd ? "" : ", no rstd");
  list.push_back({Op::rmsNormForward, label, [=](Maker& make) {
                    RmsNormForward args = forward(make, x, y, T, D, size);
                    if (!rstd) args.rstd = {};
                    make.arguments(args);
                  }});
}

enum class Residual { None, Own, Alias };

struct Dtypes {
  DType dy, x, dx;
};

void backwardCase(CaseList& list, Dtypes dtypes, int64_t T, int64_t D, Residual residual) {
  const char* names[] = {"", ", residual", ", residual is dx"};
  const auto [dy, x, dx] = dtypes;
  std::string label = named(dy, {T, D});
  if (x != dy) label += std::string(" for ") + dtypeInfo(x)->name;
  label += into(dy, dx) + names[static_cast<int>(residual)];
  list.push_back({Op::rmsNormBackward, label, [=](Maker& make) {
                    const RmsNormForward before = forward(make, dtypes.x, dtypes.x, T, D, 1);
                    make.reference(before);
                    RmsNormBackward args{};
                    args.dy = make.normal(dtypes.dy, {T, D});
                    args.x = before.x;
                    args.weight = before.weight;
                    args.rstd = before.rstd;
                    args.dx = make.normal(dtypes.dx, {T, D});
                    if (residual == Residual::Own) args.dResidual = make.normal(dtypes.dx, {T, D});
                    if (residual == Residual::Alias) args.dResidual = args.dx;
                    make.arguments(args);
                  }});
}

}  // namespace

void addNormCases(CaseList& list) {
  const DType bf16 = DType::BF16, f32 = DType::F32;
  for (const DType dtype : kActivations) {
    for (const int64_t D : kBoundaries) {
      forwardCase(list, dtype, dtype, 5, D, 1, true);
      // With one column dx is a difference of equal numbers, all of it rounding: a residual gives it a size.
      backwardCase(list, {dtype, dtype, dtype}, 5, D, D == 1 ? Residual::Own : Residual::None);
    }
    forwardCase(list, dtype, dtype, 5, 576, 1, true);
    backwardCase(list, {dtype, dtype, dtype}, 5, 576, Residual::None);
    forwardCase(list, dtype, dtype, 1, 5120, 1, true);
    forwardCase(list, dtype, dtype, 65, 576, 1, false);
    forwardCase(list, dtype, dtype, 3, 64, 1e-3, true);  // eps decides
    forwardCase(list, dtype, dtype, 3, 64, 1e4, true);
    backwardCase(list, {dtype, dtype, dtype}, 33, 576, Residual::Own);
    backwardCase(list, {dtype, dtype, dtype}, 33, 576, Residual::Alias);
    backwardCase(list, {dtype, dtype, dtype}, 1, 5120, Residual::Alias);
  }
  // The residual stream is float32, what goes into a linear is not; the last norm's gradient goes the other
  // way.
  for (const int64_t D : {33, 257, 576, 5120}) {
    forwardCase(list, f32, bf16, 5, D, 1, true);
    forwardCase(list, bf16, f32, 5, D, 1, true);
    backwardCase(list, {bf16, f32, bf16}, 5, D, Residual::None);
    backwardCase(list, {bf16, bf16, f32}, 5, D, Residual::Alias);
    backwardCase(list, {f32, bf16, bf16}, 5, D, Residual::Own);
  }
  forwardCase(list, f32, bf16, 1, 576, 1, false);
  forwardCase(list, f32, bf16, 17, 576, 1, false);
}

}  // namespace ibert::tools

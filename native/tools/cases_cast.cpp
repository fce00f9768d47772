// Cases of cast and packWeight.
#include <cmath>

#include "cases.h"

namespace ibert::tools {

namespace {

void castCase(CaseList& list, DType source, DType target, int64_t rows, int64_t columns) {
  list.push_back(
      {Op::cast, named(source, {rows, columns}) + " to " + dtypeInfo(target)->name, [=](Maker& make) {
         Cast args{};
         args.source = make.weight(source, rows, columns);
         args.target = make.empty(target, {rows, columns});
         make.arguments(args);
         // One rounding of what is there; only the block formats need arithmetic first.
         if (!dtypeInfo(source)->quantized) make.bound("target", kExact);
       }});
}

// Ties, the largest numbers, infinities, not-a-number, both zeros. No subnormals of float32: the conversion
// instructions of some processors make them 0.
void specialCase(CaseList& list, DType source, DType target) {
  list.push_back({Op::cast,
                  std::string("special values ") + dtypeInfo(source)->name + " to " + dtypeInfo(target)->name,
                  [=](Maker& make) {
                    const std::vector<double> values = {
                        0.0,         -0.0,         1.0,     1 + 0x1p-8, 1 + 0x1.8p-7, 1 + 0x1p-8 + 0x1p-20,
                        -1.00390625, 0x1p-126,     3.38e38, 3.3961e38,  -3.4e38,      HUGE_VAL,
                        -HUGE_VAL,   std::nan(""), 65504.0, 65520.0,    6e-8,         2.9e-8};
                    const auto count = static_cast<int64_t>(values.size());
                    Cast args{};
                    args.source = make.values(source, {1, count}, values);
                    args.target = make.empty(target, {1, count});
                    make.arguments(args);
                    make.bound("target", kExact);
                  }});
}

// packed has the backend's own order, so it is judged through the linear that reads it: with x the unit
// matrix, y = W^T, and each y is one product with 1 and sums of zeros.
void packCase(CaseList& list, DType source, DType target, int64_t N, int64_t K) {
  list.push_back({Op::packWeight, named(source, {N, K}) + " as " + dtypeInfo(target)->name, [=](Maker& make) {
                    LoraLinearForward args{};
                    args.scale = 1;
                    args.x = make.empty(DType::F32, {K, K});
                    for (int64_t k = 0; k < K; ++k) args.x.as<float>()[k * K + k] = 1;
                    args.weight = make.packedWeight(source, N, K, target);
                    args.y = make.empty(DType::F32, {K, N});
                    make.arguments(args);
                  }});
}

}  // namespace

void addCastCases(CaseList& list) {
  constexpr DType kPlain[] = {DType::F32, DType::BF16, DType::F16};
  for (const DType source : kPlain) {
    for (const DType target : {DType::F32, DType::BF16}) {
      castCase(list, source, target, 1, 1);
      castCase(list, source, target, 0, 64);
      castCase(list, source, target, 33, 127);
      castCase(list, source, target, 257, 65);
      castCase(list, source, target, 255, 257);
      specialCase(list, source, target);
    }
  }
  for (const DType source : kBlockFormats) {
    for (const DType target : {DType::F32, DType::BF16}) castCase(list, source, target, 31, 512);
  }
  for (const DType source : kPlain) {
    packCase(list, source, source, 1, 1);
    packCase(list, source, source, 31, 33);
    packCase(list, source, source, 257, 127);
    packCase(list, source, DType::BF16, 65, 129);
    packCase(list, source, DType::F32, 65, 129);
  }
  for (const DType source : kBlockFormats) {
    const int64_t K = dtypeInfo(source)->blockElements == 32 ? 96 : 256;
    packCase(list, source, source, 33, K);
    packCase(list, source, DType::BF16, 65, K);
    packCase(list, source, DType::F32, 1, K);
  }
}

}  // namespace ibert::tools

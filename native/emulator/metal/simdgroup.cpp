#include "emulator/metal/simdgroup.h"

#include <algorithm>
#include <bit>

#include "emulator/whole_warp.h"

namespace ibert::emulator {

float reduceSimdgroup(SimdReduction reduction, float value) {
  const char* const name = reduction == SimdReduction::sum ? "simd_sum" : "simd_max";
  float result = value;
  if (!meet(name, kAllLanes, &result)) return result;
  if (launchNow->recorder) ++launchNow->recorder->report.reductions;
  Warp& warp = *current->warp;
  const auto of = [&](unsigned lane) -> float& { return *static_cast<float*>(warp.operands[lane]); };
  float all = of(0);
  for (unsigned lane = 1; lane < kLanes && warp.lanes >> lane & 1; ++lane)
    all = reduction == SimdReduction::sum ? all + of(lane) : std::max(all, of(lane));
  for (unsigned lane = 0; lane < kLanes && warp.lanes >> lane & 1; ++lane) of(lane) = all;
  depart(kAllLanes);
  return result;
}

static_assert(kNeverSetWord == kNeverSet);

void meetAtMatrix(const char* name, const MatrixPlace& place) {
  requireWholeWarp(name);
  if (uintptr_t(place.address) % place.elementBytes)
    launchNow->failAt(__builtin_return_address(0), name, " of a matrix at a misaligned address");
  MatrixPlace own = place;
  if (!meet(name, kAllLanes, &own)) return;
  const auto of = [&](unsigned lane) -> const MatrixPlace& {
    return *static_cast<const MatrixPlace*>(current->warp->operands[lane]);
  };
  for (unsigned lane = 1; lane < kLanes; ++lane)
    if (of(lane) != of(0))
      launchNow->failAt(__builtin_return_address(0), name, " of one matrix by lane 0 and of another by lane ",
                        lane);
  depart(kAllLanes);
}

void multiplySimdgroup(SimdgroupProduct& operands) {
  constexpr const char* kName = "simdgroup_multiply_accumulate";
  Warp& warp = *current->warp;
  requireWholeWarp(kName);
  for (float c : operands.c)
    if (std::bit_cast<uint32_t>(c) == kNeverSet)
      launchNow->failAt(__builtin_return_address(0), kName, " adds to an accumulator that nobody set");
  if (!operands.isSet)
    launchNow->failAt(__builtin_return_address(0), kName, " multiplies a matrix that nobody set");
  if (!meet(kName, kAllLanes, &operands)) return;
  const auto of = [&](unsigned lane) -> SimdgroupProduct& {
    return *static_cast<SimdgroupProduct*>(warp.operands[lane]);
  };
  float a[8][8], b[8][8];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    for (unsigned i = 0; i < 2; ++i) {
      a[matrixRow(lane)][matrixColumn(lane) + i] = of(lane).a[i];
      b[matrixRow(lane)][matrixColumn(lane) + i] = of(lane).b[i];
    }
  for (unsigned lane = 0; lane < kLanes; ++lane)
    for (unsigned i = 0; i < 2; ++i) {
      float sum = of(lane).c[i];
      for (unsigned k = 0; k < 8; ++k) sum += a[matrixRow(lane)][k] * b[k][matrixColumn(lane) + i];
      of(lane).d[i] = sum;
    }
  if (launchNow->recorder) ++launchNow->recorder->report.products;
  depart(kAllLanes);
}

}  // namespace ibert::emulator

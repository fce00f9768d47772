// The case table of the suite: one place per op.
#pragma once

#include <string>
#include <vector>

#include "case.h"

namespace ibert::tools {

using CaseList = std::vector<CaseSpec>;

void addGatherCases(CaseList& list);     // embedding, gatherRows
void addCastCases(CaseList& list);       // cast, packWeight
void addNormCases(CaseList& list);       // rmsNormForward, rmsNormBackward
void addLinearCases(CaseList& list);     // loraLinearForward, loraLinearBackward
void addBiasCases(CaseList& list);       // loraLinearForward with a bias
void addRopeCases(CaseList& list);       // ropeTable, rope
void addAttentionCases(CaseList& list);  // attentionForward, attentionBackward
void addPagedCases(CaseList& list);      // kvCacheWrite, pagedAttention
void addSwigluCases(CaseList& list);     // swigluForward, swigluBackward
void addLossCases(CaseList& list);       // linearCrossEntropy
void addOptimizerCases(CaseList& list);  // gradNorm, adamW
void addSampleCases(CaseList& list);     // sample

CaseList allCases();

// "bf16 (3, 5)"
inline std::string named(DType dtype, std::initializer_list<int64_t> shape) {
  std::string text = std::string(dtypeInfo(dtype)->name) + " (";
  for (int64_t size : shape) text += (text.back() == '(' ? "" : ", ") + std::to_string(size);
  return text + ")";
}

// " to f32", where the result has another dtype than the operand that the label names.
inline std::string into(DType from, DType to) {
  return from == to ? "" : std::string(" to ") + dtypeInfo(to)->name;
}

// Sizes on both sides of what kernels choose by and cut into: one row or several, a step of generation
// (kExactRows), vectors, panels and tiles.
constexpr int64_t kBoundaries[] = {1,  2,  15, 16,  17,  31,  32,  33,  63,
                                   64, 65, 96, 127, 128, 129, 255, 256, 257};

constexpr DType kActivations[] = {DType::F32, DType::BF16};
constexpr DType kBlockFormats[] = {DType::Q8_0, DType::Q4_0, DType::Q4_1, DType::Q5_0,
                                   DType::Q5_1, DType::Q4_K, DType::Q5_K, DType::Q6_K};

}  // namespace ibert::tools

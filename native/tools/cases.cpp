#include "cases.h"

namespace ibert::tools {

CaseList allCases() {
  CaseList list;
  addGatherCases(list);
  addCastCases(list);
  addNormCases(list);
  addBiasCases(list);
  addLinearCases(list);
  addRopeCases(list);
  addAttentionCases(list);
  addPagedCases(list);
  addSwigluCases(list);
  addLossCases(list);
  addOptimizerCases(list);
  addSampleCases(list);
  return list;
}

}  // namespace ibert::tools

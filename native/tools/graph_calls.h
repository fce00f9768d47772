// What the graphs of lib/models/decoder.ts and lib/generation/engine.ts ask of a backend, dtype by dtype.
#pragma once

#include <string>
#include <vector>

#include "case.h"

namespace ibert::tools {

// A call of an op with these dtypes: "x f32, y bf16". Activations that it does not name are not there; sums
// and indices have one dtype and may be there or not.
struct GraphCall {
  Op op;
  std::string dtypes;
};

// Each with activations of bf16 and of f32. lib/models/graph-calls.test.ts holds the list against the
// graphs.
const std::vector<GraphCall>& graphCalls();

// Whether the case is such a call. A backend that does not support it cannot run a model.
bool isCall(const GraphCall& call, const Case& test);

}  // namespace ibert::tools

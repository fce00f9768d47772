// Kernels around those of an op: what its index tensors hold before it, and whether its outputs are finite
// after it. Both record the first fault of a stream, and nothing where there is one already.
#pragma once

#include "kernel.h"

namespace ibert::cuda {

// Enqueues the check of an op's index tensors, if it has any; returns whether it has.
bool checkIndices(Op op, const void* arguments, int64_t number, frame::Fault* record, cudaStream_t stream);
// Enqueues the check of all outputs.
void checkOutputs(Op op, const void* arguments, int64_t number, frame::Fault* record, cudaStream_t stream);

}  // namespace ibert::cuda

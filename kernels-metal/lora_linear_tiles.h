// What of loraLinearForward and loraLinearBackward runs in tiles (lora_linear_tiles.metal,
// lora_linear_gradient_tiles.metal). The parameters are those of the twins.
#pragma once

#include "kernel.h"
#include "lora_linear.h"

namespace ibert::metal {

bool isForwardInTiles(const LoraLinearForward& args, Machine machine);
void forwardInTiles(const LoraLinearForward& args, LinearParameters p, Context& context);

// All that a chip with matrices is asked for. `low`: scratch memory of T x R float32, absent without
// adapters.
void backwardInTiles(const LoraLinearBackward& args, LinearParameters p, Operand low, Context& context);

}  // namespace ibert::metal

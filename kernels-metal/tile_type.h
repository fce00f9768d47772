// What the products of tiles multiply (tile_product.h). For the host.
#pragma once

namespace ibert::metal {

// bf16 runs where Machine::hasBf16 says so; sums are float32 in either.
enum class TileType { float32, bf16 };

}  // namespace ibert::metal

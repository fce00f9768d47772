// Metal's vectors, by their members alone. An access to one is one access, of its whole size, at a multiple
// of it.
#pragma once

namespace metal {

#define IBERT_VECTOR2(name, type)         \
  struct alignas(2 * sizeof(type)) name { \
    type x, y;                            \
  };
#define IBERT_VECTOR4(name, type)         \
  struct alignas(4 * sizeof(type)) name { \
    type x, y, z, w;                      \
  };
IBERT_VECTOR2(float2, float)
IBERT_VECTOR2(ushort2, unsigned short)
IBERT_VECTOR4(float4, float)
IBERT_VECTOR4(ushort4, unsigned short)
#undef IBERT_VECTOR2
#undef IBERT_VECTOR4

}  // namespace metal

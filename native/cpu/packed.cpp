#include "packed.h"

namespace ibert::cpu {

int64_t packedBytes(DType dtype, int64_t rows, int64_t columns) {
  const int64_t panel = packedPanelBytes(dtype, columns);
  return panel < 0 ? -1 : (rows + kPanelRows - 1) / kPanelRows * panel;
}

}  // namespace ibert::cpu

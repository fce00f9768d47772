#include "case_rows.h"

#include <cstring>

namespace ibert::tools {

namespace {

Tensor& tensorOf(Case& test, const Field& field) {
  return *reinterpret_cast<Tensor*>(test.arguments.data() + field.offset);
}

}  // namespace

bool goesByRow(Op op, const Field& field) {
  const char* name = op == Op::sample ? "B" : "T";
  return field.type == FieldType::Tensor && std::strncmp(field.shape, name, 1) == 0 &&
         (field.shape[1] == '\0' || field.shape[1] == ' ');
}

int64_t rowsOf(const Case& test) {
  for (const Field& field : opSchema(test.op).fields) {
    if (goesByRow(test.op, field))
      return reinterpret_cast<const Tensor*>(test.arguments.data() + field.offset)->shape[0];
  }
  return -1;
}

int64_t rowBytes(const Tensor& tensor) {
  const int64_t row = tensor.elements() / tensor.shape[0];
  return rowMajorBytes(tensor.dtype, row, tensor.rank > 1 ? tensor.shape[tensor.rank - 1] : row);
}

Case rowsFrom(const Case& test, int64_t first, int64_t count) {
  Case part{test.op, test.arguments, test.packed, {}, "", {}};
  for (const Field& field : opSchema(test.op).fields) {
    if (!goesByRow(test.op, field)) continue;
    Tensor& tensor = tensorOf(part, field);
    if (!tensor) continue;
    tensor.data = tensor.as<std::byte>() + first * rowBytes(tensor);
    tensor.shape[0] = count;
  }
  return part;
}

}  // namespace ibert::tools

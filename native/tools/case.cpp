#include "case.h"

#include <cmath>
#include <stdexcept>

#include "frame/indices.h"
#include "quantize.h"
#include "reference/reference.h"
#include "schema.h"

namespace ibert::tools {

Bound boundOf(const Case& test, const std::string& output, DType dtype) {
  const auto found = test.bounds.find(output);
  if (found != test.bounds.end()) return found->second;
  switch (dtype) {
    case DType::F64:
    case DType::F32:
      return kFloat32;
    case DType::BF16:
    case DType::F16:
      return kRounded16;
    default:
      return kExact;
  }
}

Case widened(const Case& test) {
  Case wide{test.op, test.arguments, test.packed, {}, "", {}};
  const auto tensorAt = [&](const Field& field) -> Tensor& {
    return *reinterpret_cast<Tensor*>(wide.arguments.data() + field.offset);
  };
  const std::vector<Field>& fields = opSchema(test.op).fields;
  for (const Field& field : fields) {
    if (field.type != FieldType::Tensor || field.role == Role::In || field.role == Role::InOptional) continue;
    const Tensor narrow = tensorAt(field);
    if (!narrow || !reference::canWrite(narrow.dtype) || narrow.dtype == DType::F64) continue;
    auto* values =
        reinterpret_cast<double*>(wide.memory.emplace_back(narrow.elements() * sizeof(double) + 1).data());
    reference::readRange(narrow, 0, narrow.elements(), values);
    for (const Field& other : fields) {  // and its aliases
      if (other.type != FieldType::Tensor || tensorAt(other).data != narrow.data) continue;
      tensorAt(other).data = values;
      tensorAt(other).dtype = DType::F64;
    }
  }
  return wide;
}

Tensor Maker::empty(DType dtype, std::initializer_list<int64_t> shape) {
  Tensor tensor{};
  tensor.dtype = dtype;
  for (int64_t& size : tensor.shape) size = 1;
  for (int64_t size : shape) tensor.shape[tensor.rank++] = size;
  const int64_t bytes = rowMajorBytes(dtype, tensor.elements(), tensor.shape[tensor.rank - 1]);
  if (bytes < 0) throw std::logic_error("a case has a weight that is not whole blocks");
  tensor.data = case_.memory.emplace_back(bytes + 1).data();  // never null, also where a dimension is 0
  return tensor;
}

Tensor Maker::wide(const Tensor& tensor) {
  const int64_t count = tensor.elements();
  Tensor copy = tensor;
  copy.dtype = DType::F64;
  copy.data = case_.memory.emplace_back(count * sizeof(double) + 1).data();
  reference::readRange(tensor, 0, count, copy.as<double>());
  return copy;
}

Tensor Maker::normal(DType dtype, std::initializer_list<int64_t> shape, double deviation, double mean) {
  const Tensor tensor = empty(dtype, shape);
  std::vector<double> values(tensor.elements());
  for (double& value : values) value = mean + deviation * random.normal();
  reference::writeRange(tensor, 0, tensor.elements(), values.data());
  return tensor;
}

Tensor Maker::uniform(DType dtype, std::initializer_list<int64_t> shape) {
  const Tensor tensor = empty(dtype, shape);
  for (int64_t i = 0; i < tensor.elements(); ++i) reference::writeAt(tensor, i, random.uniform());
  return tensor;
}

Tensor Maker::values(DType dtype, std::initializer_list<int64_t> shape, const std::vector<double>& values) {
  const Tensor tensor = empty(dtype, shape);
  reference::writeRange(tensor, 0, tensor.elements(), values.data());
  return tensor;
}

Tensor Maker::integers(std::initializer_list<int64_t> shape, const std::vector<int32_t>& values) {
  const Tensor tensor = empty(DType::I32, shape);
  std::memcpy(tensor.data, values.data(), values.size() * sizeof(int32_t));
  return tensor;
}

Tensor Maker::indices(std::initializer_list<int64_t> shape, int64_t low, int64_t high) {
  const Tensor tensor = empty(DType::I32, shape);
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    tensor.as<int32_t>()[i] = static_cast<int32_t>(random.integer(low, high));
  }
  return tensor;
}

Tensor Maker::weight(DType dtype, int64_t rows, int64_t columns) {
  const double deviation = 1 / std::sqrt(static_cast<double>(columns));
  const DTypeInfo* info = dtypeInfo(dtype);
  if (!info->quantized) return normal(dtype, {rows, columns}, deviation);
  const Tensor tensor = empty(dtype, {rows, columns});
  auto* block = tensor.as<uint8_t>();
  std::vector<double> row(columns);
  const int64_t rowBytes = rowMajorBytes(dtype, columns, columns);
  for (int64_t n = 0; n < rows; ++n, block += rowBytes) {
    if (canQuantize(dtype)) {
      for (double& value : row) value = deviation * random.normal();
      quantizeRow(dtype, row.data(), columns, block);
    } else {
      for (int64_t at = 0; at < rowBytes; at += info->blockBytes)
        randomBlock(dtype, deviation, random, block + at);
    }
  }
  return tensor;
}

void Maker::runReference(Op op, const void* arguments) {
  checkArguments(op, arguments);
  if (frame::Fault fault; frame::findFault(op, arguments, &fault))
    throw std::runtime_error(frame::faultText(op, arguments, fault));
  host::ThreadPool pool(1);
  host::Context context{pool, nullptr};
  reference::kernels().kernels[static_cast<int>(op)].run(arguments, context);
}

Case makeCase(const CaseSpec& spec, uint64_t seed) {
  // The label decides the numbers, so that a case is the same alone and among others.
  uint64_t hash = seed;
  for (unsigned char c : spec.label) hash = (hash ^ c) * 0x100000001B3u;
  Case result{};
  Maker maker(result, hash);
  spec.make(maker);
  return result;
}

Ints ints(std::initializer_list<int64_t> values) {
  Ints list{};
  for (int64_t value : values) list.values[list.count++] = value;
  return list;
}

}  // namespace ibert::tools

// The shape checks of the op table: a wrong call is one clear error that names op, field and what is wrong.
#include "schema.h"

#include <set>

#include "check.h"

namespace ibert::tests {

namespace {

float memory[64];

Tensor tensor(DType dtype, std::initializer_list<int64_t> shape) {
  Tensor result{memory, {1, 1, 1, 1}, 0, dtype, Layout::RowMajor, 0, nullptr, 0};
  for (int64_t size : shape) result.shape[result.rank++] = size;
  return result;
}

RmsNormForward norm() {
  RmsNormForward args{};
  args.x = tensor(DType::BF16, {3, 8});
  args.weight = tensor(DType::F32, {8});
  args.y = tensor(DType::BF16, {3, 8});
  args.eps = 1e-5;
  return args;
}

LoraLinearForward linear() {
  LoraLinearForward args{};
  args.x = tensor(DType::F32, {2, 32});
  args.weight = tensor(DType::Q4_0, {12, 32});
  args.loraA = tensor(DType::F32, {1, 8, 32});
  args.loraB = tensor(DType::F32, {1, 12, 4});
  args.y = tensor(DType::F32, {2, 12});
  args.segments = {3, {4, 8, 12}};
  args.slots = {3, {0, -1, 1}};
  args.scale = 1;
  return args;
}

template <class Struct>
void expectRefused(const Struct& args, const std::string& field, const std::string& what) {
  const std::string name = opSchema(opOf<Struct>()).name;
  expectError([&] { checkArguments(opOf<Struct>(), &args); }, name + ": ", what + " (op)");
  expectError([&] { checkArguments(opOf<Struct>(), &args); }, field, what + " (field)");
}

template <class Struct, class Change>
void expectRefusedAfter(Struct args, Change&& change, const std::string& field, const std::string& what) {
  checkArguments(opOf<Struct>(), &args);  // right before the change
  change(args);
  expectRefused(args, field, what);
}

void testShapes() {
  expectRefusedAfter(norm(), [](auto& args) { args.y = tensor(DType::BF16, {3, 9}); }, "y", "another width");
  expectRefusedAfter(
      norm(), [](auto& args) { args.weight = tensor(DType::F32, {7}); }, "weight", "a short weight");
  expectRefusedAfter(
      norm(), [](auto& args) { args.x = tensor(DType::BF16, {24}); }, "x", "a missing dimension");
  expectRefusedAfter(
      norm(), [](auto& args) { args.rstd = tensor(DType::F32, {4}); }, "rstd", "an optional of wrong size");
  expectRefusedAfter(norm(), [](auto& args) { args.eps = std::nan(""); }, "eps", "eps not a number");
  AttentionForward attention{};
  attention.qkv = tensor(DType::F32, {2, 16});
  attention.offsets = tensor(DType::I32, {2});
  attention.y = tensor(DType::F32, {2, 8});
  attention.lse = tensor(DType::F32, {2, 2});
  attention.heads = 2, attention.kvHeads = 1, attention.headDim = 4, attention.scale = 0.5;
  expectRefusedAfter(attention, [](auto& args) { args.headDim = 8; }, "qkv", "a wrong head size");
  expectRefusedAfter(attention, [](auto& args) { args.heads = 1, args.kvHeads = 0; }, "", "no key heads");
}

void testDTypes() {
  expectRefusedAfter(norm(), [](auto& args) { args.x.dtype = DType::I32; }, "x", "integers as activations");
  expectRefusedAfter(
      norm(), [](auto& args) { args.weight.dtype = DType::BF16; }, "weight", "bf16 as master weights");
  expectRefusedAfter(
      linear(), [](auto& args) { args.weight.dtype = DType::U8; }, "weight", "bytes as weights");
  expectRefusedAfter(
      linear(), [](auto& args) { args.x.dtype = static_cast<DType>(99); }, "x", "no dtype at all");
}

void testCache() {
  KvCacheWrite write{};
  write.qkv = tensor(DType::BF16, {1, 128});
  write.slots = tensor(DType::I32, {1});
  write.kCache = write.vCache = tensor(DType::Q8_0, {2, 1, 4, 32});
  write.heads = 2, write.kvHeads = 1, write.headDim = 32;
  expectRefusedAfter(
      write, [](auto& args) { args.vCache.dtype = DType::BF16; }, "both", "q8_0 for the keys only");
  expectRefusedAfter(
      write, [](auto& args) { args.kCache.dtype = DType::Q4_0; }, "q8_0", "another block format");
  expectRefusedAfter(
      write,
      [](auto& args) {
        args.headDim = 40;
        args.qkv = tensor(DType::BF16, {1, 160});
        args.kCache = args.vCache = tensor(DType::Q8_0, {2, 1, 4, 40});
      },
      "headDim 40", "heads that are not whole blocks");
}

void testPresence() {
  expectRefusedAfter(norm(), [](auto& args) { args.x = {}; }, "x", "a needed tensor that is absent");
  expectRefusedAfter(linear(), [](auto& args) { args.loraB = {}; }, "loraB", "A without B");
  RmsNormForward planned = norm();
  planned.x.data = planned.y.data = planned.weight.data = nullptr;
  checkArguments(Op::rmsNormForward, &planned, true);
  expectRefused(planned, "x", "planned tensors in a real call");
}

void testSegments() {
  expectRefusedAfter(
      linear(), [](auto& args) { args.segments.values[2] = 11; }, "segment", "segments that end early");
  expectRefusedAfter(
      linear(), [](auto& args) { args.segments.values[1] = 3; }, "segments", "segments that descend");
  expectRefusedAfter(linear(), [](auto& args) { args.slots.count = 2; }, "slots", "a slot too few");
  expectRefusedAfter(linear(), [](auto& args) { args.slots.values[2] = 2; }, "loraA", "a slot that A lacks");
  expectRefusedAfter(linear(), [](auto& args) { args.slots.values[1] = -2; }, "slot", "a negative slot");
  expectRefusedAfter(linear(), [](auto& args) { args.segments.count = 9; }, "segments", "too many segments");
}

void testTable() {
  std::set<std::string> names;
  for (int i = 0; i < kOpCount; ++i) {
    const OpSchema& schema = opSchema(static_cast<Op>(i));
    expect(schema.op == static_cast<Op>(i), "the order of the table");
    expect(names.insert(schema.name).second, "a name twice");
    expect(opByName(schema.name) == schema.op, "the way back from a name");
    for (const Field& field : schema.fields)
      expect(field.offset < schema.bytes, "a field outside its struct");
  }
  expect(opByName("noSuchOp") == Op::kCount, "a name that is no op's");
  expect(opTableHash() == opTableHash() && opTableHash() != 0, "the hash of the table");
}

void testTensor() {
  expect(rowMajorBytes(DType::Q4_1, 64, 64) == 40, "bytes of two Q4_1 blocks");
  expect(rowMajorBytes(DType::Q6_K, 512, 256) == 420, "bytes of two Q6_K blocks");
  expect(rowMajorBytes(DType::Q8_0, 33, 33) == -1, "a row that is not whole blocks");
  expect(dtypeInfo(static_cast<DType>(99)) == nullptr, "a value that is no dtype");
}

}  // namespace

}  // namespace ibert::tests

int main() {
  ibert::tests::testShapes();
  ibert::tests::testDTypes();
  ibert::tests::testCache();
  ibert::tests::testPresence();
  ibert::tests::testSegments();
  ibert::tests::testTable();
  ibert::tests::testTensor();
  return ibert::tests::report();
}

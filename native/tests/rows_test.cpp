// A step of generation gives each row the bits that it would get alone: speculative decoding checks several
// guesses at once and must accept exactly what plain decoding would have said, and a sequence must not feel
// what others are in its batch. For every case of the ops of a step, the first rows are computed one by one
// and 2 to 16 together.
//
// usage: ibert_rows_test [instruction set]
#include <cstdlib>

#include "check.h"
#include "cpu/backend.h"
#include "tools/cases.h"
#include "tools/session.h"

namespace ibert::tests {

namespace {

constexpr int64_t kMostRows = 16;
constexpr int kCannotRun = 3;  // ctest's mark for "skipped"

bool isStep(Op op) {
  switch (op) {
    case Op::embedding:
    case Op::rmsNormForward:
    case Op::loraLinearForward:
    case Op::ropeTable:
    case Op::rope:
    case Op::pagedAttention:
    case Op::swigluForward:
    case Op::gatherRows:
      return true;
    default:
      return false;
  }
}

bool goesByRow(const Field& field) {
  return field.type == FieldType::Tensor && std::string(field.shape).rfind("T", 0) == 0;
}

int64_t rowBytes(const Tensor& tensor) {
  const int64_t row = tensor.elements() / tensor.shape[0];
  return rowMajorBytes(tensor.dtype, row, tensor.rank > 1 ? tensor.shape[tensor.rank - 1] : row);
}

int64_t rowsOf(const tools::Case& test) {
  for (const Field& field : opSchema(test.op).fields) {
    if (goesByRow(field))
      return reinterpret_cast<const Tensor*>(test.arguments.data() + field.offset)->shape[0];
  }
  throw std::logic_error("an op without rows");
}

// The case with `count` of its rows; it points into the memory of `test`.
tools::Case rowsFrom(const tools::Case& test, int64_t first, int64_t count) {
  tools::Case part{test.op, test.arguments, test.packed, {}, "", {}};
  for (const Field& field : opSchema(test.op).fields) {
    if (!goesByRow(field)) continue;
    Tensor& tensor = *reinterpret_cast<Tensor*>(part.arguments.data() + field.offset);
    if (!tensor) continue;
    tensor.data = tensor.as<std::byte>() + first * rowBytes(tensor);
    tensor.shape[0] = count;
  }
  return part;
}

struct Output {
  std::string name;
  int64_t rowBytes;
  std::vector<std::byte> bytes;
};

std::vector<Output> run(tools::Session& session, const tools::Case& test) {
  tools::Operands operands(session, test);
  std::vector<Output> outputs;
  if (!operands.unsupported().empty()) return outputs;
  operands.enqueue();
  operands.synchronize();
  for (const Field& field : opSchema(test.op).fields) {
    if (!goesByRow(field) || field.role == Role::In || field.role == Role::InOptional) continue;
    const Tensor& tensor = *reinterpret_cast<const Tensor*>(test.arguments.data() + field.offset);
    if (tensor) outputs.push_back({field.name, rowBytes(tensor), operands.bytes(field.name)});
  }
  return outputs;
}

// Whether the backend takes the case at all.
bool compareRows(tools::Session& session, const tools::CaseSpec& spec) {
  const tools::Case test = tools::makeCase(spec, 1);
  if (!test.error.empty()) return false;
  const int64_t most = std::min(kMostRows, rowsOf(test));
  std::vector<std::vector<Output>> alone;
  for (int64_t t = 0; t < most; ++t) alone.push_back(run(session, rowsFrom(test, t, 1)));
  if (most < 2 || alone[0].empty()) return false;
  for (int64_t count = 2; count <= most; ++count) {
    const std::vector<Output> together = run(session, rowsFrom(test, 0, count));
    for (size_t i = 0; i < together.size(); ++i) {
      for (int64_t t = 0; t < count; ++t) {
        const Output& output = together[i];
        if (std::memcmp(output.bytes.data() + t * output.rowBytes, alone[t][i].bytes.data(),
                        output.rowBytes) == 0) {
          continue;
        }
        expect(false, std::string(opSchema(spec.op).name) + ", " + spec.label + ": row " + std::to_string(t) +
                          " of " + output.name + " differs alone and among " + std::to_string(count));
        return true;
      }
    }
  }
  return true;
}

int main(const std::string& isa) {
  if (!isa.empty()) setenv("IBERT_CPU_ISA", isa.c_str(), 1);
  std::unique_ptr<tools::Session> session;
  try {
    session = std::make_unique<tools::Session>(cpu::cpuBackend(), 2);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return kCannotRun;
  }
  std::vector<int> compared(kOpCount);
  for (const tools::CaseSpec& spec : tools::allCases()) {
    if (isStep(spec.op)) compared[static_cast<size_t>(spec.op)] += compareRows(*session, spec);
  }
  for (int op = 0; op < kOpCount; ++op) {
    if (!isStep(static_cast<Op>(op))) continue;
    std::printf("%-20s %3d cases\n", opSchema(static_cast<Op>(op)).name, compared[static_cast<size_t>(op)]);
    expect(compared[static_cast<size_t>(op)] > 0,
           std::string("no case of ") + opSchema(static_cast<Op>(op)).name);
  }
  return report();
}

}  // namespace

}  // namespace ibert::tests

int main(int count, char** words) {
  return ibert::tests::main(count > 1 ? words[1] : "");
}

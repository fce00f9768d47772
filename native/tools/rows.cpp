// `ibert-kernels rows`: the bits of a row do not depend on the rows beside it (kExactRows in ops.h).
//
// For every case of the ops of a step of generation, its first rows are computed one by one, every other at
// an odd place, and 2 to kExactRows together, and each must be the same. Above kExactRows a row need not
// equal itself alone, but the number of rows must not matter: a prompt whose beginning was kept is computed
// with fewer rows than the whole.
#include <cstdio>

#include "case_rows.h"
#include "cases.h"
#include "commands.h"
#include "emulator/schedules.h"
#include "json.h"

namespace ibert::tools {

namespace {

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

struct Output {
  std::string name;
  int64_t rowBytes;
  std::vector<std::byte> bytes;
};

std::vector<Output> run(Session& session, const Case& test, Placement placement = Placement::Aligned) {
  Operands operands(session, test, placement);
  if (!operands.unsupported().empty()) throw std::logic_error(operands.unsupported());
  operands.enqueue();
  operands.synchronize();
  std::vector<Output> outputs;
  for (const Field& field : opSchema(test.op).fields) {
    if (!goesByRow(test.op, field) || field.role == Role::In || field.role == Role::InOptional) continue;
    const Tensor& tensor = *reinterpret_cast<const Tensor*>(test.arguments.data() + field.offset);
    const int64_t bytes = tensor ? rowBytes(tensor) : 0;  // x A^T of rank 0 has none
    if (bytes > 0) outputs.push_back({field.name, bytes, operands.bytes(field.name)});
  }
  return outputs;
}

// The first row of which `one`, which starts with row `first`, differs from `other`; empty: none does.
std::string difference(const std::vector<Output>& one, int64_t first, const std::vector<Output>& other) {
  for (size_t i = 0; i < one.size(); ++i) {
    const int64_t bytes = one[i].rowBytes;
    const auto rows = static_cast<int64_t>(one[i].bytes.size()) / bytes;
    for (int64_t t = 0; t < rows; ++t) {
      if (std::memcmp(one[i].bytes.data() + t * bytes, other[i].bytes.data() + (first + t) * bytes, bytes) !=
          0)
        return "row " + std::to_string(first + t) + " of " + one[i].name;
    }
  }
  return "";
}

// Which rows are computed alone, and how many together: all up to kExactRows, or over an emulator, where
// every run takes long, the first and last and those around the 8 rows of a tile.
std::vector<int64_t> numbersUpTo(int64_t most, bool emulated) {
  std::vector<int64_t> result;
  for (int64_t n = 1; n <= most; ++n) {
    if (!emulated || n <= 2 || (n >= 7 && n <= 9) || n == most) result.push_back(n);
  }
  return result;
}

// How the bits of rows depend on their number; empty: they do not.
std::string judge(Session& session, const Case& test, int64_t rows) {
  const bool emulated = session.backend()->extension(kSchedules) != nullptr;
  const std::vector<int64_t> numbers = numbersUpTo(std::min(kExactRows, rows), emulated);
  std::vector<std::pair<int64_t, std::vector<Output>>> alone;
  for (const int64_t number : numbers) {
    const int64_t row = number - 1;
    alone.emplace_back(
        row, run(session, rowsFrom(test, row, 1), row % 2 == 0 ? Placement::Aligned : Placement::Odd));
  }
  for (const int64_t count : numbers) {
    if (count == 1) continue;
    const std::vector<Output> together = run(session, rowsFrom(test, 0, count));
    for (const auto& [row, outputs] : alone) {
      if (row >= count) continue;
      const std::string where = difference(outputs, row, together);
      if (!where.empty()) return where + " differs alone and among " + std::to_string(count);
    }
  }
  if (rows <= kExactRows + 1) return "";
  const std::vector<Output> all = run(session, test);
  for (int64_t count = kExactRows + 1; count < rows; count += std::max<int64_t>(1, (rows - count) / 2)) {
    for (const int64_t first : {int64_t{0}, rows - count}) {
      const std::string where = difference(run(session, rowsFrom(test, first, count)), first, all);
      if (!where.empty())
        return where + " differs among " + std::to_string(count) + " and among " + std::to_string(rows);
    }
  }
  return "";
}

struct OpReport {
  Op op;
  int compared = 0;
  std::vector<std::pair<std::string, std::string>> failures;  // case and why
};

OpReport judgeOp(Session& session, const CaseList& cases, Op op, const Options& options) {
  OpReport report{op, 0, {}};
  for (const CaseSpec& spec : cases) {
    if (spec.op != op || spec.label.find(options.filter) == std::string::npos) continue;
    const Case test = makeCase(spec, options.seed);
    const int64_t rows = test.error.empty() ? rowsOf(test) : 0;
    if (rows < 2 || !Operands(session, test).unsupported().empty()) continue;
    ++report.compared;
    std::string why;
    try {
      why = judge(session, test, rows);
    } catch (const std::exception& error) {
      why = error.what();
    }
    if (!why.empty()) report.failures.emplace_back(spec.label, why);
  }
  if (report.compared == 0 && options.filter.empty())
    report.failures.emplace_back("", "the backend runs no case of it");
  return report;
}

void print(const OpReport& report) {
  std::printf("%s %-20s %3d cases\n", report.failures.empty() ? "ok  " : "FAIL", opSchema(report.op).name,
              report.compared);
  for (const auto& [label, why] : report.failures) {
    std::printf("       %s\n         %s\n", label.c_str(), why.c_str());
  }
  std::fflush(stdout);
}

void printJson(const std::vector<OpReport>& reports, const Session& session, uint64_t seed) {
  std::printf("{\"backend\": %s, \"architecture\": %s, \"seed\": %llu, \"exactRows\": %lld, \"ops\": [",
              json(session.backend()->name).c_str(), json(session.info().architecture).c_str(),
              static_cast<unsigned long long>(seed), static_cast<long long>(kExactRows));
  const char* comma = "";
  for (const OpReport& report : reports) {
    std::printf("%s\n{\"op\": %s, \"ok\": %s, \"compared\": %d, \"failures\": [", comma,
                json(opSchema(report.op).name).c_str(), report.failures.empty() ? "true" : "false",
                report.compared);
    comma = ",";
    const char* inner = "";
    for (const auto& [label, why] : report.failures) {
      std::printf("%s\n  {\"case\": %s, \"reason\": %s}", inner, json(label).c_str(), json(why).c_str());
      inner = ",";
    }
    std::printf("]}");
  }
  std::printf("]}\n");
}

}  // namespace

int rows(const Options& options) {
  if (options.op && !isStep(*options.op)) {
    throw UsageError(std::string(opSchema(*options.op).name) + " is no op of a step of generation");
  }
  const std::string backend = options.backend.empty() ? "cpu" : options.backend;
  const std::unique_ptr<Session> session = openSession(backend, options.threads);
  const CaseList cases = allCases();
  std::vector<OpReport> reports;
  bool ok = true;
  for (int i = 0; i < kOpCount; ++i) {
    const auto op = static_cast<Op>(i);
    if (!isStep(op) || !options.wants(op)) continue;
    reports.push_back(judgeOp(*session, cases, op, options));
    ok = ok && reports.back().failures.empty();
    if (!options.json) print(reports.back());
  }
  if (options.json) printJson(reports, *session, options.seed);
  return ok ? kOk : kFailed;
}

}  // namespace ibert::tools

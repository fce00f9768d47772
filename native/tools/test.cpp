// `ibert-kernels test`: every case of the suite on a backend and on the reference. The same bits are asked
// for in every run (--repeat) and for every number of threads, the reference's values within the bound
// wherever the operands lie.
#include <cstdio>

#include "case_rows.h"
#include "cases.h"
#include "commands.h"
#include "compare.h"
#include "emulator/schedules.h"
#include "graph_calls.h"
#include "json.h"

namespace ibert::tools {

namespace {

enum class Status { Passed, Failed, Unsupported };

struct Result {
  Status status = Status::Passed;
  std::string reason;  // why it failed or is not supported
  double share = 0;    // of the bound that the worst output used up
  std::string worst;   // that output with its NMSE
};

struct Sessions {
  std::unique_ptr<Session> one, many, reference;  // one thread and several, where the backend has threads

  bool threads() const { return many->info().threads != one->info().threads; }

  // Over an emulator, in how many orders threads run, and which is taken next. Hardware has its own.
  int schedules() const { return emulated() ? emulated()->count() : 1; }
  void schedule(int index) const {
    if (emulated()) emulated()->take(index);
  }

 private:
  const Schedules* emulated() const {
    return static_cast<const Schedules*>(one->backend()->extension(kSchedules));
  }
};

struct Outputs {
  std::vector<const Field*> fields;
  std::vector<std::vector<std::byte>> bytes;
};

Tensor tensorOf(const Case& test, const Field& field) {
  return *reinterpret_cast<const Tensor*>(test.arguments.data() + field.offset);
}

std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.2e", value);
  return buffer;
}

// Runs the case on fresh operands. Throws when the op fails or damages memory.
Outputs outputsOf(Session& session, const Case& test, Placement placement = Placement::Aligned) {
  Operands operands(session, test, placement);
  if (!operands.unsupported().empty()) throw std::runtime_error(operands.unsupported());
  operands.enqueue();
  operands.synchronize();
  const std::string damage = operands.damage();
  if (!damage.empty()) throw std::runtime_error(damage);
  Outputs outputs;
  for (const Field& field : opSchema(test.op).fields) {
    if (field.type != FieldType::Tensor || field.role == Role::In || field.role == Role::InOptional) continue;
    if (!tensorOf(test, field)) continue;
    outputs.fields.push_back(&field);
    outputs.bytes.push_back(operands.bytes(field.name));
  }
  return outputs;
}

Result failed(const std::string& reason) {
  return {Status::Failed, reason, 0, ""};
}

// The op must fail with a message that begins with its name and holds the offending value.
Result judgeError(Session& session, const Case& test) {
  try {
    outputsOf(session, test);
  } catch (const std::exception& error) {
    const std::string message = error.what(), name = opSchema(test.op).name;
    if (message.rfind(name + ":", 0) != 0)
      return failed("the error does not begin with the op's name: " + message);
    if (message.find(test.error) == std::string::npos)
      return failed("the error does not name " + test.error + ": " + message);
    return {};
  }
  return failed("no error");
}

Result judgeValues(const Case& test, const Outputs& actual, const Outputs& expected) {
  Result result;
  for (size_t i = 0; i < actual.fields.size(); ++i) {
    const std::string name = actual.fields[i]->name;
    const Tensor shape = tensorOf(test, *actual.fields[i]);
    const Bound bound = boundOf(test, name, shape.dtype);
    const Difference found = compare(shape, actual.bytes[i], expected.bytes[i], bound.nmse == 0);
    if (!found.what.empty()) return failed(name + found.what);
    if (found.nmse > bound.nmse || found.largest > bound.largest) {
      return failed(name + ": NMSE " + text(found.nmse) + " (bound " + text(bound.nmse) +
                    "), largest error " + text(found.largest) + " (bound " + text(bound.largest) + ")");
    }
    const double share =
        bound.nmse > 0 ? std::max(found.nmse / bound.nmse, found.largest / bound.largest) : 0;
    if (result.worst.empty() || share > result.share) {
      result.share = share;
      result.worst = name + " NMSE " + text(found.nmse) + " (bound " + text(bound.nmse) + ")";
    }
  }
  return result;
}

// The runs at one placement take turns through the schedules of an emulator: so many runs, the same bits in
// all.
struct Runs {
  int aligned, odd;
};

Runs runsOf(const Sessions& sessions, const Options& options) {
  if (!options.everySchedule) return {options.repeat, 1};
  return {std::max(options.repeat, sessions.schedules()), sessions.schedules()};
}

Result judgeOutputs(const Sessions& sessions, const Case& test, const Runs& runs) {
  int turn = 0;
  const auto run = [&](Placement placement) {
    sessions.schedule(turn++);
    return outputsOf(*sessions.one, test, placement);
  };
  const Outputs actual = run(Placement::Aligned);
  for (int i = 1; i < runs.aligned; ++i) {
    if (run(Placement::Aligned).bytes != actual.bytes) return failed("two runs differ");
  }
  if (sessions.threads() && outputsOf(*sessions.many, test).bytes != actual.bytes) {
    return failed(std::to_string(sessions.many->info().threads) + " threads and one differ");
  }
  const Outputs expected = outputsOf(*sessions.reference, widened(test));
  const Result result = judgeValues(test, actual, expected);
  if (result.status != Status::Passed) return result;
  // Other bits are allowed here: a device may read what is not aligned by another kernel.
  const Outputs odd = run(Placement::Odd);
  for (int i = 1; i < runs.odd; ++i) {
    if (run(Placement::Odd).bytes != odd.bytes) return failed("operands at odd places: two runs differ");
  }
  if (odd.bytes == actual.bytes) return result;
  const Result elsewhere = judgeValues(test, odd, expected);
  if (elsewhere.status != Status::Passed) return failed("operands at odd places: " + elsewhere.reason);
  return elsewhere.share > result.share ? elsewhere : result;
}

// The case with none of its rows: there is nothing to write and no reason to fail.
Result judgeNoRows(Session& session, const Case& test) {
  try {
    outputsOf(session, rowsFrom(test, 0, 0));
    return {};
  } catch (const std::exception& error) {
    return failed(error.what());
  }
}

// Sequences are given by offsets, which end at the number of rows: such cases are in cases_attention.cpp.
bool canBeEmpty(const Case& test) {
  if (test.op == Op::attentionForward || test.op == Op::attentionBackward) return false;
  return test.error.empty() && rowsOf(test) > 0;
}

Result judge(const Sessions& sessions, const Case& test, const Runs& runs) {
  try {
    const std::string why = Operands(*sessions.one, test).unsupported();
    if (!why.empty()) {
      for (const GraphCall& call : graphCalls()) {
        if (isCall(call, test)) return failed("not supported, and every model asks for it: " + why);
      }
      return {Status::Unsupported, why, 0, ""};
    }
    return test.error.empty() ? judgeOutputs(sessions, test, runs) : judgeError(*sessions.one, test);
  } catch (const std::exception& error) {
    return failed(error.what());
  }
}

// One op's cases and their results.
struct OpReport {
  Op op;
  int passed = 0, failed = 0, unsupported = 0;
  std::vector<std::pair<std::string, Result>> results;
  std::string missing;  // set when the suite did not judge the op at all

  bool ok() const { return failed == 0 && missing.empty(); }
};

OpReport judgeOp(const Sessions& sessions, const CaseList& cases, Op op, const Options& options) {
  OpReport report{op, 0, 0, 0, {}, ""};
  std::vector<GraphCall> missing;  // calls of the graphs that no case has made yet
  for (const GraphCall& call : graphCalls()) {
    if (call.op == op) missing.push_back(call);
  }
  const auto add = [&](const std::string& label, const Result& result) {
    if (result.status == Status::Passed) ++report.passed;
    if (result.status == Status::Failed) ++report.failed;
    if (result.status == Status::Unsupported) ++report.unsupported;
    report.results.emplace_back(label, result);
  };
  bool emptied = false;
  for (const CaseSpec& spec : cases) {
    if (spec.op != op || spec.label.find(options.filter) == std::string::npos) continue;
    const Case test = makeCase(spec, options.seed);
    std::erase_if(missing, [&](const GraphCall& call) { return isCall(call, test); });
    const Result result = judge(sessions, test, runsOf(sessions, options));
    add(spec.label, result);
    if (emptied || result.status != Status::Passed || spec.op != test.op || !canBeEmpty(test)) continue;
    emptied = true;
    add("no rows of " + spec.label, judgeNoRows(*sessions.one, test));
  }
  if (!options.filter.empty()) return report;
  if (report.results.empty()) {
    report.missing = "the suite has no case of this op";
  } else if (!missing.empty()) {
    report.missing = "the suite has no case of " + missing.front().dtypes;
  } else if (report.passed + report.failed == 0) {
    report.missing = "the backend runs no case of it: " + report.results.front().second.reason;
  }
  return report;
}

void print(const OpReport& report) {
  const Result* worst = nullptr;
  for (const auto& [label, result] : report.results) {
    if (result.status == Status::Passed && (!worst || result.share > worst->share)) worst = &result;
  }
  std::printf("%s %-20s %3d passed", report.ok() ? "ok  " : "FAIL", opSchema(report.op).name, report.passed);
  if (report.failed) std::printf(", %d failed", report.failed);
  if (report.unsupported) std::printf(", %d not supported", report.unsupported);
  if (worst && !worst->worst.empty()) std::printf("; worst: %s", worst->worst.c_str());
  std::printf("\n");
  if (!report.missing.empty()) std::printf("       %s\n", report.missing.c_str());
  for (const auto& [label, result] : report.results) {
    if (result.status == Status::Failed)
      std::printf("       %s\n         %s\n", label.c_str(), result.reason.c_str());
  }
  // A reason is told once, with the number of cases that it explains.
  std::map<std::string, int> reasons;
  for (const auto& [label, result] : report.results)
    reasons[result.reason] += result.status == Status::Unsupported;
  for (const auto& [reason, count] : reasons) {
    if (count > 0) std::printf("       %d x not supported: %s\n", count, reason.c_str());
  }
  std::fflush(stdout);
}

void printJson(const std::vector<OpReport>& reports, const Session& session, uint64_t seed) {
  const DeviceInfo info = session.info();
  std::printf("{\"backend\": %s, \"architecture\": %s, \"threads\": %d, \"seed\": %llu, \"ops\": [",
              json(session.backend()->name).c_str(), json(info.architecture).c_str(), info.threads,
              static_cast<unsigned long long>(seed));
  const char* comma = "";
  for (const OpReport& report : reports) {
    std::printf(
        "%s\n{\"op\": %s, \"ok\": %s, \"passed\": %d, \"failed\": %d, \"unsupported\": %d, \"missing\": %s, "
        "\"cases\": [",
        comma, json(opSchema(report.op).name).c_str(), report.ok() ? "true" : "false", report.passed,
        report.failed, report.unsupported, json(report.missing).c_str());
    comma = ",";
    const char* inner = "";
    for (const auto& [label, result] : report.results) {
      const char* status[] = {"passed", "failed", "unsupported"};
      std::printf(
          "%s\n  {\"case\": %s, \"status\": \"%s\", \"reason\": %s, \"worst\": %s, \"shareOfBound\": %s}",
          inner, json(label).c_str(), status[static_cast<int>(result.status)], json(result.reason).c_str(),
          json(result.worst).c_str(), json(result.share).c_str());
      inner = ",";
    }
    std::printf("]}");
  }
  std::printf("]}\n");
}

}  // namespace

int test(const Options& options) {
  const std::string backend = options.backend.empty() ? "cpu" : options.backend;
  const Sessions sessions{openSession(backend, 1), openSession(backend, options.threads),
                          openSession("reference", options.threads)};
  if (!options.json) {
    const DeviceInfo info = sessions.many->info();
    const std::string threads =
        sessions.threads() ? ", 1 and " + std::to_string(info.threads) + " threads" : std::string();
    std::printf("%s (%s)%s, %d runs, against the reference; seed %llu\n", backend.c_str(), info.architecture,
                threads.c_str(), options.repeat, static_cast<unsigned long long>(options.seed));
  }
  const CaseList cases = allCases();
  std::vector<OpReport> reports;
  bool ok = true;
  for (int i = 0; i < kOpCount; ++i) {
    if (!options.wants(static_cast<Op>(i))) continue;
    reports.push_back(judgeOp(sessions, cases, static_cast<Op>(i), options));
    ok = ok && reports.back().ok();
    if (!options.json) print(reports.back());
  }
  if (options.json) printJson(reports, *sessions.many, options.seed);
  return ok ? kOk : kFailed;
}

}  // namespace ibert::tools

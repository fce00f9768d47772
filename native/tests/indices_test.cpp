// The rules of index tensors: each such operand of the table has one, and a broken one is found at its first
// place.
#include "frame/indices.h"

#include <algorithm>
#include <set>
#include <string>

#include "check.h"
#include "tools/cases.h"

namespace ibert::tests {

namespace {

// Operands of integers that name no place: any value is right.
const std::set<std::string> kFree = {"ropeTable.positions", "sample.mask"};

bool isIndexInput(const Field& field) {
  return field.type == FieldType::Tensor && field.kind == Kind::Index &&
         (field.role == Role::In || field.role == Role::InOptional);
}

// Breaks one value of each operand that has a rule, in a copy of a good case.
void breakEach(const tools::CaseSpec& spec, std::set<std::string>& seen) {
  const tools::Case test = tools::makeCase(spec, 1);
  frame::Fault fault;
  if (!test.error.empty()) return;
  const OpSchema& schema = opSchema(test.op);
  expect(!frame::findFault(test.op, test.arguments.data(), &fault),
         std::string(schema.name) + ", " + spec.label + ": a good case has no fault");
  const frame::IndexRules all = frame::indexRules(test.op, test.arguments.data());
  for (int i = 0; i < all.count; ++i) {
    const frame::IndexRule& rule = all.rules[i];
    if (rule.tensor->elements() == 0) continue;
    const std::string name = schema.fields[rule.field].name;
    if (rule.rule == frame::Rule::Within) continue;  // cases_sample.cpp and cases_loss.cpp break each
    int32_t* values = rule.tensor->as<int32_t>();
    const int64_t place = rule.rule == frame::Rule::Blocks ? 0 : rule.tensor->elements() / 2;
    for (const int64_t bad : {rule.low - 1, rule.high + 1}) {
      if (bad > INT32_MAX || bad < INT32_MIN) continue;
      const int32_t good = values[place];
      values[place] = static_cast<int32_t>(bad);
      const bool found = frame::findFault(test.op, test.arguments.data(), &fault);
      values[place] = good;
      // The rows' order decides which block is looked at first.
      if (rule.rule == frame::Rule::Blocks && !found) continue;
      expect(found && fault.field == rule.field, std::string(schema.name) + ": " + name + " is found");
      const std::string text = frame::faultText(test.op, test.arguments.data(), fault);
      expect(text.rfind(std::string(schema.name) + ": " + name + "[", 0) == 0, "and named: " + text);
      if (rule.rule != frame::Rule::Offsets) {
        expect(fault.index == place && fault.value == bad, "with its place and value: " + text);
      }
      seen.insert(std::string(schema.name) + "." + name);
    }
  }
}

}  // namespace

}  // namespace ibert::tests

int main() {
  using namespace ibert;
  std::set<std::string> seen;
  for (const tools::CaseSpec& spec : tools::allCases()) tests::breakEach(spec, seen);
  for (int op = 0; op < kOpCount; ++op) {
    const OpSchema& schema = opSchema(static_cast<Op>(op));
    for (const Field& field : schema.fields) {
      const std::string name = std::string(schema.name) + "." + field.name;
      if (tests::isIndexInput(field) && !tests::kFree.count(name))
        tests::expect(seen.count(name) == 1, name + " has a rule");
    }
  }
  return tests::report();
}

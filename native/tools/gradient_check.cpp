#include "gradient_check.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "reference/values.h"

namespace ibert::tools {

namespace {

// Of an element. A step of h leaves an error of about h^2 + 1e-16 / h = 1e-10 in a derivative of size 1.
constexpr double kStep = 1e-5;
// So many elements of a group are asked for, drawn from all where there are more, and so many sums of all.
constexpr size_t kMostElements = 192;
constexpr int kSums = 16;

// (loss at x + h d - loss at x - h d) / 2h for each group, where d is +1 or -1 at some elements and 0
// elsewhere.
struct Direction {
  std::vector<std::pair<int64_t, double>> steps;  // element, sign
  double step;
};

std::vector<double> losses(const GradientChecker::Problem& problem) {
  problem.forward();
  std::vector<double> sums(static_cast<size_t>(problem.groups.count));
  const auto add = [&](const Tensor& a, const Tensor& b, const Groups::OfElement& groupOf) {
    const int64_t columns = a.rank < 2 ? 1 : a.shape[a.rank - 1];
    for (int64_t i = 0; i < a.elements(); ++i) {
      const int64_t group = groupOf(i / columns, i % columns);
      if (group >= 0) sums[group] += reference::readAt(a, i) * reference::readAt(b, i);
    }
  };
  add(problem.y, problem.dy, problem.groups.ofY);
  if (problem.added != nullptr) add(problem.x, *problem.added, problem.groups.ofX);
  return sums;
}

std::vector<double> derivatives(const GradientChecker::Problem& problem, const Direction& direction) {
  auto* x = problem.x.as<double>();
  std::vector<double> kept;
  for (const auto& [element, sign] : direction.steps) kept.push_back(x[element]);
  const auto at = [&](double step) {
    for (size_t i = 0; i < kept.size(); ++i)
      x[direction.steps[i].first] = kept[i] + step * direction.steps[i].second;
    return losses(problem);
  };
  std::vector<double> result = at(direction.step);
  const std::vector<double> below = at(-direction.step);
  at(0);
  for (size_t i = 0; i < result.size(); ++i) result[i] = (result[i] - below[i]) / (2 * direction.step);
  return result;
}

// What the backend's gradient says of a direction.
std::vector<double> claimed(const GradientChecker::Problem& problem, const Direction& direction,
                            const std::vector<int64_t>& groupOf) {
  std::vector<double> sums(static_cast<size_t>(problem.groups.count));
  for (const auto& [element, sign] : direction.steps)
    sums[groupOf[element]] += sign * reference::readAt(problem.gradient, element);
  return sums;
}

}  // namespace

Groups byRow(const Tensor& x) {
  const auto row = [](int64_t row, int64_t) { return row; };
  return {x.shape[0], row, row};
}

void GradientChecker::run(const Case& test) {
  Operands operands(session_, test);
  if (!operands.unsupported().empty()) throw std::runtime_error(operands.unsupported());
  operands.enqueue();
  operands.synchronize();
  if (const std::string damage = operands.damage(); !damage.empty())
    throw std::runtime_error(std::string(opSchema(test.op).name) + ": " + damage);
  for (const Field& field : opSchema(test.op).fields) {
    if (field.type != FieldType::Tensor || field.role == Role::In || field.role == Role::InOptional) continue;
    const auto& tensor = *reinterpret_cast<const Tensor*>(test.arguments.data() + field.offset);
    if (!tensor) continue;
    const std::vector<std::byte> bytes = operands.bytes(field.name);
    std::memcpy(tensor.data, bytes.data(), bytes.size());
  }
}

void GradientChecker::check(Op op, const std::string& label, Bound bound, const Problem& problem) {
  const int64_t columns = problem.x.shape[problem.x.rank - 1];
  std::vector<int64_t> groupOf(static_cast<size_t>(problem.x.elements()));
  std::vector<std::vector<int64_t>> members(static_cast<size_t>(problem.groups.count));
  size_t most = 0;
  for (int64_t i = 0; i < problem.x.elements(); ++i) {
    groupOf[i] = problem.groups.ofX(i / columns, i % columns);
    members[groupOf[i]].push_back(i);
    most = std::max(most, members[groupOf[i]].size());
  }
  GradientCheck result{op, label, bound};

  // One element of each group at a time.
  std::vector<std::pair<double, double>> elements;  // differences, and what was expected
  for (std::vector<int64_t>& group : members) {
    const size_t count = std::min(group.size(), kMostElements);
    for (size_t i = 0; i < count && count < group.size(); ++i)
      std::swap(group[i],
                group[random_.integer(static_cast<int64_t>(i), static_cast<int64_t>(group.size()))]);
    group.resize(count);
  }
  double error = 0, size = 0;
  for (size_t i = 0; i < std::min(most, kMostElements); ++i) {
    Direction direction{{}, kStep};
    for (const std::vector<int64_t>& group : members)
      if (i < group.size()) direction.steps.emplace_back(group[i], 1);
    const std::vector<double> numeric = derivatives(problem, direction);
    for (const auto& [element, sign] : direction.steps) {
      const double expected = numeric[groupOf[element]];
      elements.emplace_back(reference::readAt(problem.gradient, element) - expected, expected);
      error += elements.back().first * elements.back().first;
      size += expected * expected;
    }
  }
  result.nmse = error / size;
  const double mean = std::sqrt(size / static_cast<double>(elements.size()));
  for (const auto& [difference, expected] : elements)
    result.largest = std::max(result.largest, std::fabs(difference) / (std::fabs(expected) + mean));

  // All elements at once, with random signs: the square of such a sum of errors is on average the sum of
  // their squares (Hutchinson 1990), so that no wrong element is left out.
  error = size = 0;
  for (int i = 0; i < kSums; ++i) {
    Direction direction{{}, kStep / std::sqrt(static_cast<double>(groupOf.size()))};
    for (size_t element = 0; element < groupOf.size(); ++element)
      direction.steps.emplace_back(element, random_.uniform() < 0.5 ? -1 : 1);
    const std::vector<double> numeric = derivatives(problem, direction);
    const std::vector<double> own = claimed(problem, direction, groupOf);
    for (size_t group = 0; group < own.size(); ++group) {
      error += (own[group] - numeric[group]) * (own[group] - numeric[group]);
      size += numeric[group] * numeric[group];
    }
  }
  if (!(error / size <= result.nmse)) result.nmse = error / size;
  checks_.push_back(result);
}

}  // namespace ibert::tools

// Draws the next token of every row from its logits.
#include <algorithm>
#include <cmath>

#include "reference.h"

namespace ibert::reference {

namespace {

struct Candidate {
  int32_t id;
  double logit;
};

bool allowed(const Tensor& mask, int64_t row, int64_t id) {
  if (!mask) return true;
  const auto word = static_cast<uint32_t>(mask.as<const int32_t>()[row * mask.shape[1] + id / 32]);
  return word >> (id % 32) & 1;
}

// The allowed ids in descending order of their logits, equal ones in ascending order of id.
std::vector<Candidate> candidates(const Sample& args, int64_t row) {
  const int64_t V = args.logits.shape[1];
  std::vector<Candidate> list;
  for (int64_t id = 0; id < V; ++id) {
    if (!allowed(args.mask, row, id)) continue;
    const double logit = readAt(args.logits, row * V + id);
    if (std::isnan(logit) || logit == HUGE_VAL) {
      throw std::runtime_error("sample: logits[" + std::to_string(row) + "][" + std::to_string(id) + "] is " +
                               (std::isnan(logit) ? "not a number" : "infinite"));
    }
    list.push_back({static_cast<int32_t>(id), logit});
  }
  if (list.empty())
    throw std::runtime_error("sample: the mask of row " + std::to_string(row) + " allows no id");
  std::stable_sort(list.begin(), list.end(),
                   [](const Candidate& a, const Candidate& b) { return a.logit > b.logit; });
  return list;
}

struct Settings {
  double temperature, topP;
  int64_t topK;
};

Settings settingsOf(const Sample& args, int64_t row) {
  return {args.temperature ? readAt(args.temperature, row) : 0, args.topP ? readAt(args.topP, row) : 1,
          args.topK ? indexAt(args.topK, row) : 0};
}

// Index of the drawn candidate: the first whose cumulative probability exceeds `uniform`, among the shortest
// prefix of the first topK candidates that holds topP of their probability.
size_t draw(const Settings& settings, const std::vector<Candidate>& list, double uniform) {
  size_t kept = list.size();
  if (settings.topK > 0) kept = std::min(kept, static_cast<size_t>(settings.topK));
  std::vector<double> cumulative(kept);
  double sum = 0;
  for (size_t i = 0; i < kept; ++i) {
    sum += std::exp((list[i].logit - list[0].logit) / settings.temperature);
    cumulative[i] = sum;
  }
  const auto prefixEnd = std::lower_bound(cumulative.begin(), cumulative.end(), settings.topP * sum);
  kept = std::min(static_cast<size_t>(prefixEnd - cumulative.begin()) + 1, kept);
  const double point = uniform * cumulative[kept - 1];
  const auto chosen = std::upper_bound(cumulative.begin(), cumulative.begin() + kept, point);
  return std::min(static_cast<size_t>(chosen - cumulative.begin()), kept - 1);
}

void sample(const Sample& args, Context& context) {
  context.pool.parallelFor(args.logits.shape[0], [&](int64_t row, int) {
    const std::vector<Candidate> list = candidates(args, row);
    const Settings settings = settingsOf(args, row);
    const size_t chosen = settings.temperature > 0 ? draw(settings, list, readAt(args.uniform, row)) : 0;
    args.ids.as<int32_t>()[row] = list[chosen].id;
    if (!args.logprob) return;
    double sum = 0;
    for (const Candidate& candidate : list) sum += std::exp(candidate.logit - list[0].logit);
    writeAt(args.logprob, row, list[chosen].logit - list[0].logit - std::log(sum));
  });
}

}  // namespace

void registerSample(KernelTable& table) {
  table.set<Sample, sample>(kPath);
}

}  // namespace ibert::reference

// Draws the next token of every row from its logits.
//
// Nothing here sorts the vocabulary. Candidates in descending order fall into bins by their distance from the
// highest logit; the sums of whole bins say in which one a prefix (top-k, top-p or the drawn point) ends, and
// that bin's members are halved around their median until one is left: linear work, however many they are.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "../fail.h"
#include "act.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

constexpr int kBins = 2048;
constexpr float kBinsPerNat = 64.0f;
// Stands for an id that the mask forbids.
constexpr float kForbidden = -__builtin_inff();

struct Scratch {
  int64_t counts[kBins];
  double masses[kBins];
};

int64_t rowBytes(int64_t V) {
  return static_cast<int64_t>(sizeof(Scratch)) + 2 * ((V * 4 + 63) & ~int64_t{63});
}

int64_t workspace(const Sample& args, int threads) {
  return threads * rowBytes(args.logits.shape[1]);
}

struct Member {
  int32_t id;
  float logit, weight;
};

// As float32, at most its largest number: times a distance of 0 that is 0, where infinity gives no number. So
// a temperature near 0 draws the highest logit.
float finite(double x) {
  return static_cast<float>(std::min<double>(x, std::numeric_limits<float>::max()));
}

// Where a walk down the candidates ended.
struct Place {
  int32_t id;
  int64_t count;
  double mass;
};

class Candidates {
 public:
  Candidates(const float* logits, const float* weights, int64_t V, float highest, double temperature,
             Scratch& scratch)
      : logits_(logits),
        weights_(weights),
        V_(V),
        highest_(highest),
        perNat_(finite(kBinsPerNat / temperature)),
        scratch_(scratch) {
    std::memset(&scratch_, 0, sizeof scratch_);
    for (int64_t id = 0; id < V; ++id) {
      const int bin = binOf(logits[id]);
      if (bin < 0) continue;
      ++scratch_.counts[bin];
      scratch_.masses[bin] += weights[id];
      ++count_;
    }
  }

  // All of them; `id` is of none.
  Place all() const {
    Place place{-1, count_, 0};
    for (const double mass : scratch_.masses) place.mass += mass;
    return place;
  }

  // Goes down until the mass reaches `target` (or exceeds it, when `beyond`) or `limit` candidates are taken.
  Place walk(double target, bool beyond, int64_t limit) const {
    const auto reached = [&](double mass) { return beyond ? mass > target : mass >= target; };
    Place place{-1, 0, 0};
    for (int bin = 0; bin < kBins; ++bin) {
      const double after = place.mass + scratch_.masses[bin];
      if (place.count + scratch_.counts[bin] < limit && !reached(after)) {
        place.count += scratch_.counts[bin];
        place.mass = after;
        continue;
      }
      return within(members(bin), place, limit, reached);
    }
    return place;
  }

 private:
  // Goes on from `place`, which ends before the members of one bin, to the one at which the walk ends.
  template <typename Reached>
  static Place within(std::vector<Member> list, Place place, int64_t limit, const Reached& reached) {
    auto first = list.begin(), last = list.end();
    while (last - first > 1) {
      const auto middle = first + (last - first) / 2;
      std::nth_element(first, middle, last, [](const Member& a, const Member& b) {
        return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
      });
      Place upper = place;
      for (auto member = first; member != middle; ++member) {
        ++upper.count;
        upper.mass += member->weight;
      }
      if (upper.count >= limit || reached(upper.mass)) {
        last = middle;
      } else {
        place = upper;
        first = middle;
      }
    }
    return {first->id, place.count + 1, place.mass + first->weight};
  }

  int binOf(float logit) const {
    if (logit == kForbidden) return -1;
    const float distance = (highest_ - logit) * perNat_;
    return distance < kBins - 1 ? static_cast<int>(distance) : kBins - 1;
  }

  std::vector<Member> members(int bin) const {
    std::vector<Member> list;
    list.reserve(static_cast<size_t>(scratch_.counts[bin]));
    for (int64_t id = 0; id < V_; ++id) {
      if (binOf(logits_[id]) == bin) list.push_back({static_cast<int32_t>(id), logits_[id], weights_[id]});
    }
    return list;
  }

  const float* logits_;
  const float* weights_;
  int64_t V_;
  float highest_, perNat_;
  Scratch& scratch_;
  int64_t count_ = 0;
};

// The row's logits with kForbidden where the mask is 0.
void applyMask(const float* logits, const int32_t* mask, int64_t V, float* masked) {
  for (int64_t id = 0; id < V; ++id) {
    masked[id] = static_cast<uint32_t>(mask[id / 32]) >> (id % 32) & 1 ? logits[id] : kForbidden;
  }
}

float highestOf(const float* logits, int64_t V, int64_t row) {
  Vec best = broadcast(kForbidden), unordered = broadcast(0.0f);
  const auto look = [&](Vec x) {
    best = max(x, best);
    unordered += selectLessEqual(x, x, broadcast(0.0f), broadcast(1.0f));
  };
  int64_t id = 0;
  for (; id + kWidth <= V; id += kWidth) look(load(logits + id));
  for (; id < V; ++id) look(broadcast(logits[id]));
  if (sum(unordered) > 0 || highest(best) == -kForbidden) {
    for (id = 0; id < V; ++id) {
      if (std::isnan(logits[id]) || logits[id] == -kForbidden) {
        fail("sample: logits[%lld][%lld] is %s", static_cast<long long>(row), static_cast<long long>(id),
             std::isnan(logits[id]) ? "not a number" : "infinite");
      }
    }
  }
  return highest(best);
}

// weights[i] = exp((logits[i] - highest) / temperature); returns their sum.
double weigh(const float* logits, int64_t V, float highest, double temperature, float* weights) {
  const Vec inverse = broadcast(finite(1 / temperature));
  constexpr int64_t kBlock = 4096;
  double total = 0;
  for (int64_t begin = 0; begin < V; begin += kBlock) {
    const int64_t count = begin + kBlock < V ? kBlock : V - begin;
    Vec part = broadcast(0.0f);
    forVectors(count, [&](int64_t i, int64_t lanes) {
      const Vec w = exp((loadPart(logits + begin + i, lanes) - broadcast(highest)) * inverse);
      storePart(weights + begin + i, w, lanes);
      part += lanes < kWidth ? loadPart(weights + begin + i, lanes) : w;
    });
    total += sum(part);
  }
  return total;
}

struct Settings {
  double temperature, topP;
  int64_t topK;
};

int32_t draw(const Settings& settings, const Candidates& candidates, double uniform) {
  Place kept = candidates.all();
  if (settings.topK > 0 && settings.topK < kept.count) kept = candidates.walk(HUGE_VAL, false, settings.topK);
  const Place nucleus =
      settings.topP < 1 ? candidates.walk(settings.topP * kept.mass, false, kept.count) : kept;
  return candidates.walk(uniform * nucleus.mass, true, nucleus.count).id;
}

Settings settingsOf(const Sample& args, int64_t row) {
  return {args.temperature ? args.temperature.as<const float>()[row] : 0.0,
          args.topP ? args.topP.as<const float>()[row] : 1.0,
          args.topK ? args.topK.as<const int32_t>()[row] : 0};
}

void sampleRow(const Sample& args, int64_t row, std::byte* memory) {
  const int64_t V = args.logits.shape[1];
  Scratch& scratch = *reinterpret_cast<Scratch*>(memory);
  float* masked = reinterpret_cast<float*>(memory + sizeof(Scratch));
  float* weights = masked + ((V + 15) & ~int64_t{15});
  const float* logits = args.logits.as<const float>() + row * V;
  const int32_t* mask = args.mask ? args.mask.as<const int32_t>() + row * args.mask.shape[1] : nullptr;
  if (mask) {
    applyMask(logits, mask, V, masked);
    logits = masked;
  }
  const float highest = highestOf(logits, V, row);
  if (highest == kForbidden) {
    fail("sample: row %lld: %s", static_cast<long long>(row),
         mask ? "the mask allows no id with a finite logit" : "all logits are -infinity");
  }

  const Settings settings = settingsOf(args, row);
  int32_t id = 0;
  if (settings.temperature > 0) {
    const double uniform = args.uniform.as<const float>()[row];
    weigh(logits, V, highest, settings.temperature, weights);
    id = draw(settings, Candidates(logits, weights, V, highest, settings.temperature, scratch), uniform);
  } else {
    while (logits[id] != highest) ++id;
  }
  args.ids.as<int32_t>()[row] = id;
  if (args.logprob) {
    const double total = weigh(logits, V, highest, 1.0, weights);
    args.logprob.as<float>()[row] = static_cast<float>(logits[id] - highest - std::log(total));
  }
}

void sample(const Sample& args, host::Context& context) {
  const int64_t bytes = rowBytes(args.logits.shape[1]);
  context.pool.parallelFor(args.logits.shape[0], [&](int64_t row, int worker) {
    sampleRow(args, row, context.workspace + worker * bytes);
  });
}

}  // namespace

void registerSample(host::KernelTable& table) {
  table.set<Sample, sample>(kPath);
  table.setWorkspace<Sample, workspace>();
}

}  // namespace ibert::cpu::IBERT_ISA

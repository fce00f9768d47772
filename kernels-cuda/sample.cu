// sample: draws one id a row, greedily or by inverse transform over the top-k, top-p renormalised softmax in
// descending order of the logits, equal ones in ascending order of their ids.
#include "operand.h"
#include "register.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kDigits = 256;
// Weights, at most 1, are summed as whole numbers: their order does not show, and 2^17 of them are exact as
// doubles.
constexpr float kUnit = 17179869184.0f;  // 2^34
constexpr int kKeyDigits = 4, kIdDigits = 3;

// Where a walk down the candidates ended.
struct Place {
  int32_t id;
  unsigned count;
  double mass;
};

struct Shared {
  unsigned long long masses[kDigits];
  unsigned counts[kDigits];
  Place place;
  unsigned key, id;  // digits that were found
  double sums[kThreads];
  float logits[kThreads];
  int ids[kThreads];
};

struct Row {
  const float* logits;
  const int32_t* mask;  // or null
  int64_t V;
  float highest, perUnit;  // 1 / temperature

  __device__ float at(int64_t id) const {
    if (mask != nullptr && (static_cast<unsigned>(mask[id / 32]) >> (id % 32) & 1) == 0) return -INFINITY;
    return logits[id];
  }
  __device__ unsigned long long weight(float logit) const {
    return static_cast<unsigned long long>(expf((logit - highest) * perUnit) * kUnit);
  }
};

// Ascending where the logits descend.
__device__ __forceinline__ unsigned keyOf(float logit) {
  const unsigned bits = __float_as_uint(logit == 0 ? 0.0f : logit);
  return bits >> 31 ? bits : ~bits & 0x7fffffffu;
}

// Goes down until the mass reaches `target` (or exceeds it, when `beyond`) or `limit` candidates are taken.
// Digit by digit: how many candidates have which next digit, and what they weigh, says in which of them the
// walk ends; first the digits of the logit, then, among equal logits, those of the id.
__device__ __forceinline__ Place walk(const Row& row, double target, bool beyond, unsigned limit,
                                      Shared& shared) {
  if (threadIdx.x == 0) {
    shared.place = {-1, 0, 0};
    shared.key = shared.id = 0;
  }
#pragma unroll 1
  for (int digit = 0; digit < kKeyDigits + kIdDigits; ++digit) {
    const bool ofKey = digit < kKeyDigits;
    const int shift = 8 * (ofKey ? kKeyDigits - 1 - digit : kKeyDigits + kIdDigits - 1 - digit);
    shared.masses[threadIdx.x] = 0;
    shared.counts[threadIdx.x] = 0;
    __syncthreads();
    const unsigned key = shared.key, id = shared.id;
#pragma unroll 1
    for (int64_t v = threadIdx.x; v < row.V; v += kThreads) {
      const float logit = row.at(v);
      if (logit == -INFINITY) continue;
      const unsigned own = keyOf(logit), ownId = static_cast<unsigned>(v);
      // The digits that were found must be its own.
      const unsigned long long found =
          ofKey ? (static_cast<unsigned long long>(own ^ key) >> shift >> 8)
                : (own ^ key) | (static_cast<unsigned long long>(ownId ^ id) >> shift >> 8);
      if (found != 0) continue;
      const unsigned bin = (ofKey ? own : ownId) >> shift & 255;
      atomicAdd(&shared.counts[bin], 1u);
      atomicAdd(&shared.masses[bin], row.weight(logit));
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      Place place = shared.place;
      int last = 0;
      for (int bin = 0; bin < kDigits; ++bin) {
        if (shared.counts[bin] == 0) continue;
        last = bin;
        const double after = place.mass + static_cast<double>(shared.masses[bin]);
        if (place.count + shared.counts[bin] >= limit || (beyond ? after > target : after >= target)) break;
        place.count += shared.counts[bin];
        place.mass = after;
      }
      shared.place = place;
      if (ofKey) {
        shared.key |= static_cast<unsigned>(last) << shift;
      } else {
        shared.id |= static_cast<unsigned>(last) << shift;
      }
      if (digit + 1 == kKeyDigits + kIdDigits) {
        shared.place = {static_cast<int32_t>(shared.id), place.count + 1,
                        place.mass + static_cast<double>(shared.masses[last])};
      }
    }
    __syncthreads();
  }
  const Place end = shared.place;
  __syncthreads();
  return end;
}

// The sum over the threads, in their order, for all of them.
__device__ __forceinline__ double total(double own, Shared& shared) {
  shared.sums[threadIdx.x] = own;
  __syncthreads();
  double sum = 0;
  for (int i = 0; i < kThreads; ++i) sum += shared.sums[i];
  __syncthreads();
  return sum;
}

struct Highest {
  float logit;
  int id;
};

// The highest logit and the lowest id that has it; the id is -1 where nothing is allowed.
__device__ __forceinline__ Highest highestOf(const Row& row, Shared& shared) {
  Highest best{-INFINITY, -1};
  for (int64_t v = threadIdx.x; v < row.V; v += kThreads) {
    const float logit = row.at(v);
    if (logit > best.logit) best = {logit, static_cast<int>(v)};
  }
  shared.logits[threadIdx.x] = best.logit;
  shared.ids[threadIdx.x] = best.id;
  __syncthreads();
  for (int i = 0; i < kThreads; ++i) {
    const float logit = shared.logits[i];
    const int id = shared.ids[i];
    if (id >= 0 && (logit > best.logit || best.id < 0 || (logit == best.logit && id < best.id)))
      best = {logit, id};
  }
  __syncthreads();
  return best;
}

// The first id whose allowed logit is no number or infinite; V where there is none.
__device__ __forceinline__ int64_t firstBad(const Row& row, Shared& shared) {
  int mine = INT32_MAX;
  for (int64_t v = threadIdx.x; v < row.V && mine == INT32_MAX; v += kThreads) {
    const float logit = row.at(v);
    if (logit != logit || logit == INFINITY) mine = static_cast<int>(v);
  }
  shared.ids[threadIdx.x] = mine;
  __syncthreads();
  for (int i = 0; i < kThreads; ++i) mine = shared.ids[i] < mine ? shared.ids[i] : mine;
  __syncthreads();
  return mine == INT32_MAX ? row.V : mine;
}

__device__ __forceinline__ int32_t draw(const Row& row, float uniform, float topP, int topK, Shared& shared) {
  unsigned count = 0;
  double mass = 0;
  for (int64_t v = threadIdx.x; v < row.V; v += kThreads) {
    const float logit = row.at(v);
    if (logit == -INFINITY) continue;
    ++count;
    mass += static_cast<double>(row.weight(logit));
  }
  Place kept{-1, static_cast<unsigned>(total(count, shared)), total(mass, shared)};
  // One call of `walk`, so that it is part of the kernel: top-k, top-p, the drawn point.
#pragma unroll 1
  for (int goal = 0; goal < 3; ++goal) {
    if (goal == 0 && (topK <= 0 || static_cast<unsigned>(topK) >= kept.count)) continue;
    if (goal == 1 && !(topP < 1)) continue;
    const double target = goal == 0 ? INFINITY : goal == 1 ? topP * kept.mass : uniform * kept.mass;
    kept = walk(row, target, goal == 2, goal == 0 ? static_cast<unsigned>(topK) : kept.count, shared);
  }
  return kept.id;
}

// The number of the field logits, for a record.
constexpr int32_t kLogitsField = 0;
static_assert(offsetof(Sample, logits) == 0);

struct Operands {
  const float* logits;
  const int32_t* mask;
  const float *uniform, *temperature, *topP;
  const int32_t* topK;
  int32_t* ids;
  float* logprob;
  int64_t V, words;
  int64_t number;
  frame::Fault* fault;
};

// The twin: a row a block.
__global__ void __launch_bounds__(kThreads) sampleTwin(Operands o) {
  DYNAMIC_SHARED(memory);
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  const int64_t b = blockIdx.x;
  const float temperature = o.temperature == nullptr ? 0.0f : o.temperature[b];
  Row row{o.logits + b * o.V, o.mask == nullptr ? nullptr : o.mask + b * o.words, o.V, 0, 0};
  const int64_t bad = firstBad(row, shared);
  const Highest highest = highestOf(row, shared);
  if (bad < o.V || highest.id < 0) {
    if (threadIdx.x == 0) {
      o.ids[b] = bad < o.V ? -1 - static_cast<int32_t>(bad) : INT32_MIN;
      if (o.logprob != nullptr) o.logprob[b] = 0;
    }
    return;
  }
  row.highest = highest.logit;
  int32_t id = highest.id;
  if (temperature > 0) {
    row.perUnit = fminf(1 / temperature, 3.40282347e38f);
    id = draw(row, o.uniform[b], o.topP == nullptr ? 1.0f : o.topP[b], o.topK == nullptr ? 0 : o.topK[b],
              shared);
  }
  double sum = 0;
  for (int64_t v = threadIdx.x; v < o.V && o.logprob != nullptr; v += kThreads)
    sum += static_cast<double>(expf(row.at(v) - highest.logit));
  sum = total(sum, shared);
  if (threadIdx.x != 0) return;
  o.ids[b] = id;
  if (o.logprob != nullptr) o.logprob[b] = row.at(id) - highest.logit - logf(static_cast<float>(sum));
}

// Rows that could not be drawn have negative ids: records the first of them, and gives all an id that is one.
__global__ void __launch_bounds__(kThreads) faultTwin(Operands o, int64_t rows) {
  DYNAMIC_SHARED(memory);
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  int first = INT32_MAX;
  for (int64_t b = threadIdx.x; b < rows && first == INT32_MAX; b += kThreads) {
    if (o.ids[b] < 0) first = static_cast<int>(b);
  }
  shared.ids[threadIdx.x] = first;
  __syncthreads();
  for (int i = 0; i < kThreads; ++i) first = shared.ids[i] < first ? shared.ids[i] : first;
  if (first == INT32_MAX) return;
  if (threadIdx.x == 0 && o.fault->op < 0) {
    const int32_t id = o.ids[first];
    *o.fault = id == INT32_MIN ? frame::Fault{o.number, kLogitsField, kNoneAllowed, first, 0}
                               : frame::Fault{o.number, kLogitsField, kNotFinite, first * o.V - 1 - id, 0};
  }
  __syncthreads();
  for (int64_t b = threadIdx.x; b < rows; b += kThreads) {
    if (o.ids[b] < 0) o.ids[b] = 0;
  }
}

template <class T>
T* data(const Tensor& tensor) {
  return tensor ? tensor.as<T>() : nullptr;
}

void run(const Sample& args, Context& context) {
  const int64_t B = args.logits.shape[0];
  if (B == 0) return;
  const Operands operands{args.logits.as<const float>(),
                          data<const int32_t>(args.mask),
                          data<const float>(args.uniform),
                          data<const float>(args.temperature),
                          data<const float>(args.topP),
                          data<const int32_t>(args.topK),
                          args.ids.as<int32_t>(),
                          data<float>(args.logprob),
                          args.logits.shape[1],
                          args.mask ? args.mask.shape[1] : 0,
                          context.number,
                          context.fault};
  context.require(launch(sampleTwin, dim3(static_cast<unsigned>(B)), dim3(kThreads), sizeof(Shared),
                         context.stream, operands));
  context.require(launch(faultTwin, dim3(1), dim3(kThreads), sizeof(Shared), context.stream, operands, B));
}

}  // namespace

void registerSample(KernelTable& table) {
  table.set<Sample, run>(kTwin);
}

}  // namespace ibert::cuda

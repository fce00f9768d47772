#include "sample.h"

#include <cstddef>

#include "register.h"

namespace ibert::metal {

namespace {

static_assert(offsetof(Sample, logits) == 0);  // the field that drawFaults records

void run(const Sample& args, Context& context) {
  SampleParameters p{};
  p.number = context.number;
  p.B = args.logits.shape[0];
  p.V = args.logits.shape[1];
  p.words = args.mask ? args.mask.shape[1] : 0;
  p.hasMask = static_cast<bool>(args.mask);
  p.hasTemperature = static_cast<bool>(args.temperature);
  p.hasTopP = static_cast<bool>(args.topP);
  p.hasTopK = static_cast<bool>(args.topK);
  p.hasLogprob = static_cast<bool>(args.logprob);
  if (p.B == 0) return;
  context.groups("drawRows", p.B, kDrawThreads,
                 {&args.logits, &args.mask, &args.uniform, &args.temperature, &args.topP, &args.topK,
                  &args.ids, &args.logprob},
                 p, kWalkBytes);
  context.rows("drawFaults", 1, {&args.ids, context.fault}, p,
               kFewThreads * static_cast<int64_t>(sizeof(int64_t)));
}

std::string unsupported(const Sample& args) {
  constexpr int64_t kMostIds = int64_t{1} << 24;
  return args.logits.shape[1] > kMostIds ? "logits has more than 2^24 columns" : "";
}

}  // namespace

void registerSample(KernelTable& table) {
  table.set<Sample, run>(kTwin);
  table.setUnsupported<Sample, unsupported>();
}

}  // namespace ibert::metal

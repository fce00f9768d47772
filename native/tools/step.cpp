// `ibert-kernels step`: how long a training step of a stack of decoder layers takes (decoder_step.h), in
// parts and op by op.
#include <cmath>
#include <cstdio>
#include <map>
#include <tuple>

#include "commands.h"
#include "decoder_step.h"
#include "json.h"

namespace ibert::tools {

namespace {

constexpr const char* kParts[] = {"forward", "head", "backward", "optimizer"};
constexpr int kPartCount = 4;

void run(DecoderStep& step, int part, int64_t number) {
  switch (part) {
    case 0:
      return step.forward();
    case 1:
      return step.head();
    case 2:
      return step.backward();
    default:
      return step.optimize(number);
  }
}

// By the device's own clock, between events.
struct Times {
  double parts[kPartCount] = {}, whole = 0;
};

Times timeOf(Session& session, DecoderStep& step, int64_t number) {
  Event* events[kPartCount + 1];
  for (Event*& event : events) event = session.createEvent();
  step.begin();
  session.record(events[0]);
  for (int part = 0; part < kPartCount; ++part) {
    run(step, part, number);
    session.record(events[part + 1]);
  }
  session.synchronize();
  Times times;
  for (int part = 0; part < kPartCount; ++part)
    times.whole += times.parts[part] = session.elapsed(events[part], events[part + 1]);
  for (Event* event : events) session.destroyEvent(event);
  return times;
}

struct OpTime {
  int calls = 0;
  double seconds = 0, flop = 0;
  const char* kernel = "";
};
using OpTimes = std::map<std::pair<std::string, std::string>, OpTime>;

// One more step, with an event before and behind each op.
OpTimes opTimesOf(Session& session, DecoderStep& step, int64_t number) {
  OpTimes times;
  std::vector<std::tuple<Event*, Event*, OpTime*>> marks;
  step.observe([&](const DecoderStep::Call& call, const std::function<void()>& enqueue) {
    OpTime& time = times[{opSchema(call.op).name, call.part}];
    ++time.calls;
    time.flop += call.flop;
    time.kernel = call.kernel;
    marks.emplace_back(session.createEvent(), session.createEvent(), &time);
    session.record(std::get<0>(marks.back()));
    enqueue();
    session.record(std::get<1>(marks.back()));
  });
  step.begin();
  for (int part = 0; part < kPartCount; ++part) run(step, part, number);
  session.synchronize();
  step.observe(nullptr);
  for (const auto& [from, to, time] : marks) {
    time->seconds += session.elapsed(from, to);
    session.destroyEvent(from);
    session.destroyEvent(to);
  }
  return times;
}

// Loss and norm of the gradient of the first step.
struct Values {
  double loss, gradNorm;
};

Values firstStep(Session& session, DecoderStep& step) {
  timeOf(session, step, 1);
  const Values values{step.loss(), step.gradNorm()};
  if (!std::isfinite(values.loss) || !std::isfinite(values.gradNorm))
    throw std::runtime_error("the loss is " + std::to_string(values.loss) + " and the norm of its gradient " +
                             std::to_string(values.gradNorm));
  return values;
}

// Both round activations to bf16 at the same places and differ in their sums.
bool isNear(double actual, double expected) {
  return std::fabs(actual - expected) <= 0.02 * std::fabs(expected);
}

void printShape(const StepShape& shape) {
  std::printf(
      "{\"layers\": %lld, \"tokens\": %lld, \"length\": %lld, \"hidden\": %lld, \"heads\": %lld, "
      "\"kvHeads\": %lld, "
      "\"headDim\": %lld, \"intermediate\": %lld, \"vocabulary\": %lld, \"rank\": %lld, \"targets\": \"%s\"}",
      static_cast<long long>(shape.layers), static_cast<long long>(shape.tokens),
      static_cast<long long>(shape.length), static_cast<long long>(shape.hidden),
      static_cast<long long>(shape.heads), static_cast<long long>(shape.kvHeads),
      static_cast<long long>(shape.headDim), static_cast<long long>(shape.intermediate),
      static_cast<long long>(shape.vocabulary), static_cast<long long>(shape.rank),
      shape.allTargets ? "all" : "attention");
}

}  // namespace

int step(const Options& options) {
  const StepShape& shape = options.step;
  if (shape.heads % shape.kvHeads != 0 || shape.headDim % 2 != 0)
    throw UsageError("--heads is a multiple of --kv-heads, and --head-dim even");
  const auto session = openSession(options.backend.empty() ? "cpu" : options.backend, options.threads);
  const DeviceInfo info = session->info();
  DecoderStep decoder(*session, shape);
  const Values values = firstStep(*session, decoder);

  Values expected = values;
  if (!options.against.empty()) {
    const auto other = openSession(options.against, options.threads);
    DecoderStep same(*other, shape);
    expected = firstStep(*other, same);
  }
  const bool ok = isNear(values.loss, expected.loss) && isNear(values.gradNorm, expected.gradNorm);

  std::vector<double> all;
  Times best;
  for (int i = 0; i < options.repeat; ++i) {
    const Times times = timeOf(*session, decoder, i + 2);
    all.push_back(times.whole);
    if (i == 0 || times.whole < best.whole) best = times;
  }
  const double flop = decoder.flop(), tokens = static_cast<double>(shape.tokens);
  const OpTimes ops = opTimesOf(*session, decoder, options.repeat + 2);

  if (!options.json) {
    std::printf("%s: %s, %s; %lld layers, %lld tokens, %.2f GiB\n", session->backend()->name, info.name,
                info.architecture, static_cast<long long>(shape.layers), static_cast<long long>(shape.tokens),
                static_cast<double>(decoder.bytes()) / (1 << 30));
    std::printf("loss %.6g, norm of the gradient %.6g", values.loss, values.gradNorm);
    if (!options.against.empty())
      std::printf("; on %s %.6g and %.6g: %s", options.against.c_str(), expected.loss, expected.gradNorm,
                  ok ? "ok" : "FAIL");
    std::printf("\n%-10s %12.3f ms  %10.1f tokens/s %10.1f GFLOP/s\n", "step", best.whole * 1e3,
                tokens / best.whole, flop / best.whole / 1e9);
    for (int part = 0; part < kPartCount; ++part)
      std::printf("%-10s %12.3f ms\n", kParts[part], best.parts[part] * 1e3);
    std::printf("\n%-20s %-16s %-10s %6s %12s %10s\n", "op", "", "kernel", "calls", "ms", "GFLOP/s");
    for (const auto& [name, time] : ops)
      std::printf("%-20s %-16s %-10s %6d %12.3f %10.1f\n", name.first.c_str(), name.second.c_str(),
                  time.kernel == nullptr ? "" : time.kernel, time.calls, time.seconds * 1e3,
                  time.flop / time.seconds / 1e9);
    return ok ? kOk : kFailed;
  }

  std::printf("{\"backend\": %s, \"device\": %s, \"architecture\": %s, \"threads\": %d, \"shape\": ",
              json(session->backend()->name).c_str(), json(info.name).c_str(),
              json(info.architecture).c_str(), info.threads);
  printShape(shape);
  std::printf(",\n \"bytes\": %lld, \"loss\": %s, \"gradNorm\": %s, \"against\": ",
              static_cast<long long>(decoder.bytes()), json(values.loss).c_str(),
              json(values.gradNorm).c_str());
  if (options.against.empty())
    std::printf("null");
  else
    std::printf("{\"backend\": %s, \"loss\": %s, \"gradNorm\": %s, \"ok\": %s}",
                json(options.against).c_str(), json(expected.loss).c_str(), json(expected.gradNorm).c_str(),
                ok ? "true" : "false");
  std::printf(",\n \"steps\": [");
  for (size_t i = 0; i < all.size(); ++i) std::printf("%s%s", i > 0 ? ", " : "", json(all[i]).c_str());
  std::printf("],\n \"seconds\": {\"step\": %s", json(best.whole).c_str());
  for (int part = 0; part < kPartCount; ++part)
    std::printf(", \"%s\": %s", kParts[part], json(best.parts[part]).c_str());
  std::printf("}, \"tokensPerSecond\": %s, \"gflops\": %s,\n \"ops\": [", json(tokens / best.whole).c_str(),
              json(flop / best.whole / 1e9).c_str());
  const char* comma = "";
  for (const auto& [name, time] : ops) {
    std::printf(
        "%s\n  {\"op\": %s, \"part\": %s, \"kernel\": %s, \"calls\": %d, \"seconds\": %s, \"gflops\": %s}",
        comma, json(name.first).c_str(), json(name.second).c_str(), json(time.kernel).c_str(), time.calls,
        json(time.seconds).c_str(), json(time.flop / time.seconds / 1e9).c_str());
    comma = ",";
  }
  std::printf("]}\n");
  return ok ? kOk : kFailed;
}

}  // namespace ibert::tools

// The Metal backend's hardware over the emulator: what is encoded must agree with the kernel, queues wait for
// each other by events, and what a kernel breaks fails its command buffer alone.
#include <cstring>
#include <vector>

#include "check.h"
#include "host/hardware.h"
#include "swiglu.h"

namespace ibert::metal {

namespace {

using tests::expect;
using tests::expectError;

constexpr int64_t kF = 4;

struct Fixture {
  std::shared_ptr<Hardware> hardware = openHardware(0);
  std::unique_ptr<Queue> queue = hardware->queue();
  std::unique_ptr<GpuBuffer> x = hardware->allocate(2 * kF * sizeof(float)),
                             y = hardware->allocate(kF * sizeof(float));
  SwigluParameters parameters{kF, kF, kF32, kF32, kF32, kF32};

  void setX(float value) {
    const std::vector<float> values(2 * kF, value);
    hardware->write(x->address, values.data(), x->bytes);
  }
  float lastY() {
    float value;
    hardware->read(&value, y->address + (kF - 1) * sizeof value, sizeof value);
    return value;
  }
  // y = swiglu(x), with something changed.
  void encode(Commands& commands, int buffers = 2, size_t bytes = sizeof(SwigluParameters),
              int64_t memory = 0) {
    const Binding bindings[] = {{x.get(), 0}, {y.get(), 0}, {y.get(), 0}};
    commands.dispatch(
        {&hardware->pipeline("swigluForward"), bindings, buffers, &parameters, bytes, memory, 1, 256});
  }
};

void testAgreement() {
  Fixture all;
  const auto commands = all.queue->commands();
  expectError([&] { all.encode(*commands, 1); }, "swigluForward has 2 buffers, and is given 1",
              "a buffer less");
  expectError([&] { all.encode(*commands, 3); }, "swigluForward has 2 buffers, and is given 3",
              "a buffer more");
  expectError([&] { all.encode(*commands, 2, 8); }, "bytes of parameters, and is given 8",
              "other parameters");
  expectError([&] { all.encode(*commands, 2, sizeof(SwigluParameters), 64); }, "threadgroup memory",
              "threadgroup memory that the kernel has not");
  expectError([&] { all.hardware->pipeline("swiglu"); }, "there is no kernel swiglu", "an unknown kernel");
  expectError([&] { openHardware(1); }, "number 0", "a second device");
}

void testFailure() {
  Fixture all;
  all.setX(2);
  const auto bad = all.queue->commands(), good = all.queue->commands();
  all.parameters.count = kF + 1;
  all.encode(*bad);
  all.parameters.count = kF;
  all.encode(*good);
  bad->commit();
  good->commit();
  expect(bad->finish().find("out of bounds") != std::string::npos,
         "a kernel beyond its buffer fails: " + bad->finish());
  expect(good->finish().empty(), "what follows runs: " + good->finish());
  expect(std::abs(all.lastY() - 3.523188f) < 1e-5f, "swiglu of 2");
}

void testEvents() {
  Fixture all;
  all.setX(2);
  const std::unique_ptr<Queue> other = all.hardware->queue();
  const std::unique_ptr<GpuEvent> event = all.hardware->event();
  const auto second = other->commands(), first = all.queue->commands();
  second->wait(*event, 1);
  second->commit();
  all.encode(*first);
  expect(!second->isFinished(), "a queue waits for an event that nobody signalled");
  first->signal(*event, 1);
  first->commit();
  expect(second->finish().empty() && std::abs(all.lastY() - 3.523188f) < 1e-5f,
         "and goes on when it is signalled");
  expect(first->finish().empty() && first->isFinished(), "the one that signals ends too");
}

}  // namespace

}  // namespace ibert::metal

int main() {
  ibert::metal::testAgreement();
  ibert::metal::testFailure();
  ibert::metal::testEvents();
  return ibert::tests::report();
}

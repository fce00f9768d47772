// Streams of a GPU's backend over the emulator, by its name: order, faults and who is told of them, copies of
// pageable memory, events, and what a device that fails leaves as it was.
#include <memory>
#include <vector>

#include "device_fixture.h"
#include "emulator/schedules.h"

namespace ibert::tests {

namespace {

const char* backendName = "";

bool isMetal() {
  return std::strcmp(backendName, "metal-emulated") == 0;
}

struct Fixture : DeviceFixture {
  explicit Fixture(int index = 0) : DeviceFixture(index, backendName) {}
};

constexpr char kBadId[] = "embedding: ids[2] is 99, not in [0, 8)";

void testOrder() {
  Fixture fixture;
  const int32_t ids[kCount] = {};
  float table[16], y[8];
  for (int i = 0; i < 100; ++i) {
    for (float& value : table) value = static_cast<float>(i);
    fixture.toDevice(0, table, sizeof table);
    fixture.toDevice(kIds, ids, sizeof ids);
    fixture.enqueue(fixture.embedding());
    fixture.check(
        fixture.backend->fill(fixture.stream, fixture.buffer, 0, 0xFF, sizeof table, &fixture.message));
    fixture.toHost(y, kY, sizeof y);
    fixture.settle();
    for (const float value : y) expect(value == static_cast<float>(i), "work runs in the order it came");
  }
}

void testFaults() {
  Fixture fixture;
  fixture.setIds({0, 1, 99, -7});
  fixture.enqueue(fixture.embedding());
  fixture.enqueue(fixture.embedding());
  expectText(fixture.synchronize(), kBadId, "the first wrong index is told");
  expectText(fixture.synchronize(), "", "and told once");
  fixture.setIds({0, -1, 0, 0});
  fixture.enqueue(fixture.embedding());
  expectText(fixture.notified(), "embedding: ids[1] is -1, not in [0, 8)", "notify tells of it");
  expectText(fixture.notified(), "", "once");
  // Of two ops, each with a fault, the first; and the reports on their way do not mix.
  fixture.setIds({0, 1, 99, 2});
  Message message{};
  std::promise<std::string> first;
  const auto tell = [](void* user, const Message* error) {
    static_cast<std::promise<std::string>*>(user)->set_value(error ? error->text : "");
  };
  Embedding second = fixture.embedding();
  second.table.shape[0] = 4;
  fixture.enqueue(fixture.embedding());
  fixture.check(fixture.backend->notify(fixture.stream, tell, &first, &message));
  fixture.enqueue(second);
  expectText(fixture.synchronize(), "embedding: ids[2] is 99, not in [0, 4)", "the second report");
  expectText(first.get_future().get(), kBadId, "the first report");
}

// A step of AdamW on four parameters of 1, with gradients of 1.
struct Step {
  static constexpr int64_t kParam = 256, kGrad = 320, kM = 384, kV = 448, kNorm = 512;
  Fixture& fixture;
  AdamW args{vector(kParam, 4),
             vector(kGrad, 4),
             vector(kM, 4),
             vector(kV, 4),
             vector(kNorm, 1),
             0.1,
             0.9,
             0.999,
             1e-8,
             0,
             0,
             1,
             1};

  explicit Step(Fixture& fixture) : fixture(fixture) {
    const float ones[4] = {1, 1, 1, 1};
    fixture.toDevice(kParam, ones, sizeof ones);
    fixture.toDevice(kGrad, ones, sizeof ones);
    fixture.toDevice(kNorm, ones, 4);
    fixture.settle();
  }
  Tensor vector(int64_t offset, int64_t size) const { return fixture.tensor(DType::F32, offset, {size}); }
  void enqueue() {
    fixture.check(fixture.backend->enqueue(fixture.stream, Op::adamW, &args, &fixture.message));
  }
  // Behind a report.
  float param() const {
    float values[4];
    fixture.toHost(values, kParam, sizeof values);
    fixture.settle();
    return values[3];
  }
};

// AdamW leaves all as it was behind a wrong index, and works again when that was told.
void testAdamWAfterFault() {
  Fixture fixture;
  Step step(fixture);
  fixture.setIds({0, 1, 99, 2});
  fixture.enqueue(fixture.embedding());
  step.enqueue();
  expectText(fixture.synchronize(), kBadId, "the fault before the step");
  expect(step.param() == 1, "a step behind a fault changes nothing");
  step.enqueue();
  expectNear(step.param(), 0.9, 1e-6, "a step after the report");
}

// So is it where the device itself failed at the work before, in the same command buffer or in one before it.
void testAdamWAfterFailure() {
  Fixture fixture;
  const auto fail = reinterpret_cast<void (*)(const char*)>(fixture.backend->extension(kFailNext));
  expect(fail != nullptr, "the emulator can fail");
  if (fail == nullptr) return;
  Step step(fixture);
  fixture.setIds({0, 1, 2, 3});
  for (const int before : {1, 100}) {
    fail("out of memory on the GPU");
    for (int i = 0; i < before; ++i) fixture.enqueue(fixture.embedding());
    step.enqueue();
    fixture.enqueue(fixture.embedding());
    expectText(fixture.synchronize(), "the device failed: out of memory on the GPU", "the failure is told");
    expectText(fixture.synchronize(), "", "and told once");
    expect(step.param() == 1, "a step behind a failure changes nothing");
  }
  step.enqueue();
  expectNear(step.param(), 0.9, 1e-6, "a step after the report");
}

void testRefusedAtOnce() {
  Fixture fixture;
  Embedding wrong = fixture.embedding();
  wrong.y.dtype = DType::F64;
  expect(fixture.backend->enqueue(fixture.stream, Op::embedding, &wrong, &fixture.message) != 0,
         "f64 is refused");
  expectText(fixture.message.text,
             std::string("embedding: y is f64; the ") + (isMetal() ? "Metal" : "CUDA") +
                 " kernels take f32 or bf16 (backend " + backendName + ")",
             "by name");
  uint8_t bytes[8] = {};
  expect(fixture.backend->copyToDevice(fixture.stream, fixture.buffer, 4090, bytes, 8, &fixture.message) != 0,
         "a copy behind the buffer is refused");
  if (!isMetal()) {
    Fixture other(1);
    Embedding foreign = fixture.embedding();
    expect(other.backend->enqueue(other.stream, Op::embedding, &foreign, &other.message) != 0,
           "operands of another device are refused");
  }
  expectText(fixture.synchronize(), "", "what was refused leaves the stream as it was");
}

void testCheckFinite() {
  Fixture fixture;
  float table[16] = {};
  table[5] = HUGE_VALF;
  fixture.toDevice(0, table, sizeof table);
  fixture.setIds({0, 1, 2, 3});
  fixture.enqueue(fixture.embedding());
  expectText(fixture.synchronize(), "", "an infinity passes where nobody asked");
  fixture.backend->checkFinite(fixture.stream, 1);
  fixture.enqueue(fixture.embedding());
  expectText(fixture.synchronize(), "embedding: y is not finite, first at element 5 of 8",
             "where it is asked for");
  fixture.backend->checkFinite(fixture.stream, 0);
  fixture.enqueue(fixture.embedding());
  expectText(fixture.synchronize(), "", "the check can be turned off");
}

// More than the pinned ring holds, both ways, in pieces whose sizes divide nothing, and without one wait.
void testLargeCopies() {
  Fixture fixture;
  constexpr int64_t kBytes = (int64_t{20} << 20) + 12345;
  Buffer* large = nullptr;
  fixture.check(fixture.backend->allocate(fixture.device, kBytes, &large, &fixture.message));
  std::vector<uint8_t> from(kBytes), to(kBytes);
  for (int64_t i = 0; i < kBytes; ++i) from[i] = static_cast<uint8_t>(i * 7 + i / 4096);
  const auto place = [](int64_t i) { return i * i * 40961 % kBytes; };
  for (int64_t i = 0; i <= 100; ++i) {
    const int64_t begin = i == 0 ? 0 : place(i),
                  bytes = i == 0 ? kBytes : std::min<int64_t>(kBytes - begin, 70000);
    fixture.check(fixture.backend->copyToDevice(fixture.stream, large, begin, from.data() + begin, bytes,
                                                &fixture.message));
    fixture.check(fixture.backend->copyToHost(fixture.stream, to.data() + begin, large, begin, bytes,
                                              &fixture.message));
  }
  fixture.settle();
  expect(from == to, "large copies bring every byte");
  fixture.backend->release(fixture.device, large);
}

// One stream waits for a place in another; a copy goes from device to device; time passes between two events.
void testEvents() {
  Fixture first, second(isMetal() ? 0 : 1);  // a Mac has one device
  const Backend* backend = first.backend;
  Event *ready = nullptr, *begun = nullptr;
  first.check(backend->createEvent(first.device, &ready, &first.message));
  first.check(backend->createEvent(first.device, &begun, &first.message));
  void* pinned = nullptr;
  first.check(backend->allocateHost(first.device, 64, &pinned, &first.message));
  const auto* bytes = static_cast<const uint8_t*>(pinned);
  second.check(backend->waitEvent(second.stream, ready, &second.message));
  second.settle();  // nobody waits for an event that was never recorded
  double seconds = -1;
  expect(backend->elapsed(begun, ready, &seconds, &first.message) != 0, "no time before an event is passed");
  for (int round = 1; round <= 20; ++round) {
    first.check(backend->recordEvent(first.stream, begun, &first.message));
    for (int i = 0; i < 20; ++i)
      first.check(
          backend->fill(first.stream, first.buffer, 0, static_cast<uint8_t>(i), 4096, &first.message));
    first.check(
        backend->fill(first.stream, first.buffer, 0, static_cast<uint8_t>(round), 64, &first.message));
    first.check(backend->recordEvent(first.stream, ready, &first.message));
    second.check(backend->waitEvent(second.stream, ready, &second.message));
    second.check(backend->copy(second.stream, second.buffer, 64, first.buffer, 0, 64, &second.message));
    second.check(backend->copyToHost(second.stream, pinned, second.buffer, 64, 64, &second.message));
    second.settle();
    expect(bytes[0] == round && bytes[63] == round, "a stream sees what was written before the event");
    first.settle();
    expect(backend->elapsed(begun, ready, &seconds, &first.message) == 0 && seconds > 0,
           "time passes between two events");
  }
  backend->releaseHost(first.device, pinned);
  backend->destroyEvent(ready);
  backend->destroyEvent(begun);
}

}  // namespace

}  // namespace ibert::tests

int main(int, char** words) {
  using namespace ibert::tests;
  backendName = words[1];
  testOrder();
  testFaults();
  testAdamWAfterFault();
  if (isMetal()) testAdamWAfterFailure();
  testRefusedAtOnce();
  testCheckFinite();
  testLargeCopies();
  testEvents();
  return report();
}

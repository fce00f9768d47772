// Streams: work in order, an error that stays until it is told once, two streams of one device side by side.
#include <future>
#include <thread>

#include "check.h"
#include "loader.h"
#include "tools/session.h"

namespace ibert::tests {

namespace {

constexpr int64_t kCount = 4;
// Where a fixture has ids and y; its table is at 0.
constexpr int64_t kIds = 1024, kY = 2048;

// One device with one stream, used through the C table alone.
class Fixture {
 public:
  Fixture() : backend(openBackend("reference")) {
    const DeviceOptions options{0, 2, nullptr};
    check(backend->openDevice(&options, &device, &message));
    check(backend->createStream(device, &stream, &message));
    check(backend->allocate(device, 4096, &buffer, &message));
  }
  ~Fixture() {
    backend->destroyStream(stream);
    backend->release(device, buffer);
    backend->closeDevice(device);
  }

  void check(int status) {
    if (status != 0) throw std::runtime_error(message.text);
  }
  Tensor tensor(DType dtype, int64_t offset, std::initializer_list<int64_t> shape) {
    Tensor result{nullptr, {1, 1, 1, 1}, 0, dtype, Layout::RowMajor, 0, buffer, offset};
    for (int64_t size : shape) result.shape[result.rank++] = size;
    return result;
  }
  Embedding embedding() {
    return {tensor(DType::I32, kIds, {kCount}), tensor(DType::F32, 0, {8, 2}),
            tensor(DType::F32, kY, {kCount, 2})};
  }
  void setIds(const int32_t (&ids)[kCount]) {
    check(backend->copyToDevice(stream, buffer, kIds, ids, sizeof ids, &message));
    check(backend->synchronize(stream, &message));
  }
  int enqueue(const Embedding& args) { return backend->enqueue(stream, Op::embedding, &args, &message); }
  int synchronize() { return backend->synchronize(stream, &message); }

  const Backend* backend;
  Device* device = nullptr;
  Stream* stream = nullptr;
  Buffer* buffer = nullptr;
  Message message{};
};

std::string notified(Fixture& fixture) {
  std::promise<std::string> told;
  fixture.check(fixture.backend->notify(
      fixture.stream,
      [](void* user, const Message* error) {
        static_cast<std::promise<std::string>*>(user)->set_value(error ? error->text : "");
      },
      &told, &fixture.message));
  return told.get_future().get();
}

void testErrorStays() {
  Fixture fixture;
  fixture.setIds({0, 1, 99, 2});
  const uint8_t before = 7;
  fixture.check(fixture.backend->fill(fixture.stream, fixture.buffer, kY, before, 32, &fixture.message));
  fixture.check(fixture.enqueue(fixture.embedding()));
  // What follows the failure must not run.
  constexpr int64_t next = 3072;
  fixture.check(fixture.backend->fill(fixture.stream, fixture.buffer, next, 1, 8, &fixture.message));
  expect(fixture.synchronize() != 0, "synchronize tells of the failed op");
  const std::string text = fixture.message.text;
  expect(text.rfind("embedding: ids[2] is 99", 0) == 0, "the error names op, place and value: " + text);
  expect(fixture.synchronize() == 0, "an error is told once");
  uint8_t bytes[8];
  fixture.check(fixture.backend->fill(fixture.stream, fixture.buffer, next, 2, 4, &fixture.message));
  fixture.check(
      fixture.backend->copyToHost(fixture.stream, bytes, fixture.buffer, next, 8, &fixture.message));
  expect(fixture.synchronize() == 0, "the stream works on after the error was told");
  expect(bytes[0] == 2 && bytes[4] != 1, "what was enqueued behind the failure did not run");
}

void testNotify() {
  Fixture fixture;
  fixture.setIds({0, -1, 0, 0});
  fixture.check(fixture.enqueue(fixture.embedding()));
  const std::string text = notified(fixture);
  expect(text.rfind("embedding: ids[1] is -1", 0) == 0, "notify tells of the failed op: " + text);
  expect(notified(fixture).empty(), "notify tells of it once");
}

void testRefusedAtOnce() {
  Fixture fixture;
  fixture.setIds({0, 1, 2, 3});
  Embedding wrong = fixture.embedding();
  wrong.y.shape[1] = 3;
  expect(fixture.enqueue(wrong) != 0, "a wrong shape is refused when enqueued");
  expect(std::string(fixture.message.text).rfind("embedding: y", 0) == 0, "and the error names op and field");
  fixture.check(fixture.enqueue(fixture.embedding()));
  expect(fixture.synchronize() == 0, "a refused op leaves the stream as it was");
}

void testOrder() {
  Fixture fixture;
  int32_t ids[kCount] = {};
  float table[16], y[8];
  for (int i = 0; i < 500; ++i) {
    for (float& value : table) value = static_cast<float>(i);
    fixture.check(fixture.backend->copyToDevice(fixture.stream, fixture.buffer, 0, table, sizeof table,
                                                &fixture.message));
    fixture.check(fixture.backend->copyToDevice(fixture.stream, fixture.buffer, kIds, ids, sizeof ids,
                                                &fixture.message));
    fixture.check(fixture.enqueue(fixture.embedding()));
    fixture.check(
        fixture.backend->fill(fixture.stream, fixture.buffer, 0, 0xFF, sizeof table, &fixture.message));
    fixture.check(
        fixture.backend->copyToHost(fixture.stream, y, fixture.buffer, kY, sizeof y, &fixture.message));
    expect(fixture.synchronize() == 0, "a chain of commands");
    for (float value : y) expect(value == static_cast<float>(i), "commands run in the order they came");
  }
}

// With the check on, the op that brought the first infinity is named; off again, nobody looks.
void testCheckFinite() {
  Fixture fixture;
  float table[16] = {};
  table[5] = HUGE_VALF;
  fixture.check(fixture.backend->copyToDevice(fixture.stream, fixture.buffer, 0, table, sizeof table,
                                              &fixture.message));
  fixture.setIds({0, 1, 2, 3});
  fixture.check(fixture.enqueue(fixture.embedding()));
  expect(fixture.synchronize() == 0, "an infinity passes where nobody asked");
  fixture.backend->checkFinite(fixture.stream, 1);
  fixture.check(fixture.enqueue(fixture.embedding()));
  expect(fixture.synchronize() != 0, "an infinity is an error where it is asked for");
  const std::string text = fixture.message.text;
  expect(text.rfind("embedding: y is not finite, first at element 5", 0) == 0,
         "the error names the place: " + text);
  fixture.backend->checkFinite(fixture.stream, 0);
  fixture.check(fixture.enqueue(fixture.embedding()));
  expect(fixture.synchronize() == 0, "the check can be turned off");
}

// What a tensor or a copy covers must lie in its buffer.
void testBounds() {
  Fixture fixture;
  const auto refused = [&](int status, const std::string& what) {
    expect(status != 0, what + " is refused");
    const std::string text = fixture.message.text;
    expect(text.find("buffer of 4096 bytes") != std::string::npos, "and the error names the sizes: " + text);
  };
  Embedding outside = fixture.embedding();
  outside.y.offset = 4096 - 8;
  refused(fixture.enqueue(outside), "a tensor that ends behind its buffer");
  outside.y.offset = -4;
  refused(fixture.enqueue(outside), "a tensor before its buffer");
  uint8_t bytes[8] = {};
  refused(fixture.backend->copyToDevice(fixture.stream, fixture.buffer, 4090, bytes, 8, &fixture.message),
          "a write");
  refused(fixture.backend->copyToHost(fixture.stream, bytes, fixture.buffer, 4090, 8, &fixture.message),
          "a read");
  refused(fixture.backend->fill(fixture.stream, fixture.buffer, 4097, 0, 1, &fixture.message), "a fill");
  refused(fixture.backend->copy(fixture.stream, fixture.buffer, 0, fixture.buffer, -1, 1, &fixture.message),
          "a copy");
  Embedding odd = fixture.embedding();
  odd.y.offset = kY + 2;
  expect(fixture.enqueue(odd) != 0, "a tensor between two elements is refused");
}

// One stream waits for a place in another; a copy goes from device to device; time passes between two events.
void testEvents() {
  Fixture first, second;
  const Backend* backend = first.backend;
  Event *ready = nullptr, *begun = nullptr;
  first.check(backend->createEvent(first.device, &ready, &first.message));
  first.check(backend->createEvent(first.device, &begun, &first.message));
  void* pinned = nullptr;
  first.check(backend->allocateHost(first.device, 64, &pinned, &first.message));
  auto* bytes = static_cast<uint8_t*>(pinned);
  expect(backend->waitEvent(second.stream, ready, &second.message) == 0 && second.synchronize() == 0,
         "nobody waits for an event that was never recorded");
  double seconds = -1;
  expect(backend->elapsed(begun, ready, &seconds, &first.message) != 0,
         "no time is known before an event is passed");
  for (int round = 1; round <= 50; ++round) {
    first.check(backend->recordEvent(first.stream, begun, &first.message));
    for (int i = 0; i < 20; ++i)
      first.check(
          backend->fill(first.stream, first.buffer, 0, static_cast<uint8_t>(i), 4096, &first.message));
    first.check(
        backend->fill(first.stream, first.buffer, 0, static_cast<uint8_t>(round), 64, &first.message));
    first.check(backend->recordEvent(first.stream, ready, &first.message));
    second.check(backend->waitEvent(second.stream, ready, &second.message));
    second.check(backend->copy(second.stream, second.buffer, 64, first.buffer, 0, 64, &second.message));
    second.check(backend->copyToHost(second.stream, bytes, second.buffer, 64, 64, &second.message));
    expect(second.synchronize() == 0, "a stream that waits for another");
    expect(bytes[0] == round && bytes[63] == round, "it sees what was written before the event");
    expect(first.synchronize() == 0 && backend->elapsed(begun, ready, &seconds, &first.message) == 0 &&
               seconds > 0,
           "time passes between two events");
  }
  // A failure does not keep others waiting.
  first.setIds({0, 1, 99, 2});
  first.check(first.enqueue(first.embedding()));
  first.check(backend->recordEvent(first.stream, ready, &first.message));
  second.check(backend->waitEvent(second.stream, ready, &second.message));
  expect(second.synchronize() == 0, "an event behind a failure is passed");
  expect(first.synchronize() != 0, "and its own stream tells of the failure");
  backend->releaseHost(first.device, pinned);
  backend->destroyEvent(ready);
  backend->destroyEvent(begun);
}

// A stream that waits for what never comes can still be ended.
void testEndWhileWaiting() {
  Fixture first;
  const Backend* backend = first.backend;
  Event* event = nullptr;
  Message message{};
  first.check(backend->createEvent(first.device, &event, &message));
  Stream *slow = nullptr, *waiting = nullptr;
  first.check(backend->createStream(first.device, &slow, &message));
  first.check(backend->createStream(first.device, &waiting, &message));
  std::promise<void> go;
  first.check(backend->notify(
      slow, [](void* user, const Message*) { static_cast<std::promise<void>*>(user)->get_future().wait(); },
      &go, &message));
  first.check(backend->recordEvent(slow, event, &message));
  first.check(backend->waitEvent(waiting, event, &message));
  backend->destroyStream(waiting);
  go.set_value();
  backend->destroyStream(slow);
  backend->destroyEvent(event);
  expect(true, "a waiting stream ends");
}

// Devices and streams from several threads at once: each gets its own results.
void testSideBySide() {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([number, &wrong] {
      for (int round = 0; round < 20; ++round) {
        Fixture fixture;
        float table[16], y[8];
        for (float& value : table) value = static_cast<float>(100 * number + round);
        fixture.check(fixture.backend->copyToDevice(fixture.stream, fixture.buffer, 0, table, sizeof table,
                                                    &fixture.message));
        fixture.setIds({7, 0, 3, 1});
        fixture.check(fixture.enqueue(fixture.embedding()));
        fixture.check(
            fixture.backend->copyToHost(fixture.stream, y, fixture.buffer, kY, sizeof y, &fixture.message));
        fixture.check(fixture.synchronize());
        for (float value : y) wrong += value != static_cast<float>(100 * number + round);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect(wrong == 0, "four devices side by side");
}

void testDevices() {
  const Backend* backend = openBackend("reference");
  Message message{};
  Device* device = nullptr;
  const DeviceOptions noSuch{3, 1, nullptr}, tooMany{0, 100000, nullptr}, other{0, 1, "sm_90"};
  expect(backend->openDevice(&noSuch, &device, &message) != 0, "a device that does not exist");
  expect(backend->openDevice(&other, &device, &message) != 0, "a planned device of another architecture");
  expect(std::string(message.text).find("not for sm_90") != std::string::npos, "and it is named");
  expect(backend->openDevice(&tooMany, &device, &message) != 0, "more threads than there can be");
}

}  // namespace

}  // namespace ibert::tests

int main() {
  using namespace ibert::tests;
  testErrorStays();
  testNotify();
  testRefusedAtOnce();
  testOrder();
  testCheckFinite();
  testBounds();
  testEvents();
  testEndWhileWaiting();
  testSideBySide();
  testDevices();
  return report();
}

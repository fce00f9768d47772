// Streams: work in order, an error that stays until it is told once, two streams of one device side by side.
#include <future>
#include <thread>

#include "check.h"
#include "loader.h"
#include "tools/session.h"

namespace ibert::tests {

namespace {

constexpr int64_t kCount = 4;

// One device with one stream, used through the C table alone.
class Fixture {
 public:
  Fixture() : backend(openBackend("reference")) {
    const DeviceOptions options{0, 2};
    check(backend->openDevice(&options, &device, &message));
    check(backend->createStream(device, &stream, &message));
    check(backend->allocate(device, 4096, &memory, &message));
  }
  ~Fixture() {
    backend->destroyStream(stream);
    backend->release(device, memory);
    backend->closeDevice(device);
  }

  void check(int status) {
    if (status != 0) throw std::runtime_error(message.text);
  }
  Tensor tensor(DType dtype, int64_t offset, std::initializer_list<int64_t> shape) {
    Tensor result{static_cast<std::byte*>(memory) + offset, {1, 1, 1, 1}, 0, dtype, Layout::RowMajor, 0};
    for (int64_t size : shape) result.shape[result.rank++] = size;
    return result;
  }
  // Table at 0, ids at 1024, y at 2048.
  Embedding embedding() {
    return {tensor(DType::I32, 1024, {kCount}), tensor(DType::F32, 0, {8, 2}),
            tensor(DType::F32, 2048, {kCount, 2})};
  }
  void setIds(const int32_t (&ids)[kCount]) {
    check(backend->copyToDevice(stream, embedding().ids.data, ids, sizeof ids, &message));
    check(backend->synchronize(stream, &message));
  }
  int enqueue(const Embedding& args) { return backend->enqueue(stream, Op::embedding, &args, &message); }
  int synchronize() { return backend->synchronize(stream, &message); }

  const Backend* backend;
  Device* device = nullptr;
  Stream* stream = nullptr;
  void* memory = nullptr;
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
  fixture.check(
      fixture.backend->fill(fixture.stream, fixture.embedding().y.data, before, 32, &fixture.message));
  fixture.check(fixture.enqueue(fixture.embedding()));
  // What follows the failure must not run.
  auto* next = static_cast<std::byte*>(fixture.memory) + 3072;
  fixture.check(fixture.backend->fill(fixture.stream, next, 1, 8, &fixture.message));
  expect(fixture.synchronize() != 0, "synchronize tells of the failed op");
  const std::string text = fixture.message.text;
  expect(text.rfind("embedding: ids[2] is 99", 0) == 0, "the error names op, place and value: " + text);
  expect(fixture.synchronize() == 0, "an error is told once");
  uint8_t bytes[8];
  fixture.check(fixture.backend->fill(fixture.stream, next, 2, 4, &fixture.message));
  fixture.check(fixture.backend->copyToHost(fixture.stream, bytes, next, 8, &fixture.message));
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
    fixture.check(
        fixture.backend->copyToDevice(fixture.stream, fixture.memory, table, sizeof table, &fixture.message));
    fixture.check(fixture.backend->copyToDevice(fixture.stream, fixture.embedding().ids.data, ids, sizeof ids,
                                                &fixture.message));
    fixture.check(fixture.enqueue(fixture.embedding()));
    fixture.check(
        fixture.backend->fill(fixture.stream, fixture.memory, 0xFF, sizeof table, &fixture.message));
    fixture.check(fixture.backend->copyToHost(fixture.stream, y, fixture.embedding().y.data, sizeof y,
                                              &fixture.message));
    expect(fixture.synchronize() == 0, "a chain of commands");
    for (float value : y) expect(value == static_cast<float>(i), "commands run in the order they came");
  }
}

// With the check on, the op that brought the first infinity is named; off again, nobody looks.
void testCheckFinite() {
  Fixture fixture;
  float table[16] = {};
  table[5] = HUGE_VALF;
  fixture.check(
      fixture.backend->copyToDevice(fixture.stream, fixture.memory, table, sizeof table, &fixture.message));
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
        fixture.check(fixture.backend->copyToDevice(fixture.stream, fixture.memory, table, sizeof table,
                                                    &fixture.message));
        fixture.setIds({7, 0, 3, 1});
        fixture.check(fixture.enqueue(fixture.embedding()));
        fixture.check(fixture.backend->copyToHost(fixture.stream, y, fixture.embedding().y.data, sizeof y,
                                                  &fixture.message));
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
  const DeviceOptions noSuch{3, 1}, tooMany{0, 100000};
  expect(backend->openDevice(&noSuch, &device, &message) != 0, "a device that does not exist");
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
  testSideBySide();
  testDevices();
  return report();
}

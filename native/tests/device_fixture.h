// A device of a GPU's backend over the emulator with one stream and one buffer, used through the C table
// alone.
#pragma once

#include <cstring>
#include <future>
#include <string>

#include "check.h"
#include "loader.h"
#include "schema.h"

namespace ibert::tests {

// Of the embedding that tests run: ids and y in the buffer; the table is at 0.
inline constexpr int64_t kIds = 1024, kY = 2048, kCount = 4;

class DeviceFixture {
 public:
  explicit DeviceFixture(int index = 0, const char* name = "cuda-emulated") : backend(openBackend(name)) {
    const DeviceOptions options{index, 0, nullptr};
    check(backend->openDevice(&options, &device, &message));
    check(backend->createStream(device, &stream, &message));
    check(backend->allocate(device, 4096, &buffer, &message));
    check(backend->fill(stream, buffer, 0, 0, 4096, &message));
  }
  ~DeviceFixture() {
    backend->destroyStream(stream);
    backend->release(device, buffer);
    backend->closeDevice(device);
  }
  DeviceFixture(const DeviceFixture&) = delete;
  DeviceFixture& operator=(const DeviceFixture&) = delete;

  void check(int status) {
    if (status != 0) throw std::runtime_error(message.text);
  }
  Tensor tensor(DType dtype, int64_t offset, std::initializer_list<int64_t> shape) const {
    Tensor result{nullptr, {1, 1, 1, 1}, 0, dtype, Layout::RowMajor, 0, buffer, offset};
    for (const int64_t size : shape) result.shape[result.rank++] = size;
    return result;
  }
  Embedding embedding() const {
    return {tensor(DType::I32, kIds, {kCount}), tensor(DType::F32, 0, {8, 2}),
            tensor(DType::F32, kY, {kCount, 2})};
  }
  void toDevice(int64_t offset, const void* host, int64_t bytes) {
    check(backend->copyToDevice(stream, buffer, offset, host, bytes, &message));
  }
  void toHost(void* host, int64_t offset, int64_t bytes) {
    check(backend->copyToHost(stream, host, buffer, offset, bytes, &message));
  }
  void setIds(const int32_t (&ids)[kCount]) {
    toDevice(kIds, ids, sizeof ids);
    settle();
  }
  void enqueue(const Embedding& args) { check(backend->enqueue(stream, Op::embedding, &args, &message)); }
  // The first error since the last report.
  std::string synchronize() { return backend->synchronize(stream, &message) == 0 ? "" : message.text; }
  void settle() { check(backend->synchronize(stream, &message)); }
  std::string notified() {
    std::promise<std::string> told;
    check(backend->notify(
        stream,
        [](void* user, const Message* error) {
          static_cast<std::promise<std::string>*>(user)->set_value(error ? error->text : "");
        },
        &told, &message));
    return told.get_future().get();
  }

  const Backend* backend;
  Device* device = nullptr;
  Stream* stream = nullptr;
  Buffer* buffer = nullptr;
  Message message{};
};

inline void expectText(const std::string& text, const std::string& expected, const std::string& what) {
  expect(text == expected, what + ": \"" + text + "\", expected \"" + expected + "\"");
}

}  // namespace ibert::tests

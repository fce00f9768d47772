// Weight files are mapped, not read: pages come in as they are copied to the device, and leave when that is
// done.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "handles.h"

namespace ibert::bindings {

namespace {

constexpr napi_type_tag kMappedFileTag = {0x5ad20b6c1e9f4873, 0x9c41e7f02b6d8a15};

// Pages of a file in memory.
class Region {
 public:
  Region(void* data, size_t length) : data_(data), length_(length) {}
  ~Region() { munmap(data_, length_); }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

 private:
  void* data_;
  size_t length_;
};

// What an array and its memory hold in common (the one may outlive the other), until it is unmapped. Work
// that reads the region holds it besides.
struct Mapping {
  std::shared_ptr<const Region> region;
};
using Held = std::shared_ptr<Mapping>;

Held* heldBy(const Napi::TypedArray& array) {
  napi_value buffer;
  bool tagged = false;
  void* held = nullptr;
  const napi_env env = array.Env();
  if (napi_get_typedarray_info(env, array, nullptr, nullptr, nullptr, &buffer, nullptr) != napi_ok ||
      napi_check_object_type_tag(env, buffer, &kMappedFileTag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(env, buffer, &held) != napi_ok) {
    return nullptr;
  }
  return static_cast<Held*>(held);
}

}  // namespace

std::shared_ptr<const void> mappedRegion(const Napi::TypedArray& array) {
  const Held* held = heldBy(array);
  return held == nullptr ? nullptr : (*held)->region;
}

// mapFile(path, offset, bytes): a Uint8Array over that part of the file; what is written to it stays in this
// process.
Napi::Value mapFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString()) fail(env, "mapFile: expected (path, offset, bytes)");
  const std::string path = info[0].As<Napi::String>();
  const int64_t offset = wholeNumber(info[1], "mapFile: offset", 0);
  // V8 of Node 20 ends the process where an array is larger than this and lies in foreign memory.
  constexpr int64_t kMostBytes = int64_t{1} << 32;
  const int64_t page = sysconf(_SC_PAGE_SIZE);
  const int64_t bytes = wholeNumber(info[2], "mapFile: bytes", 0, kMostBytes - page);
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(env, "cannot open " + path + ": " + std::strerror(errno));
  struct stat status{};
  const bool inside =
      fstat(file, &status) == 0 && bytes > 0 && bytes <= status.st_size && offset <= status.st_size - bytes;
  if (!inside) {
    close(file);
    fail(env, "cannot map " + path + ": bytes " + std::to_string(offset) + " to " +
                  std::to_string(offset + bytes) + " do not lie in the file of " +
                  std::to_string(status.st_size) + " bytes");
  }
  const int64_t before = offset % page;
  const auto length = static_cast<size_t>(bytes + before);
  void* data = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, offset - before);
  const int error = errno;
  close(file);
  if (data == MAP_FAILED) fail(env, "cannot map " + path + ": " + std::strerror(error));
  const auto mapping = std::make_shared<Mapping>(Mapping{std::make_shared<const Region>(data, length)});
  // V8 counts it among its array buffers.
  auto buffer =
      Napi::ArrayBuffer::New(env, data, length, [mapping](Napi::Env, void*) { mapping->region.reset(); });
  buffer.TypeTag(&kMappedFileTag);
  auto held = std::make_unique<Held>(mapping);
  if (napi_wrap(
          env, buffer, held.get(), [](napi_env, void* one, void*) { delete static_cast<Held*>(one); },
          nullptr, nullptr) != napi_ok) {
    throw Napi::Error::New(env);
  }
  held.release();
  return Napi::Uint8Array::New(env, static_cast<size_t>(bytes), buffer, static_cast<size_t>(before));
}

// unmapFile(array): lets go of the file at once, where the collector would some time; the array is empty
// then. Work in flight that reads it still finishes.
Napi::Value unmapFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsTypedArray()) fail(env, "unmapFile: expected an array of mapFile");
  const auto array = info[0].As<Napi::TypedArray>();
  Held* held = heldBy(array);
  if (held == nullptr) fail(env, "unmapFile: expected an array of mapFile");
  if ((*held)->region == nullptr) return env.Undefined();
  array.ArrayBuffer().Detach();
  (*held)->region.reset();
  return env.Undefined();
}

}  // namespace ibert::bindings

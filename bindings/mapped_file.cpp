// Weight files are mapped, not read: pages come in as they are copied to the device, and leave when that is
// done.
#include "handles.h"
#include "platform/files.h"

namespace ibert::bindings {

namespace {

constexpr napi_type_tag kMappedFileTag = {0x5ad20b6c1e9f4873, 0x9c41e7f02b6d8a15};

// What an array and its memory hold in common (the one may outlive the other), until it is unmapped. Work
// that reads the region holds it besides.
struct Mapping {
  std::shared_ptr<const platform::MappedFile> region;
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
  const int64_t bytes =
      wholeNumber(info[2], "mapFile: bytes", 0, kMostBytes - platform::MappedFile::granularity());
  const auto file = std::make_shared<const platform::MappedFile>(path, offset, bytes);
  const auto mapping = std::make_shared<Mapping>(Mapping{file});
  // V8 counts it among its array buffers.
  auto buffer = Napi::ArrayBuffer::New(env, file->pages(), file->length(),
                                       [mapping](Napi::Env, void*) { mapping->region.reset(); });
  buffer.TypeTag(&kMappedFileTag);
  auto held = std::make_unique<Held>(mapping);
  if (napi_wrap(
          env, buffer, held.get(), [](napi_env, void* one, void*) { delete static_cast<Held*>(one); },
          nullptr, nullptr) != napi_ok) {
    throw Napi::Error::New(env);
  }
  held.release();
  return Napi::Uint8Array::New(env, static_cast<size_t>(bytes), buffer, file->before());
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

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
}  // namespace

// mapFile(path, offset, bytes): a Uint8Array over that part of the file; what is written to it stays in this
// process.
Napi::Value mapFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString() || !info[1].IsNumber() || !info[2].IsNumber()) {
    fail(env, "mapFile: expected (path, offset, bytes)");
  }
  const std::string path = info[0].As<Napi::String>();
  const int64_t offset = info[1].As<Napi::Number>().Int64Value();
  const int64_t bytes = info[2].As<Napi::Number>().Int64Value();
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(env, "cannot open " + path + ": " + std::strerror(errno));
  struct stat status{};
  const bool inside =
      fstat(file, &status) == 0 && offset >= 0 && bytes > 0 && offset + bytes <= status.st_size;
  if (!inside) {
    close(file);
    fail(env, "cannot map " + path + ": bytes " + std::to_string(offset) + " to " +
                  std::to_string(offset + bytes) + " do not lie in the file of " +
                  std::to_string(status.st_size) + " bytes");
  }
  const int64_t before = offset % sysconf(_SC_PAGE_SIZE);
  const auto length = static_cast<size_t>(bytes + before);
  void* data = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, offset - before);
  const int error = errno;
  close(file);
  if (data == MAP_FAILED) fail(env, "cannot map " + path + ": " + std::strerror(error));
  auto buffer = Napi::ArrayBuffer::New(env, data, length,
                                       [length](Napi::Env, void* memory) { munmap(memory, length); });
  buffer.TypeTag(&kMappedFileTag);
  return Napi::Uint8Array::New(env, static_cast<size_t>(bytes), buffer, static_cast<size_t>(before));
}

// forgetFile(array): gives back the pages that reading an array of mapFile brought into memory. Reading it
// again brings them back from the file.
Napi::Value forgetFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsTypedArray()) fail(env, "forgetFile: expected an array of mapFile");
  Napi::ArrayBuffer buffer = info[0].As<Napi::TypedArray>().ArrayBuffer();
  // Other memory would lose its content.
  if (!buffer.CheckTypeTag(&kMappedFileTag)) fail(env, "forgetFile: expected an array of mapFile");
  madvise(buffer.Data(), buffer.ByteLength(), MADV_DONTNEED);
  return env.Undefined();
}

}  // namespace ibert::bindings

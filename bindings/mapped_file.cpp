// Weight files are mapped, not read: pages come in as the packer touches them and leave again under pressure.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "handles.h"

namespace ibert::bindings {

// mapFile(path, offset, bytes): a Uint8Array over that part of the file; what is written to it stays in this process.
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
  struct stat status {};
  const bool inside = fstat(file, &status) == 0 && offset >= 0 && bytes > 0 && offset + bytes <= status.st_size;
  if (!inside) {
    close(file);
    fail(env, "cannot map " + path + ": bytes " + std::to_string(offset) + " to " + std::to_string(offset + bytes) +
                  " do not lie in the file of " + std::to_string(status.st_size) + " bytes");
  }
  const int64_t before = offset % sysconf(_SC_PAGE_SIZE);
  const auto length = static_cast<size_t>(bytes + before);
  void* data = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, offset - before);
  const int error = errno;
  close(file);
  if (data == MAP_FAILED) fail(env, "cannot map " + path + ": " + std::strerror(error));
  auto buffer = Napi::ArrayBuffer::New(env, data, length, [length](Napi::Env, void* memory) { munmap(memory, length); });
  return Napi::Uint8Array::New(env, static_cast<size_t>(bytes), buffer, static_cast<size_t>(before));
}

}  // namespace ibert::bindings

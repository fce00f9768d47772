#include "file_range.h"
#include "files.h"
#include "windows.h"

namespace ibert::platform {

namespace {

// Of a file or a mapping; closed at the end of its block.
class Handle {
 public:
  explicit Handle(HANDLE handle) : handle_(handle) {}
  ~Handle() {
    if (valid()) CloseHandle(handle_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  bool valid() const { return handle_ != nullptr && handle_ != INVALID_HANDLE_VALUE; }
  HANDLE get() const { return handle_; }

 private:
  HANDLE handle_;
};

HANDLE openForReading(const std::string& path) {
  return CreateFileW(wide(path).c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                     nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
}

}  // namespace

bool isReadable(const std::string& path) {
  return Handle(openForReading(path)).valid();
}

int64_t MappedFile::granularity() {
  SYSTEM_INFO system;
  GetSystemInfo(&system);
  return system.dwAllocationGranularity;
}

MappedFile::MappedFile(const std::string& path, int64_t offset, int64_t bytes) {
  const Handle file(openForReading(path));
  if (!file.valid()) throw cannotOpen(path, errorText(GetLastError()));
  LARGE_INTEGER size{};
  if (!GetFileSizeEx(file.get(), &size)) throw cannotOpen(path, errorText(GetLastError()));
  requireInside(path, offset, bytes, size.QuadPart);
  before_ = static_cast<size_t>(offset % granularity());
  length_ = static_cast<size_t>(bytes) + before_;
  const Handle mapping(CreateFileMappingW(file.get(), nullptr, PAGE_WRITECOPY, 0, 0, nullptr));
  if (!mapping.valid()) throw cannotMap(path, errorText(GetLastError()));
  const auto begin = static_cast<uint64_t>(offset) - before_;
  void* data = MapViewOfFile(mapping.get(), FILE_MAP_COPY, static_cast<DWORD>(begin >> 32),
                             static_cast<DWORD>(begin), length_);
  if (data == nullptr) throw cannotMap(path, errorText(GetLastError()));
  pages_ = static_cast<std::byte*>(data);
}

MappedFile::~MappedFile() {
  UnmapViewOfFile(pages_);
}

}  // namespace ibert::platform

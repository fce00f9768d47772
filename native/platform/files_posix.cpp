#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "file_range.h"
#include "files.h"

namespace ibert::platform {

namespace {

// Open for reading, until the end of its block.
class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : number_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (number_ < 0) throw cannotOpen(path, std::strerror(errno));
  }
  ~Descriptor() { close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace

bool isReadable(const std::string& path) {
  return access(path.c_str(), R_OK) == 0;
}

int64_t MappedFile::granularity() {
  return sysconf(_SC_PAGE_SIZE);
}

MappedFile::MappedFile(const std::string& path, int64_t offset, int64_t bytes) {
  const Descriptor file(path);
  struct stat status{};
  requireInside(path, offset, bytes, fstat(file.number(), &status) == 0 ? status.st_size : 0);
  before_ = static_cast<size_t>(offset % granularity());
  length_ = static_cast<size_t>(bytes) + before_;
  void* data = mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.number(),
                    offset - static_cast<int64_t>(before_));
  if (data == MAP_FAILED) throw cannotMap(path, std::strerror(errno));
  pages_ = static_cast<std::byte*>(data);
}

MappedFile::~MappedFile() {
  munmap(pages_, length_);
}

}  // namespace ibert::platform

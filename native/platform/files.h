// Files of the system. Paths are UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace ibert::platform {

// Whether there is a file that can be read.
bool isReadable(const std::string& path);

// Part of a file as memory; pages come in as they are read. What is written to it stays in this process.
class MappedFile {
 public:
  // Throws std::runtime_error naming the file: it cannot be opened or mapped, or `bytes` at `offset`, at
  // least one, do not lie in it.
  MappedFile(const std::string& path, int64_t offset, int64_t bytes);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // From the beginning of the page that holds `offset`; `before` bytes into it that byte itself.
  std::byte* pages() const { return pages_; }
  size_t length() const { return length_; }
  size_t before() const { return before_; }

  // Where in a file a mapping can begin: at multiples of this.
  static int64_t granularity();

 private:
  std::byte* pages_ = nullptr;
  size_t length_ = 0, before_ = 0;
};

}  // namespace ibert::platform

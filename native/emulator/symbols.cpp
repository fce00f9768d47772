// Names of kernels and of places in them, from the symbol table of the program or library that holds them.
#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "emulator/launch.h"

namespace ibert::emulator {

namespace {

struct Symbol {
  std::string name;
  uintptr_t offset = 0;
};

class MappedFile {
 public:
  explicit MappedFile(const char* path) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    struct stat status;
    if (fstat(file, &status) == 0 && status.st_size > 0) {
      void* p = mmap(nullptr, size_t(status.st_size), PROT_READ, MAP_PRIVATE, file, 0);
      if (p != MAP_FAILED) bytes_ = static_cast<const char*>(p), size_ = size_t(status.st_size);
    }
    close(file);
  }
  ~MappedFile() {
    if (bytes_) munmap(const_cast<char*>(bytes_), size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // `count` of T at `offset`, or null when the file is shorter.
  template <class T>
  const T* at(uint64_t offset, uint64_t count = 1) const {
    if (!bytes_ || offset > size_ || count > (size_ - offset) / sizeof(T)) return nullptr;
    return reinterpret_cast<const T*>(bytes_ + offset);
  }

 private:
  const char* bytes_ = nullptr;
  size_t size_ = 0;
};

Symbol symbolAt(const char* path, uintptr_t address) {
  const MappedFile file(path);
  const auto* header = file.at<ElfW(Ehdr)>(0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return {};
  const auto* sections = file.at<ElfW(Shdr)>(header->e_shoff, header->e_shnum);
  if (!sections) return {};
  for (unsigned i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_SYMTAB || sections[i].sh_link >= header->e_shnum) continue;
    const uint64_t count = sections[i].sh_size / sizeof(ElfW(Sym));
    const auto* symbols = file.at<ElfW(Sym)>(sections[i].sh_offset, count);
    const auto& names = sections[sections[i].sh_link];
    if (!symbols) continue;
    for (uint64_t s = 0; s < count; ++s) {
      const auto& symbol = symbols[s];
      if ((symbol.st_info & 15) != STT_FUNC || address < symbol.st_value ||
          address >= symbol.st_value + symbol.st_size)
        continue;
      const char* name = file.at<char>(names.sh_offset + symbol.st_name);
      if (!name) return {};
      int status = 0;
      char* readable = abi::__cxa_demangle(name, nullptr, nullptr, &status);
      Symbol found{readable ? readable : name, address - symbol.st_value};
      std::free(readable);
      return found;
    }
  }
  return {};
}

// "void ibert::(anonymous namespace)::rmsNorm<256>(float const*)" is rmsNorm<256>.
std::string shortName(const std::string& name) {
  size_t end = name.size(), depth = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name.compare(i, 21, "(anonymous namespace)") == 0)
      i += 20;
    else if (name[i] == '<')
      ++depth;
    else if (name[i] == '>' && depth)
      --depth;
    else if (name[i] == '(' && depth == 0) {
      end = i;
      break;
    }
  }
  size_t begin = 0;
  depth = 0;
  for (size_t i = 0; i < end; ++i) {
    if (name[i] == '<')
      ++depth;
    else if (name[i] == '>' && depth)
      --depth;
    else if ((name[i] == ':' || name[i] == ' ') && depth == 0)
      begin = i + 1;
  }
  return name.substr(begin, end - begin);
}

Symbol symbolOf(const void* code, std::string* module, uintptr_t* offset) {
  Dl_info info;
  link_map* map = nullptr;
  if (!dladdr1(code, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) || !map) return {};
  *offset = uintptr_t(code) - map->l_addr;
  const bool program = !map->l_name || !*map->l_name;
  *module = program ? "the program" : info.dli_fname;
  return symbolAt(program ? "/proc/self/exe" : info.dli_fname, *offset);
}

}  // namespace

std::string describeCode(const void* code) {
  std::string module;
  uintptr_t offset = 0;
  const Symbol symbol = symbolOf(code, &module, &offset);
  char text[32];
  std::snprintf(text, sizeof text, "0x%lx", static_cast<unsigned long>(offset));
  return (symbol.name.empty() ? "" : shortName(symbol.name) + ", ") + "address " + text + " of " + module;
}

std::string describeKernel(const Kernel& kernel) {
  std::string module;
  uintptr_t offset = 0;
  const Symbol symbol = symbolOf(kernel.function, &module, &offset);
  if (!symbol.name.empty()) return shortName(symbol.name);
  const char* file = std::strrchr(kernel.where.file_name(), '/');
  return "the kernel launched at " + std::string(file ? file + 1 : kernel.where.file_name()) + ":" +
         std::to_string(kernel.where.line());
}

}  // namespace ibert::emulator

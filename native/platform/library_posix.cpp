#include <dlfcn.h>

#include <stdexcept>

#include "library.h"

namespace ibert::platform {

const char* const kLibrarySuffix = IBERT_LIBRARY_SUFFIX;

bool isPath(const std::string& name) {
  return name.find('/') != std::string::npos;
}

void* openLibrary(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  const char* why = dlerror();
  throw std::runtime_error(why == nullptr ? "unknown error" : why);
}

void* symbolOf(void* library, const char* name) {
  return dlsym(library, name);
}

void closeLibrary(void* library) {
  dlclose(library);
}

std::string folderOfBinary(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return ".";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace ibert::platform

#include "loader.h"

#include <dlfcn.h>

#include <map>
#include <mutex>
#include <stdexcept>

#include "schema.h"

namespace ibert {

namespace {

// Never destroyed: a process may exit while its worker threads still open devices.
std::mutex& mutex() {
  static auto* instance = new std::mutex;
  return *instance;
}

std::map<std::string, const Backend*>& known() {
  static auto* instance = new std::map<std::string, const Backend*>;
  return *instance;
}

bool exists(const std::string& path) {
  FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  std::fclose(file);
  return true;
}

const Backend* checked(const Backend* backend, const std::string& where) {
  if (backend == nullptr) throw std::runtime_error(where + ": ibertBackend returned nothing");
  if (backend->abiVersion != kBackendAbiVersion) {
    throw std::runtime_error(where + ": built for backend ABI " + std::to_string(backend->abiVersion) +
                             ", this is " + std::to_string(kBackendAbiVersion) +
                             "; install the same version of both");
  }
  if (backend->tableHash != opTableHash()) {
    throw std::runtime_error(where + ": built with another op table; rebuild it with the same sources");
  }
  return backend;
}

const Backend* openLibrary(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    throw std::runtime_error("cannot open backend library " + path + ": " +
                             (why == nullptr ? "unknown error" : why));
  }
  auto entry = reinterpret_cast<BackendEntry>(dlsym(library, "ibertBackend"));
  if (entry == nullptr) {
    dlclose(library);
    throw std::runtime_error(path + " is no backend library: it does not export ibertBackend");
  }
  try {
    return checked(entry(), path);
  } catch (...) {
    dlclose(library);
    throw;
  }
}

}  // namespace

std::string binaryFolder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&binaryFolder), &info) == 0 || info.dli_fname == nullptr) return ".";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string backendLibraryName(const std::string& name) {
#if defined(__APPLE__)
  return "libibert-" + name + ".dylib";
#else
  return "libibert-" + name + ".so";
#endif
}

void registerBuiltinBackend(const Backend* backend) {
  std::lock_guard<std::mutex> lock(mutex());
  known()[backend->name] = checked(backend, backend->name);
}

const Backend* openBackend(const std::string& name) {
  std::lock_guard<std::mutex> lock(mutex());
  if (const auto found = known().find(name); found != known().end()) return found->second;
  const bool isPath = name.find('/') != std::string::npos;
  const std::string path = isPath ? name : binaryFolder() + "/" + backendLibraryName(name);
  if (!exists(path)) {
    throw BackendMissing("the backend " + name + " is not installed: looked for " + path);
  }
  const Backend* backend = openLibrary(path);
  known()[name] = backend;
  return backend;
}

}  // namespace ibert

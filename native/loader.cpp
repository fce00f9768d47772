#include "loader.h"

#include <map>
#include <mutex>
#include <stdexcept>

#include "platform/files.h"
#include "platform/library.h"
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
  void* library = nullptr;
  try {
    library = platform::openLibrary(path);
  } catch (const std::exception& why) {
    throw std::runtime_error("cannot open backend library " + path + ": " + why.what());
  }
  try {
    auto entry = reinterpret_cast<BackendEntry>(platform::symbolOf(library, "ibertBackend"));
    if (entry == nullptr) {
      throw std::runtime_error(path + " is no backend library: it does not export ibertBackend");
    }
    return checked(entry(), path);
  } catch (...) {
    platform::closeLibrary(library);
    throw;
  }
}

}  // namespace

std::string binaryFolder() {
  return platform::folderOfBinary(reinterpret_cast<const void*>(&binaryFolder));
}

std::string backendLibraryName(const std::string& name) {
  return "libibert-" + name + platform::kLibrarySuffix;
}

void registerBuiltinBackend(const Backend* backend) {
  std::lock_guard<std::mutex> lock(mutex());
  known()[backend->name] = checked(backend, backend->name);
}

const Backend* openBackend(const std::string& name) {
  std::lock_guard<std::mutex> lock(mutex());
  if (const auto found = known().find(name); found != known().end()) return found->second;
  const std::string path = platform::isPath(name) ? name : binaryFolder() + "/" + backendLibraryName(name);
  if (!platform::isReadable(path)) {
    throw BackendMissing("the backend " + name + " is not installed: looked for " + path);
  }
  const Backend* backend = openLibrary(path);
  known()[name] = backend;
  return backend;
}

}  // namespace ibert

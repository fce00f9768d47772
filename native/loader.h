// Finds and opens backends: those linked in by name, all others as shared libraries that export
// `ibertBackend`.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "backend.h"

namespace ibert {

// Makes a backend that is linked into this program known to openBackend.
void registerBuiltinBackend(const Backend* backend);

// No library of that name is there: on most machines nothing is wrong.
struct BackendMissing : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// `name` is a built-in ("cpu"), a name whose library libibert-<name> lies beside this program or addon, or a
// path to a library. The result lives as long as the process. Throws BackendMissing that says what was
// looked for and where, or std::runtime_error why the library does not fit (ABI version, op table).
const Backend* openBackend(const std::string& name);

// Folder of the binary that contains this code.
std::string binaryFolder();
// File name of a backend's library on this system, e.g. libibert-reference.so.
std::string backendLibraryName(const std::string& name);

}  // namespace ibert

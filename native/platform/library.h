// Shared libraries of the system, and the one that this code lies in. Paths are UTF-8.
#pragma once

#include <string>

namespace ibert::platform {

// ".so", ".dylib", ".dll".
extern const char* const kLibrarySuffix;

// Whether a name says where a library lies: it has a folder before it.
bool isPath(const std::string& name);

// Throws std::runtime_error with the system's words of what is wrong.
void* openLibrary(const std::string& path);
// nullptr where the library does not export it.
void* symbolOf(void* library, const char* name);
void closeLibrary(void* library);

// Folder of the program or library that holds an address; "." where the system does not know.
std::string folderOfBinary(const void* address);

}  // namespace ibert::platform

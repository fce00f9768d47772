#include <stdexcept>

#include "library.h"
#include "windows.h"

namespace ibert::platform {

const char* const kLibrarySuffix = IBERT_LIBRARY_SUFFIX;

namespace {

constexpr const char* kSeparators = "/\\";

}  // namespace

bool isPath(const std::string& name) {
  return name.find_first_of(kSeparators) != std::string::npos;
}

void* openLibrary(const std::string& path) {
  HMODULE library = LoadLibraryW(wide(path).c_str());
  if (library == nullptr) throw std::runtime_error(errorText(GetLastError()));
  return library;
}

void* symbolOf(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}

void closeLibrary(void* library) {
  FreeLibrary(static_cast<HMODULE>(library));
}

std::string folderOfBinary(const void* address) {
  HMODULE module = nullptr;
  constexpr DWORD kOfAddress =
      GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
  if (!GetModuleHandleExW(kOfAddress, static_cast<const wchar_t*>(address), &module)) return ".";
  std::wstring path(32768, L'\0');  // the longest that the system has
  path.resize(GetModuleFileNameW(module, path.data(), static_cast<DWORD>(path.size())));
  const std::string text = narrow(path);
  const size_t slash = text.find_last_of(kSeparators);
  return slash == std::string::npos ? "." : text.substr(0, slash);
}

}  // namespace ibert::platform

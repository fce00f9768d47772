// The functions of Node-API on Windows. A library there names the program that it takes a function from, and
// ours is node.exe for some, electron.exe or another for others. So they are looked for in the program that
// runs. The compiler calls a function of another library by way of a pointer, __imp_NAME, that the system's
// loader fills; those of Node-API are here, and filled before any code of the addon runs.
#include <cstdio>
#include <cstdlib>

#include "platform/windows.h"

namespace {

// Where Electron and others that bring Node as a library have its functions.
constexpr const wchar_t* kNodeLibraries[] = {L"libnode.dll", L"node.dll"};

[[noreturn]] void stopForMissing() {
  std::fputs(
      "ibert: the program that loads ibert.node has no Node-API of version 8; Node 20.17 or later does\n",
      stderr);
  std::abort();
}

// A function that is not there ends the process where it is called: a constructor cannot refuse to be loaded.
void* functionNamed(const char* name) {
  if (FARPROC found = GetProcAddress(GetModuleHandleW(nullptr), name)) return reinterpret_cast<void*>(found);
  for (const wchar_t* library : kNodeLibraries) {
    const HMODULE module = GetModuleHandleW(library);
    if (module == nullptr) continue;
    if (FARPROC found = GetProcAddress(module, name)) return reinterpret_cast<void*>(found);
  }
  return reinterpret_cast<void*>(&stopForMissing);
}

}  // namespace

extern "C" {
#define FUNCTION(name) void* __imp_##name = functionNamed(#name);
#include "node_functions.inc"
#undef FUNCTION
}

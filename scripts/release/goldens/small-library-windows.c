// A library for Windows as small as one can be, for floors.test.mjs: an entry and, with STRAY, a foreign library.
#include <windows.h>

__declspec(dllexport) int ENTRY(void) {
#ifdef STRAY
  return (int)MessageBeep(0);
#else
  return (int)GetCurrentProcessId();
#endif
}

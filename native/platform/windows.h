// What the Windows sources of this folder share.
#pragma once

#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <string>

namespace ibert::platform {

// Between UTF-8 and the system's 16-bit text; what is no text comes out with U+FFFD in it.
std::wstring wide(const std::string& text);
std::string narrow(const std::wstring& text);

// The system's words for an error of GetLastError, with its number.
std::string errorText(DWORD error);

}  // namespace ibert::platform

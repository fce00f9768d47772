// Metal's 16-bit float.
#pragma once

#if defined(__aarch64__) && !defined(__clang__) && __GNUC__ < 13
using half = __fp16;  // of the same bits; _Float16 came to C++ there with GCC 13
#else
using half = _Float16;
#endif

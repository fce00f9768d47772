// How a library offers a function under its plain name; all else is hidden.
#pragma once

#if defined(_WIN32)
#define IBERT_EXPORT extern "C" __declspec(dllexport)
#else
#define IBERT_EXPORT extern "C" __attribute__((visibility("default")))
#endif

// The text of the kernels, which Metal compiles when it is asked for one: written by CMake (sources.cmake),
// each .metal file with its headers in place.
#pragma once

namespace ibert::metal {

struct KernelSource {
  const char* kernel;
  int file;  // into kSourceTexts
};

extern const KernelSource kKernelSources[];
extern const int kKernelCount;
extern const char* const kSourceNames[];
extern const char* const kSourceTexts[];
extern const int kSourceCount;

}  // namespace ibert::metal

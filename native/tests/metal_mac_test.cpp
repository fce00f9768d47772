// The Metal backend's hardware of a Mac, as far as it can be seen elsewhere: the text that Metal is to
// compile, and what is said where there is no Metal.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "check.h"
#include "host/hardware.h"
#include "host/source.h"

namespace ibert::metal {

namespace {

using tests::expect;

void testTexts() {
  expect(kKernelCount > 20 && kSourceCount > 8, "kernels and files are there");
  std::set<std::string> names;
  for (int i = 0; i < kKernelCount; ++i) {
    const auto& [kernel, file] = kKernelSources[i];
    expect(names.insert(kernel).second, std::string("one kernel of the name ") + kernel);
    expect(
        file >= 0 && file < kSourceCount &&
            std::string(kSourceTexts[file]).find("KERNEL " + std::string(kernel) + "(") != std::string::npos,
        std::string("the text of ") + kernel);
  }
  for (int i = 0; i < kSourceCount; ++i) {
    const std::string text = kSourceTexts[i], name = kSourceNames[i];
    expect(text.find("#include \"") == std::string::npos, name + " asks for no file");
    expect(text.find("#pragma once") == std::string::npos, name + " is one file");
    const size_t first = text.find("#define KERNEL");
    expect(first != std::string::npos && text.find("#define KERNEL", first + 1) == std::string::npos,
           name + " has each header once");
    expect(first < text.find("\nKERNEL "), name + " has its headers before its kernels");
  }
}

#ifdef __APPLE__
// Every kernel as this Mac's Metal compiles it. Without a device, which a virtual machine may lack, there is
// nothing to compile for.
void testCompiles() {
  std::shared_ptr<Hardware> hardware;
  try {
    hardware = openHardware(0);
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return;
  }
  const DeviceInfo info = hardware->info();
  std::printf("%s, %s\n", info.name, info.architecture);
  const bool hasMatrices = std::atoi(info.architecture + std::strlen("apple")) >= 7;
  for (int i = 0; i < kKernelCount; ++i) {
    const auto& [kernel, file] = kKernelSources[i];
    if (!hasMatrices && std::strstr(kSourceTexts[file], "simdgroup_load") != nullptr) {
      std::printf("%s: left out, as the GPU has no simdgroup_matrix\n", kernel);
      continue;
    }
    try {
      const int threads = hardware->pipeline(kernel).mostThreads;
      std::printf("%s: %d threads\n", kernel, threads);
      expect(threads >= 256, std::string(kernel) + " runs with a threadgroup of 256");
    } catch (const std::exception& error) {
      expect(false, std::string(kernel) + " compiles: " + error.what());
    }
  }
}
#endif

}  // namespace

}  // namespace ibert::metal

int main() {
  ibert::metal::testTexts();
#ifdef __APPLE__
  ibert::metal::testCompiles();
#else
  ibert::tests::expectError([] { ibert::metal::openHardware(0); },
                            "no Metal here: cannot open /usr/lib/libobjc.A.dylib",
                            "a machine that is no Mac");
#endif
  return ibert::tests::report();
}

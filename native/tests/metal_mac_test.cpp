// The Metal backend's hardware of a Mac, as far as it can be seen elsewhere: the text that Metal is to
// compile, and what is said where there is no Metal.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "check.h"
#include "host/command_error.h"
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
    const bool isInTiles = text.find("simdgroup_load") != std::string::npos;
    expect((text.find("IBERT_BF16_TILES") != std::string::npos) == isInTiles,
           name + " is for bf16 too if it has tiles");
  }
}

void testErrors() {
  const std::string memory = commandError(8, "Insufficient Memory"), other = commandError(1, "Internal");
  expect(memory ==
             "out of memory on the GPU; a smaller batch or shorter sequences take less (Insufficient "
             "Memory, code 8)",
         "memory that ran out is named: " + memory);
  expect(commandError(2, "x").rfind("a command buffer ran longer than the system allows", 0) == 0,
         "and a time-out");
  expect(other == "Internal, code 1", "what has no name keeps Metal's text: " + other);
}

#ifdef __APPLE__
// Every kernel as this Mac's Metal compiles it, and those in tiles for bf16 where the GPU has it. Without a
// device, which a virtual machine may lack, there is nothing to compile for.
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
  const int family = std::atoi(info.architecture + std::strlen("apple"));
  const bool hasMatrices = family >= 7, hasBf16 = family >= 9 && hardware->hasBfloat();
  for (int i = 0; i < kKernelCount; ++i) {
    const auto& [kernel, file] = kKernelSources[i];
    const bool isInTiles = std::strstr(kSourceTexts[file], "simdgroup_load") != nullptr;
    if (!hasMatrices && isInTiles) {
      std::printf("%s: left out, as the GPU has no simdgroup_matrix\n", kernel);
      continue;
    }
    for (const TileType type : {TileType::float32, TileType::bf16}) {
      if (type == TileType::bf16 && !(hasBf16 && isInTiles)) continue;
      const std::string name = std::string(kernel) + (type == TileType::bf16 ? " in bf16" : "");
      try {
        const int threads = hardware->pipeline(kernel, type).mostThreads;
        std::printf("%s: %d threads\n", name.c_str(), threads);
        expect(threads >= 256, name + " runs with a threadgroup of 256");
      } catch (const std::exception& error) {
        expect(false, name + " compiles: " + error.what());
      }
    }
  }
}
#endif

}  // namespace

}  // namespace ibert::metal

int main() {
  ibert::metal::testTexts();
  ibert::metal::testErrors();
#ifdef __APPLE__
  ibert::metal::testCompiles();
#else
  ibert::tests::expectError([] { ibert::metal::openHardware(0); },
                            "no Metal here: cannot open /usr/lib/libobjc.A.dylib",
                            "a machine that is no Mac");
#endif
  return ibert::tests::report();
}

// The Metal backend's hardware of a Mac, as far as it can be seen elsewhere: the text that Metal is to
// compile, and what is said where there is no Metal.
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

}  // namespace

}  // namespace ibert::metal

int main() {
  ibert::metal::testTexts();
#ifndef __APPLE__
  ibert::tests::expectError([] { ibert::metal::openHardware(0); },
                            "no Metal here: cannot open /usr/lib/libobjc.A.dylib",
                            "a machine that is no Mac");
#endif
  return ibert::tests::report();
}

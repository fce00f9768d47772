#include "processor_id.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#include <cstring>
#endif

namespace ibert::platform {

std::string brandOfX86() {
#if defined(__x86_64__)
  constexpr uint32_t kBrand = 0x80000002;  // and the two leaves behind it
  uint32_t words[12] = {};
  if (__get_cpuid_max(0x80000000, nullptr) < kBrand + 2) return "";
  for (uint32_t leaf = 0; leaf < 3; ++leaf) {
    uint32_t* part = words + leaf * 4;
    __get_cpuid(kBrand + leaf, part, part + 1, part + 2, part + 3);
  }
  std::string name(reinterpret_cast<const char*>(words), sizeof words);
  name.resize(std::strlen(name.c_str()));
  const size_t first = name.find_first_not_of(' ');
  const size_t last = name.find_last_not_of(' ');
  return first == std::string::npos ? "" : name.substr(first, last - first + 1);
#else
  return "";
#endif
}

}  // namespace ibert::platform

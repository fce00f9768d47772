#include "fail.h"

#include <cstdarg>
#include <cstdio>
#include <stdexcept>

namespace ibert::cpu {

void fail(const char* format, ...) {
  char text[512];
  va_list values;
  va_start(values, format);
  std::vsnprintf(text, sizeof text, format, values);
  va_end(values);
  throw std::runtime_error(text);
}

std::string onlyDTypes(std::initializer_list<Named> tensors, std::initializer_list<DType> allowed) {
  for (const Named& named : tensors) {
    if (named.tensor->rank == 0) continue;  // absent; a planned tensor has a rank and no data
    bool found = false;
    std::string list;
    for (DType dtype : allowed) {
      found |= named.tensor->dtype == dtype;
      list += (list.empty() ? "" : " or ") + std::string(dtypeInfo(dtype)->name);
    }
    if (!found) {
      return std::string(named.name) + " is " + dtypeInfo(named.tensor->dtype)->name +
             "; the CPU kernel takes " + list;
    }
  }
  return "";
}

}  // namespace ibert::cpu

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

}  // namespace ibert::cpu

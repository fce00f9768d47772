// Texts of messages, put together from words and numbers.
#pragma once

#include <sstream>
#include <string>

namespace ibert::emulator {

template <class... Parts>
std::string message(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

}  // namespace ibert::emulator

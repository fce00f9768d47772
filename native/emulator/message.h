// Texts of messages, put together from words and numbers.
#pragma once

#include <cstdio>
#include <ostream>
#include <sstream>
#include <string>

namespace ibert::emulator {

template <class... Parts>
std::string message(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

// A part of a message that owns no memory: a thread that fails is left where it stands, and what it holds is
// lost.
class Words {
 public:
  template <class... Parts>
  explicit Words(const Parts&... parts) {
    std::snprintf(text_, sizeof text_, "%s", message(parts...).c_str());
  }
  friend std::ostream& operator<<(std::ostream& out, const Words& words) { return out << words.text_; }

 private:
  char text_[160];
};

}  // namespace ibert::emulator

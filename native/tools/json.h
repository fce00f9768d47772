// Just enough JSON to write results.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>

namespace ibert::tools {

inline std::string json(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      result += std::string("\\") + c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      result += escape;
    } else {
      result += c;
    }
  }
  return result + "\"";
}

inline std::string json(const char* text) {
  return text ? json(std::string(text)) : "null";
}

inline std::string json(double value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace ibert::tools

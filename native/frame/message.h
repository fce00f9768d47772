// Errors at the C boundary: what a backend's function throws becomes its message.
#pragma once

#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "../backend.h"

namespace ibert::frame {

inline int failWith(Message* message, const std::string& text) {
  std::snprintf(message->text, sizeof(message->text), "%s", text.c_str());
  return 1;
}

// Runs body; an exception becomes the message.
template <class Body>
int guarded(Message* message, Body&& body) {
  try {
    body();
    return 0;
  } catch (const std::bad_alloc&) {
    return failWith(message, "out of memory");
  } catch (const std::exception& error) {
    return failWith(message, error.what());
  }
}

}  // namespace ibert::frame

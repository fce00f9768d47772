// Errors at the C boundary: what a backend's function throws becomes its message.
#pragma once

#include <cstdio>
#include <exception>
#include <future>
#include <memory>
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

// Waits for a notification as Backend::notify makes it; returns its error, empty for none. `enqueue` gets
// callback and user.
template <class Enqueue>
std::string notified(Enqueue&& enqueue) {
  // The thread that calls back owns the promise: the caller may return while set_value is still on its way
  // out.
  auto done = std::make_unique<std::promise<std::string>>();
  std::future<std::string> result = done->get_future();
  enqueue(
      [](void* user, const Message* error) {
        std::unique_ptr<std::promise<std::string>> promise(static_cast<std::promise<std::string>*>(user));
        promise->set_value(error == nullptr ? "" : error->text);
      },
      done.release());
  return result.get();
}

}  // namespace ibert::frame

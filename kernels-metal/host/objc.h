// Objective-C without its compiler: the runtime's C functions, looked up when they are needed. What is sent
// are messages by name; their signatures are those of Apple's documentation of Metal.
#pragma once

#include <utility>

namespace ibert::metal::objc {

using Id = void*;

// Throws std::runtime_error that says what is missing.
void load();
// A function of Metal's, or null.
void* metalFunction(const char* name);
Id classNamed(const char* name);
void* selectorNamed(const char* name);
extern void* messageSend;
void* pushPool();
void popPool(void* pool);

template <class Result = Id, class... Arguments>
Result send(Id object, const char* message, Arguments... arguments) {
  return reinterpret_cast<Result (*)(Id, void*, Arguments...)>(messageSend)(object, selectorNamed(message),
                                                                            arguments...);
}

// What a message returns without owning it lives until here.
class Pool {
 public:
  Pool() : pool_(pushPool()) {}
  ~Pool() { popPool(pool_); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

 private:
  void* pool_;
};

// An object that is owned. `adopt` takes over what a message new... gave, `retain` shares another's.
class Owned {
 public:
  Owned() = default;
  static Owned adopt(Id object) { return Owned(object); }
  static Owned retain(Id object) { return Owned(object == nullptr ? nullptr : send(object, "retain")); }
  ~Owned() { reset(); }
  Owned(Owned&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    if (this != &other) {
      reset();
      object_ = std::exchange(other.object_, nullptr);
    }
    return *this;
  }
  Id get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  explicit Owned(Id object) : object_(object) {}
  void reset() {
    if (object_ != nullptr) send<void>(std::exchange(object_, nullptr), "release");
  }

  Id object_ = nullptr;
};

}  // namespace ibert::metal::objc

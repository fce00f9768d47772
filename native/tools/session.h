// A device of a backend, and ops on it whose operands lie in host memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend.h"
#include "case.h"
#include "schema.h"

namespace ibert::tools {

// Throws std::runtime_error when a function of the backend fails, with the backend's message.
class Session {
 public:
  Session(const Backend* backend, int threads);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Backend* backend() const { return backend_; }
  DeviceInfo info() const;
  const char* kernelName(Op op, const void* arguments = nullptr) const {
    return backend_->kernelName(device_, op, arguments);
  }

  void enqueue(Op op, const void* arguments);
  void synchronize();
  void toDevice(Buffer* target, int64_t offset, const void* host, int64_t bytes);  // waits
  void toHost(void* host, Buffer* source, int64_t offset, int64_t bytes);          // waits
  void fill(Buffer* target, int64_t offset, uint8_t value, int64_t bytes);
  Buffer* allocate(int64_t bytes);
  void release(Buffer* buffer);
  int64_t packedBytes(DType dtype, int64_t rows, int64_t columns) const;
  // Events of the stream; `elapsed` of two that were synchronised with.
  Event* createEvent();
  void destroyEvent(Event* event);
  void record(Event* event);
  double elapsed(Event* from, Event* to);
  // Empty when the op runs with these arguments, else the backend's reason.
  std::string whyUnsupported(Op op, const void* arguments) const;

 private:
  const Backend* backend_;
  Device* device_ = nullptr;
  Stream* stream_ = nullptr;
};

// Where an operand starts in memory: as allocations do, or as a view may (see ops.h): at an odd multiple of
// the size of its element, another one for each operand.
enum class Placement { Aligned, Odd };

// The operands of a case on a device: each between guard bytes, outputs filled with bytes that read as NaN
// (or -1).
class Operands {
 public:
  Operands(Session& session, const Case& test, Placement placement = Placement::Aligned);
  ~Operands();
  Operands(const Operands&) = delete;
  Operands& operator=(const Operands&) = delete;

  // Why the backend cannot run the case (packing included); empty when it can. Nothing may be run if not.
  const std::string& unsupported() const { return unsupported_; }
  const void* arguments() const { return arguments_.data(); }
  void enqueue() { session_.enqueue(op_, arguments()); }
  void synchronize() { session_.synchronize(); }

  // The bytes of a tensor as they are on the device now. A packed weight cannot be asked for.
  std::vector<std::byte> bytes(const std::string& field);
  // What was overwritten and should not have been: guards and inputs. Empty when all is well.
  std::string damage();

 private:
  struct Operand {
    const void* host;  // the case's memory: the identity of the operand
    std::string field;
    int64_t bytes;
    bool input;  // must be unchanged after the run
    bool packed;
    Buffer* buffer;
    int64_t start;                  // of the operand in its buffer
    std::vector<std::byte> before;  // of inputs
  };

  void upload(const Case& test, const Field& field, Tensor& tensor);
  static void place(const Operand& operand, Tensor& tensor);
  void pack(const Tensor& source, DType target, Tensor& packed);
  Operand& add(const void* host, const std::string& field, int64_t bytes, int64_t shift);
  // How far behind an aligned address the next operand of this dtype starts.
  int64_t shiftOf(DType dtype) const;
  std::vector<std::byte> read(const Operand& operand, int64_t from, int64_t count);

  Session& session_;
  Op op_;
  Placement placement_;
  std::vector<std::byte> arguments_;
  std::vector<Operand> operands_;
  std::string unsupported_;
};

}  // namespace ibert::tools

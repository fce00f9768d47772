#include "session.h"

#include <algorithm>
#include <stdexcept>

namespace ibert::tools {

namespace {

constexpr int64_t kGuard = 64;  // a multiple of the alignment
constexpr std::byte kGuardByte{0xA5};
constexpr std::byte kPoison{0xFF};  // as f64, f32, bf16 and f16 a NaN, as i32 -1

void check(int status, const Message& message) {
  if (status != 0) throw std::runtime_error(message.text);
}

Tensor& tensorOf(std::vector<std::byte>& arguments, const Field& field) {
  return *reinterpret_cast<Tensor*>(arguments.data() + field.offset);
}

bool isOutput(Role role) {
  return role == Role::Out || role == Role::OutOptional;
}
bool isInput(Role role) {
  return role == Role::In || role == Role::InOptional;
}

}  // namespace

Session::Session(const Backend* backend, int threads) : backend_(backend) {
  Message message{};
  const DeviceOptions options{0, threads, nullptr};
  check(backend->probe(&message), message);
  check(backend->openDevice(&options, &device_, &message), message);
  if (backend->createStream(device_, &stream_, &message) != 0) {
    backend->closeDevice(device_);
    throw std::runtime_error(message.text);
  }
}

Session::~Session() {
  backend_->destroyStream(stream_);
  backend_->closeDevice(device_);
}

DeviceInfo Session::info() const {
  DeviceInfo info{};
  backend_->deviceInfo(device_, &info);
  return info;
}

void Session::enqueue(Op op, const void* arguments) {
  Message message{};
  check(backend_->enqueue(stream_, op, arguments, &message), message);
}

void Session::synchronize() {
  Message message{};
  check(backend_->synchronize(stream_, &message), message);
}

void Session::toDevice(Buffer* target, int64_t offset, const void* host, int64_t bytes) {
  Message message{};
  check(backend_->copyToDevice(stream_, target, offset, host, bytes, &message), message);
  synchronize();
}

void Session::toHost(void* host, Buffer* source, int64_t offset, int64_t bytes) {
  Message message{};
  check(backend_->copyToHost(stream_, host, source, offset, bytes, &message), message);
  synchronize();
}

void Session::fill(Buffer* target, int64_t offset, uint8_t value, int64_t bytes) {
  Message message{};
  check(backend_->fill(stream_, target, offset, value, bytes, &message), message);
}

Event* Session::createEvent() {
  Message message{};
  Event* event = nullptr;
  check(backend_->createEvent(device_, &event, &message), message);
  return event;
}

void Session::destroyEvent(Event* event) {
  backend_->destroyEvent(event);
}

void Session::record(Event* event) {
  Message message{};
  check(backend_->recordEvent(stream_, event, &message), message);
}

double Session::elapsed(Event* from, Event* to) {
  Message message{};
  double seconds = 0;
  check(backend_->elapsed(from, to, &seconds, &message), message);
  return seconds;
}

Buffer* Session::allocate(int64_t bytes) {
  Message message{};
  Buffer* buffer = nullptr;
  check(backend_->allocate(device_, bytes, &buffer, &message), message);
  return buffer;
}

void Session::release(Buffer* buffer) {
  backend_->release(device_, buffer);
}

int64_t Session::packedBytes(DType dtype, int64_t rows, int64_t columns) const {
  return backend_->packedBytes(device_, dtype, rows, columns);
}

std::string Session::whyUnsupported(Op op, const void* arguments) const {
  Message message{};
  return backend_->supports(device_, op, arguments, &message) == 0 ? "" : message.text;
}

Operands::Operands(Session& session, const Case& test, Placement placement)
    : session_(session), op_(test.op), placement_(placement), arguments_(test.arguments) {
  for (const Field& field : opSchema(op_).fields) {
    if (field.type != FieldType::Tensor) continue;
    Tensor& tensor = tensorOf(arguments_, field);
    if (tensor && unsupported_.empty()) upload(test, field, tensor);
  }
  if (unsupported_.empty()) unsupported_ = session_.whyUnsupported(op_, arguments());
  for (Operand& operand : operands_) {
    if (operand.input) operand.before = read(operand, 0, operand.bytes);
  }
}

Operands::~Operands() {
  for (const Operand& operand : operands_) session_.release(operand.buffer);
}

int64_t Operands::shiftOf(DType dtype) const {
  if (placement_ == Placement::Aligned) return 0;
  const DTypeInfo* info = dtypeInfo(dtype);
  const int64_t unit = info->quantized ? 2 : info->blockBytes;
  return unit * (2 * static_cast<int64_t>(operands_.size() % 4) + 1);
}

Operands::Operand& Operands::add(const void* host, const std::string& field, int64_t bytes, int64_t shift) {
  const int64_t start = kGuard + shift, whole = start + bytes + kGuard;
  Buffer* buffer = session_.allocate(whole);
  std::vector<std::byte> content(whole, kGuardByte);
  std::fill_n(content.begin() + start, bytes, kPoison);
  session_.toDevice(buffer, 0, content.data(), whole);
  return operands_.emplace_back(Operand{host, field, bytes, false, false, buffer, start, {}});
}

void Operands::place(const Operand& operand, Tensor& tensor) {
  tensor.data = nullptr;
  tensor.buffer = operand.buffer;
  tensor.offset = operand.start;
}

void Operands::upload(const Case& test, const Field& field, Tensor& tensor) {
  const void* host = tensor.data;
  for (Operand& operand : operands_) {
    if (operand.host != host) continue;
    // An alias: one buffer. It keeps its content, since some field reads it, and may change if some field
    // writes it.
    place(operand, tensor);
    if (!operand.packed) session_.toDevice(tensor.buffer, tensor.offset, host, operand.bytes);
    operand.input = operand.input && isInput(field.role);
    return;
  }
  const auto target = test.packed.find(host);
  if (target != test.packed.end()) {
    const Tensor source = tensor;
    pack(source, target->second, tensor);
    return;
  }
  const bool packed = tensor.layout == Layout::Packed;
  const int64_t bytes = packed
                            ? session_.packedBytes(tensor.dtype, tensor.shape[0], tensor.shape[1])
                            : rowMajorBytes(tensor.dtype, tensor.elements(), tensor.shape[tensor.rank - 1]);
  if (bytes < 0) {
    unsupported_ = std::string(field.name) + ": " + dtypeInfo(tensor.dtype)->name + " cannot be packed";
    return;
  }
  Operand& operand = add(host, field.name, bytes, packed ? 0 : shiftOf(tensor.dtype));
  place(operand, tensor);
  if (!isOutput(field.role)) session_.toDevice(tensor.buffer, tensor.offset, host, operand.bytes);
  operand.input = isInput(field.role);
}

void Operands::pack(const Tensor& source, DType target, Tensor& packed) {
  packed.dtype = target;
  packed.layout = Layout::Packed;
  const int64_t bytes = session_.packedBytes(target, source.shape[0], source.shape[1]);
  if (bytes < 0) {
    unsupported_ = std::string("packWeight: ") + dtypeInfo(target)->name + " cannot be packed";
    return;
  }
  Operand& operand = add(source.data, "packed weight", bytes, 0);
  operand.input = true;
  operand.packed = true;
  place(operand, packed);

  PackWeight args{source, packed};
  const int64_t sourceBytes = rowMajorBytes(source.dtype, source.elements(), source.shape[1]);
  args.source.data = nullptr;
  args.source.offset = shiftOf(source.dtype);
  args.source.buffer = session_.allocate(args.source.offset + sourceBytes);
  session_.toDevice(args.source.buffer, args.source.offset, source.data, sourceBytes);
  unsupported_ = session_.whyUnsupported(Op::packWeight, &args);
  if (unsupported_.empty()) {
    session_.enqueue(Op::packWeight, &args);
    session_.synchronize();
  }
  session_.release(args.source.buffer);
}

std::vector<std::byte> Operands::read(const Operand& operand, int64_t from, int64_t count) {
  std::vector<std::byte> content(count);
  session_.toHost(content.data(), operand.buffer, operand.start + from, count);
  return content;
}

std::vector<std::byte> Operands::bytes(const std::string& name) {
  for (const Field& field : opSchema(op_).fields) {
    if (name != field.name) continue;
    const Buffer* buffer = tensorOf(arguments_, field).buffer;
    for (const Operand& operand : operands_) {
      if (operand.buffer == buffer) return read(operand, 0, operand.bytes);
    }
  }
  throw std::logic_error("no operand " + name);
}

std::string Operands::damage() {
  for (const Operand& operand : operands_) {
    for (const int64_t from : {-operand.start, operand.bytes}) {
      const std::vector<std::byte> guard = read(operand, from, from < 0 ? operand.start : kGuard);
      if (std::any_of(guard.begin(), guard.end(), [](std::byte b) { return b != kGuardByte; })) {
        return std::string("wrote ") + (from < 0 ? "before" : "behind") + " the memory of " + operand.field;
      }
    }
    if (operand.input && read(operand, 0, operand.bytes) != operand.before)
      return "changed its input " + operand.field;
  }
  return "";
}

}  // namespace ibert::tools

#include "schema.h"

#include <cctype>
#include <cmath>
#include <cstdint>
#include <map>
#include <stdexcept>

namespace ibert {

namespace {

std::vector<OpSchema> buildSchemas() {
  std::vector<OpSchema> schemas;
#define IBERT_TENSOR(name, role, kind, shape, doc) \
  Field{FieldType::Tensor, #name, offsetof(Self, name), doc, Role::role, Kind::kind, shape, 0},
#define IBERT_FLOAT(name, value, doc) \
  Field{FieldType::Float, #name, offsetof(Self, name), doc, Role::In, Kind::Any, "", value},
#define IBERT_INT(name, value, doc) \
  Field{FieldType::Int, #name, offsetof(Self, name), doc, Role::In, Kind::Any, "", value},
#define IBERT_INTS(name, doc) \
  Field{FieldType::Ints, #name, offsetof(Self, name), doc, Role::In, Kind::Any, "", 0},
#define IBERT_SCHEMA(Struct, name, doc)                                                             \
  {                                                                                                 \
    using Self = Struct;                                                                            \
    schemas.push_back({Op::name,                                                                    \
                       #name,                                                                       \
                       doc,                                                                         \
                       sizeof(Struct),                                                              \
                       {IBERT_FIELDS_##Struct(IBERT_TENSOR, IBERT_FLOAT, IBERT_INT, IBERT_INTS)}}); \
  }
  IBERT_OPS(IBERT_SCHEMA)
#undef IBERT_SCHEMA
#undef IBERT_INTS
#undef IBERT_INT
#undef IBERT_FLOAT
#undef IBERT_TENSOR
  return schemas;
}

const std::vector<OpSchema>& schemas() {
  // Never destroyed: a process may exit while its streams still work.
  static const auto& all = *new const std::vector<OpSchema>(buildSchemas());
  return all;
}

[[noreturn]] void fail(const OpSchema& schema, const std::string& what) {
  throw std::invalid_argument(std::string(schema.name) + ": " + what);
}

std::string shapeText(const Tensor& tensor) {
  std::string text = "(";
  for (int i = 0; i < tensor.rank; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(tensor.shape[i]);
  }
  return text + ")";
}

using Bindings = std::map<std::string, int64_t>;

bool isName(const std::string& word) {
  if (word.empty() || !std::isalpha(static_cast<unsigned char>(word[0]))) return false;
  for (char c : word) {
    if (!std::isalnum(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

// Sums and products of names, numbers and parentheses.
class Expression {
 public:
  Expression(const std::string& text, const Bindings& bindings) : text_(text), bindings_(bindings) {}

  int64_t value() { return sum(); }

 private:
  [[noreturn]] void tooLarge() const { throw std::overflow_error(text_ + " is too large"); }

  int64_t sum() {
    int64_t result = product();
    while (at_ < text_.size() && text_[at_] == '+') {
      ++at_;
      if (__builtin_add_overflow(result, product(), &result)) tooLarge();
    }
    return result;
  }
  int64_t product() {
    int64_t result = atom();
    while (at_ < text_.size() && text_[at_] == '*') {
      ++at_;
      if (__builtin_mul_overflow(result, atom(), &result)) tooLarge();
    }
    return result;
  }
  int64_t atom() {
    if (text_[at_] == '(') {
      ++at_;
      const int64_t result = sum();
      ++at_;  // ')'
      return result;
    }
    const size_t start = at_;
    while (at_ < text_.size() && std::isalnum(static_cast<unsigned char>(text_[at_]))) ++at_;
    const std::string word = text_.substr(start, at_ - start);
    if (std::isdigit(static_cast<unsigned char>(word[0]))) return std::stoll(word);
    const auto found = bindings_.find(word);
    if (found == bindings_.end()) throw std::logic_error("op table: unbound name " + word + " in " + text_);
    return found->second;
  }

  const std::string& text_;
  const Bindings& bindings_;
  size_t at_ = 0;
};

int64_t valueOf(const OpSchema& schema, const std::string& expression, const Bindings& bindings) {
  try {
    return Expression(expression, bindings).value();
  } catch (const std::overflow_error& error) {
    fail(schema, error.what());
  }
}

std::vector<std::string> split(const char* shape) {
  std::vector<std::string> words;
  std::string word;
  for (const char* c = shape; *c != '\0'; ++c) {
    if (*c == ' ') {
      words.push_back(word);
      word.clear();
    } else {
      word += *c;
    }
  }
  words.push_back(word);
  return words;
}

bool kindAccepts(Kind kind, DType dtype) {
  switch (kind) {
    case Kind::Act:
      return dtype == DType::F64 || dtype == DType::F32 || dtype == DType::BF16;
    case Kind::Acc:
      return dtype == DType::F64 || dtype == DType::F32;
    case Kind::Weight:
      return dtype != DType::I32 && dtype != DType::U8;
    case Kind::Index:
      return dtype == DType::I32;
    case Kind::Any:
      return true;
    case Kind::Cache:
      return kindAccepts(Kind::Act, dtype) || dtype == DType::Q8_0;
  }
  return false;
}

const char* kindText(Kind kind) {
  switch (kind) {
    case Kind::Act:
      return "f64, f32 or bf16";
    case Kind::Acc:
      return "f64 or f32";
    case Kind::Weight:
      return "a floating or block format";
    case Kind::Index:
      return "i32";
    case Kind::Any:
      return "any dtype";
    case Kind::Cache:
      return "f64, f32, bf16 or q8_0";
  }
  return "";
}

struct ParsedShape {
  bool any = false;
  std::vector<std::string> words;
};

// Shapes of the table, parsed once.
const std::vector<std::vector<ParsedShape>>& parsedShapes() {
  static const std::vector<std::vector<ParsedShape>> parsed = [] {
    std::vector<std::vector<ParsedShape>> result;
    for (const OpSchema& schema : schemas()) {
      auto& shapes = result.emplace_back();
      for (const Field& field : schema.fields) {
        ParsedShape shape;
        if (field.type == FieldType::Tensor) {
          shape.any = std::string(field.shape) == "*";
          if (!shape.any) shape.words = split(field.shape);
        }
        shapes.push_back(shape);
      }
    }
    return result;
  }();
  return parsed;
}

void checkSegments(const OpSchema& schema, const Ints& segments, const Ints& slots, const Tensor& loraA,
                   const Tensor& loraB, const Tensor& weight) {
  if (segments.count != slots.count) fail(schema, "segments and slots have different lengths");
  int64_t previous = 0;
  int64_t slotCount = segments.count == 0 ? 1 : 0;
  for (int64_t i = 0; i < segments.count; ++i) {
    if (segments.values[i] <= previous) fail(schema, "segments must ascend");
    previous = segments.values[i];
    if (slots.values[i] < -1 || slots.values[i] >= INT32_MAX) fail(schema, "a slot is -1 or an index");
    if (slots.values[i] + 1 > slotCount) slotCount = slots.values[i] + 1;
  }
  if (segments.count > 0 && previous != weight.shape[0]) {
    fail(schema, "the last segment ends at " + std::to_string(previous) + ", but weight has " +
                     std::to_string(weight.shape[0]) + " rows");
  }
  if ((loraA.rank != 0) != (loraB.rank != 0)) fail(schema, "loraA and loraB come together");
  int64_t rows = 0;
  const bool tooMany = __builtin_mul_overflow(loraB.shape[2], slotCount, &rows);
  if (loraA.rank != 0 && (tooMany || loraA.shape[1] != rows)) {
    fail(schema, "loraA has " + std::to_string(loraA.shape[1]) + " rows, expected rank " +
                     std::to_string(loraB.shape[2]) + " times " + std::to_string(slotCount) + " slots");
  }
}

void requireSame(const OpSchema& schema, const char* names, int64_t a, int64_t b) {
  if (a != b) fail(schema, std::string(names) + " differ in size");
}

void checkHeads(const OpSchema& schema, int64_t heads, int64_t kvHeads, int64_t headDim) {
  if (kvHeads < 1 || heads < 1 || heads % kvHeads != 0) fail(schema, "heads must be a multiple of kvHeads");
  if (headDim < 1) fail(schema, "headDim must be at least 1");
}

void checkCache(const OpSchema& schema, const Tensor& kCache, const Tensor& vCache) {
  if (kCache.dtype != DType::Q8_0 && vCache.dtype != DType::Q8_0) return;
  if (kCache.dtype != vCache.dtype) fail(schema, "kCache and vCache are q8_0 both or neither");
  const int block = dtypeInfo(DType::Q8_0)->blockElements;
  if (kCache.shape[3] % block != 0) {
    fail(schema, "kCache is q8_0 in blocks of " + std::to_string(block) + ", and headDim " +
                     std::to_string(kCache.shape[3]) +
                     " is no multiple of that; store this model's cache in bf16");
  }
}

// What symbols cannot say.
void checkSpecial(const OpSchema& schema, const void* arguments) {
  switch (schema.op) {
    case Op::loraLinearForward: {
      const auto& a = *static_cast<const LoraLinearForward*>(arguments);
      checkSegments(schema, a.segments, a.slots, a.loraA, a.loraB, a.weight);
      break;
    }
    case Op::loraLinearBackward: {
      const auto& a = *static_cast<const LoraLinearBackward*>(arguments);
      checkSegments(schema, a.segments, a.slots, a.loraA, a.loraB, a.weight);
      if (a.dLoraA.rank != 0 && (a.x.rank == 0 || a.loraB.rank == 0))
        fail(schema, "dLoraA needs x and loraB");
      if (a.dLoraB.rank != 0 && (a.xa.rank == 0 || a.loraB.rank == 0))
        fail(schema, "dLoraB needs xa and loraB");
      break;
    }
    case Op::attentionForward: {
      const auto& a = *static_cast<const AttentionForward*>(arguments);
      checkHeads(schema, a.heads, a.kvHeads, a.headDim);
      if (a.offsets.shape[0] < 1) fail(schema, "offsets is empty");
      break;
    }
    case Op::attentionBackward: {
      const auto& a = *static_cast<const AttentionBackward*>(arguments);
      checkHeads(schema, a.heads, a.kvHeads, a.headDim);
      if (a.offsets.shape[0] < 1) fail(schema, "offsets is empty");
      break;
    }
    case Op::kvCacheWrite: {
      const auto& a = *static_cast<const KvCacheWrite*>(arguments);
      checkHeads(schema, a.heads, a.kvHeads, a.headDim);
      checkCache(schema, a.kCache, a.vCache);
      break;
    }
    case Op::pagedAttention: {
      const auto& a = *static_cast<const PagedAttention*>(arguments);
      checkCache(schema, a.kCache, a.vCache);
      checkHeads(schema, a.heads, a.kvHeads, a.headDim);
      break;
    }
    case Op::rope: {
      const auto& a = *static_cast<const Rope*>(arguments);
      if (a.heads < 1 || a.headDim < 2 || a.headDim % 2 != 0)
        fail(schema, "heads >= 1 and an even headDim are needed");
      if (a.heads > a.x.shape[1] / a.headDim) fail(schema, "x has fewer columns than heads * headDim");
      if (a.qHeads < 0 || a.qHeads > a.heads) fail(schema, "qHeads must be in 0..heads");
      if ((a.qScale.rank != 0) != (a.qHeads > 0)) fail(schema, "qScale and qHeads come together");
      break;
    }
    case Op::sample: {
      const auto& a = *static_cast<const Sample*>(arguments);
      if (a.temperature.rank != 0 && a.uniform.rank == 0) fail(schema, "temperature needs uniform");
      if (a.mask.rank != 0)
        requireSame(schema, "mask and ceil(V / 32)", a.mask.shape[1], (a.logits.shape[1] + 31) / 32);
      break;
    }
    case Op::cast: {
      const auto& a = *static_cast<const Cast*>(arguments);
      requireSame(schema, "source and target", a.source.elements(), a.target.elements());
      break;
    }
    default:
      break;
  }
}

}  // namespace

const OpSchema& opSchema(Op op) {
  return schemas().at(static_cast<size_t>(op));
}

Op opByName(const std::string& name) {
  for (const OpSchema& schema : schemas()) {
    if (name == schema.name) return schema.op;
  }
  return Op::kCount;
}

uint64_t opTableHash() {
  uint64_t hash = 1469598103934665603ull;  // FNV-1a
  auto add = [&hash](const std::string& text) {
    for (unsigned char c : text) hash = (hash ^ c) * 1099511628211ull;
    hash = (hash ^ 0xff) * 1099511628211ull;
  };
  add(std::to_string(kExactRows));
  for (const OpSchema& schema : schemas()) {
    add(schema.name);
    add(std::to_string(schema.bytes));
    for (const Field& field : schema.fields) {
      add(field.name);
      add(std::to_string(field.offset));
      if (field.type == FieldType::Tensor) {
        add(field.shape);
        add(std::to_string(static_cast<int>(field.role) * 16 + static_cast<int>(field.kind)));
      }
    }
  }
  return hash;
}

void checkArguments(Op op, const void* arguments, bool planned) {
  const OpSchema& schema = opSchema(op);
  const auto& shapes = parsedShapes()[static_cast<size_t>(op)];
  const auto* base = static_cast<const char*>(arguments);
  Bindings bindings;

  for (const Field& field : schema.fields) {
    if (field.type == FieldType::Int) {
      bindings[field.name] = *reinterpret_cast<const int64_t*>(base + field.offset);
    } else if (field.type == FieldType::Float) {
      const double value = *reinterpret_cast<const double*>(base + field.offset);
      if (!std::isfinite(value)) fail(schema, std::string(field.name) + " is not finite");
    } else if (field.type == FieldType::Ints) {
      const auto& list = *reinterpret_cast<const Ints*>(base + field.offset);
      if (list.count < 0 || list.count > kMaxInts)
        fail(schema, std::string(field.name) + " has too many values");
    }
  }

  // First the names, then the expressions over them.
  for (int pass = 0; pass < 2; ++pass) {
    for (size_t i = 0; i < schema.fields.size(); ++i) {
      const Field& field = schema.fields[i];
      if (field.type != FieldType::Tensor) continue;
      const auto& tensor = *reinterpret_cast<const Tensor*>(base + field.offset);
      if (tensor.rank == 0) {
        if (!field.optional()) fail(schema, std::string(field.name) + " is missing");
        continue;
      }
      if (pass == 0) {
        if (!planned && tensor.buffer == nullptr && tensor.data == nullptr && tensor.elements() > 0) {
          fail(schema, std::string(field.name) + " has no memory");
        }
        if (dtypeInfo(tensor.dtype) == nullptr)
          fail(schema, std::string(field.name) + " has an unknown dtype");
        if (!kindAccepts(field.kind, tensor.dtype)) {
          fail(schema, std::string(field.name) + " is " + dtypeInfo(tensor.dtype)->name + ", expected " +
                           kindText(field.kind));
        }
        if (tensor.layout == Layout::Packed && field.kind != Kind::Weight) {
          fail(schema, std::string(field.name) + " is a packed weight, expected row-major");
        }
      }
      const ParsedShape& shape = shapes[i];
      if (shape.any) continue;
      if (static_cast<size_t>(tensor.rank) != shape.words.size()) {
        fail(schema, std::string(field.name) + " has shape " + shapeText(tensor) + ", expected (" +
                         field.shape + ")");
      }
      for (int d = 0; d < tensor.rank; ++d) {
        const std::string& word = shape.words[d];
        const bool name = isName(word);
        if (name != (pass == 0)) continue;
        if (name) {
          const auto [entry, fresh] = bindings.emplace(word, tensor.shape[d]);
          if (fresh || entry->second == tensor.shape[d]) continue;
          fail(schema, std::string(field.name) + " has shape " + shapeText(tensor) + ", but " + word + " = " +
                           std::to_string(entry->second) + " in (" + field.shape + ")");
        }
        const int64_t expected = valueOf(schema, word, bindings);
        if (expected != tensor.shape[d]) {
          fail(schema, std::string(field.name) + " has shape " + shapeText(tensor) + ", but " + word + " = " +
                           std::to_string(expected));
        }
      }
    }
  }
  checkSpecial(schema, arguments);
}

}  // namespace ibert

// One marshaller for every op: it walks the op's fields. JavaScript passes the values in the order of the
// table.
#include <cstring>

#include "handles.h"

namespace ibert::bindings {

namespace {

std::string fieldText(const OpSchema& schema, const Field& field) {
  return std::string(schema.name) + ": " + field.name;
}

[[noreturn]] void failField(napi_env env, const OpSchema& schema, const Field& field, const char* what) {
  fail(env, fieldText(schema, field) + " " + what);
}

bool isAbsent(napi_env env, napi_value value) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  return type == napi_undefined || type == napi_null;
}

}  // namespace

const OpSchema& schemaOf(const Napi::Value& op) {
  return opSchema(static_cast<Op>(wholeNumber(op, "the number of an op", 0, kOpCount - 1)));
}

void marshal(napi_env env, const OpSchema& schema, size_t count, const napi_value* values, Marshalled& out) {
  if (count != schema.fields.size()) fail(env, std::string(schema.name) + ": wrong number of arguments");
  if (schema.bytes > sizeof(out.bytes)) fail(env, std::string(schema.name) + ": arguments too large");
  std::memset(out.bytes, 0, schema.bytes);
  for (size_t i = 0; i < count; ++i) {
    const Field& field = schema.fields[i];
    std::byte* at = out.bytes + field.offset;
    const bool absent = isAbsent(env, values[i]);
    switch (field.type) {
      case FieldType::Tensor: {
        if (absent) {
          if (!field.optional()) failField(env, schema, field, "is missing");
          break;
        }
        TensorWrap* tensor = TensorWrap::tryFrom(env, values[i]);
        if (tensor == nullptr) failField(env, schema, field, "is not a tensor");
        std::memcpy(at, &tensor->tensor(), sizeof(Tensor));
        std::shared_ptr<Memory> memory = tensor->memory();
        if (memory == nullptr) failField(env, schema, field, "lies in a buffer that was freed");
        out.memory.push_back(std::move(memory));
        break;
      }
      case FieldType::Float: {
        double value = field.defaultValue;
        if (!absent && napi_get_value_double(env, values[i], &value) != napi_ok) {
          failField(env, schema, field, "is not a number");
        }
        std::memcpy(at, &value, sizeof(value));
        break;
      }
      case FieldType::Int: {
        int64_t value = static_cast<int64_t>(field.defaultValue);
        if (!absent) value = wholeNumber({env, values[i]}, fieldText(schema, field));
        std::memcpy(at, &value, sizeof(value));
        break;
      }
      case FieldType::Ints: {
        if (absent) break;
        uint32_t length = 0;
        if (napi_get_array_length(env, values[i], &length) != napi_ok)
          failField(env, schema, field, "is not an array");
        if (length > kMaxInts) failField(env, schema, field, "has too many values");
        Ints list{};
        list.count = length;
        for (uint32_t j = 0; j < length; ++j) {
          napi_value element;
          if (napi_get_element(env, values[i], j, &element) != napi_ok) throw Napi::Error::New(env);
          list.values[j] =
              wholeNumber({env, element}, fieldText(schema, field) + " [" + std::to_string(j) + "]");
        }
        std::memcpy(at, &list, sizeof(list));
        break;
      }
    }
  }
}

Napi::Value describeOps(const Napi::CallbackInfo& info) {
  static const char* const kTypes[] = {"tensor", "float", "int", "ints"};
  static const char* const kRoles[] = {"in", "inOptional", "out", "outOptional", "inOut", "inOutOptional"};
  static const char* const kKinds[] = {"act", "acc", "weight", "index", "any", "cache"};
  const Napi::Env env = info.Env();
  Napi::Array ops = Napi::Array::New(env, kOpCount);
  for (int i = 0; i < kOpCount; ++i) {
    const OpSchema& schema = opSchema(static_cast<Op>(i));
    Napi::Object op = Napi::Object::New(env);
    op["name"] = schema.name;
    op["doc"] = schema.doc;
    Napi::Array fields = Napi::Array::New(env, schema.fields.size());
    for (size_t j = 0; j < schema.fields.size(); ++j) {
      const Field& field = schema.fields[j];
      Napi::Object entry = Napi::Object::New(env);
      entry["name"] = field.name;
      entry["type"] = kTypes[static_cast<int>(field.type)];
      entry["doc"] = field.doc;
      if (field.type == FieldType::Tensor) {
        entry["role"] = kRoles[static_cast<int>(field.role)];
        entry["kind"] = kKinds[static_cast<int>(field.kind)];
        entry["shape"] = field.shape;
      } else if (field.type != FieldType::Ints) {
        entry["default"] = field.defaultValue;
      }
      fields[static_cast<uint32_t>(j)] = entry;
    }
    op["fields"] = fields;
    ops[static_cast<uint32_t>(i)] = op;
  }
  return ops;
}

}  // namespace ibert::bindings

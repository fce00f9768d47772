// What the op table says, as data: for marshalling, shape checks, the TypeScript types and the support
// matrix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ops.h"

namespace ibert {

enum class FieldType { Tensor, Float, Int, Ints };
enum class Role { In, InOptional, Out, OutOptional, InOut, InOutOptional };
enum class Kind { Act, Acc, Weight, Index, Any, Cache };

struct Field {
  FieldType type;
  const char* name;
  size_t offset;  // into the op's struct
  const char* doc;
  // Tensors only:
  Role role;
  Kind kind;
  const char* shape;
  // Floats and ints only:
  double defaultValue;

  bool optional() const {
    return role == Role::InOptional || role == Role::OutOptional || role == Role::InOutOptional;
  }
};

struct OpSchema {
  Op op;
  const char* name;
  const char* doc;
  size_t bytes;  // sizeof the argument struct
  std::vector<Field> fields;
};

const OpSchema& opSchema(Op op);
// Op::kCount when no op has that name.
Op opByName(const std::string& name);
// A number that changes when any op, field, role, kind or shape changes: both sides of the ABI must agree on
// it.
uint64_t opTableHash();

// Throws std::invalid_argument that begins with the op's name and names the field, when a needed tensor is
// absent, a dtype is not of its kind, or shapes disagree. `planned` accepts tensors without memory (data ==
// null but rank > 0).
void checkArguments(Op op, const void* arguments, bool planned = false);

}  // namespace ibert

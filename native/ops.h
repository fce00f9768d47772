// The op table: every operation of ibert, once.
//
// From this list come the argument structs, the backends' dispatch, the N-API marshalling, the TypeScript
// types, the shape checks, the support matrix and the conformance suite (docs/adding-an-op.md).
//
// An op is a row in IBERT_OPS and a field list IBERT_FIELDS_<Struct>:
//   TENSOR(name, role, kind, shape, doc)   role: In InOptional Out OutOptional InOut InOutOptional
//                                          kind: Act     f64 f32 bf16: activations
//                                                Acc     f64 f32: sums, statistics, master weights
//                                                Weight  any dtype, row-major or packed
//                                                Index   i32
//                                                Any     any dtype
//                                                Cache   as Act, or q8_0 in blocks along the last dimension
//                                          shape: one word a dimension; a lone name binds it, the rest
//                                                 are expressions over bound names and INT fields; "*": any
//                                                 shape
//   FLOAT(name, default, doc)  INT(name, default, doc)  INTS(name, doc)
// All shapes are row-major. T counts the tokens of a packed batch and may be 0. Every Out is written whole.
// A row-major operand may be a view: it starts at a multiple of its element's size, of 2 bytes where it is in
// blocks, and is not aligned further. A packed weight starts where an allocation does.
#pragma once

#include <cstdint>

#include "tensor.h"

// clang-format off

#define IBERT_OPS(OP)                                                                                                  \
  OP(Embedding,          embedding,          "y[t] = table[ids[t]]. An id outside the table is an error.")             \
  OP(RmsNormForward,     rmsNormForward,     "y = x * rstd * weight, rstd = 1/sqrt(mean(x^2) + eps). (Zhang & Sennrich 2019)") \
  OP(RmsNormBackward,    rmsNormBackward,    "dx = dResidual + d(rmsNorm)/dx * dy, for a frozen weight.")              \
  OP(LoraLinearForward,  loraLinearForward,  "y = x W^T + bias + scale * (x A^T) B^T + residual, in one pass over x. (Hu et al. 2021) The rows of W are segments (q, k, v stacked, or gate, up): segment i ends before row segments[i] and uses columns [slots[i]*r, (slots[i]+1)*r) of x A^T, or no LoRA where slots[i] is -1. Row n of B belongs to row n of W.") \
  OP(LoraLinearBackward, loraLinearBackward, "dx = dy W + scale * (dy B) A; dLoraA += scale * (dy B)^T x; dLoraB += scale * dy^T (x A^T). Segments as in loraLinearForward.") \
  OP(RopeTable,          ropeTable,          "cosSin[t] = magnitude * [cos(p_t * f_i) for i < half | sin(the same)], f_i = frequencies[0][i] + frequencies[1][i]: two float32 numbers hold what long contexts need, on devices without float64 too. (Su et al. 2021)") \
  OP(Rope,               rope,               "Rotates the first `heads` heads of every row in place, half-split pairs (i, i + headDim/2), and multiplies the first `qHeads` of them by qScale[t]; inverse = 1 rotates back and multiplies, which is the gradient.") \
  OP(AttentionForward,   attentionForward,   "Causal grouped-query attention within each packed sequence [offsets[s], offsets[s+1]); rows of qkv are [q heads | k heads | v heads]. lse is the log-sum-exp of the scaled scores. (Dao et al. 2022)") \
  OP(AttentionBackward,  attentionBackward,  "Gradient of attentionForward with respect to qkv, from the saved lse.")  \
  OP(KvCacheWrite,       kvCacheWrite,       "Stores the k and v heads of row t in slot slots[t] = block * W + place of the paged cache; -1 stores nothing. Into q8_0, in float32: scale = f16(max |x| / 127) of each 32 values, codes = x / scale to nearest even within +-127; all codes are 0 where the scale is 0 or not finite, and a NaN makes it NaN.") \
  OP(PagedAttention,     pagedAttention,     "Attention of each query row to positions 0..rowPosition[t] of its sequence in the paged cache: position p lies in block blockTable[rowSequence[t]][p / W], place p mod W. (Kwon et al. 2023)") \
  OP(SwigluForward,      swigluForward,      "y = silu(gate) * up; the columns of gateUp are [gate | up]. (Shazeer 2020)") \
  OP(SwigluBackward,     swigluBackward,     "Gradient of swigluForward with respect to gateUp.")                      \
  OP(LinearCrossEntropy, linearCrossEntropy, "logprob[t] = (x[t] W^T)[targets[t]] - logsumexp(x[t] W^T), loss[t] = -tokenWeight[t] * logprob[t], both 0 where the target is -1; dx = gradScale * dloss/dx. A row of weight 0 counts as one without a target, but for its logprob. The logits are never whole in memory.") \
  OP(GradNorm,           gradNorm,           "norm = sqrt(sum(grad^2)), summed in a fixed order.")                     \
  OP(AdamW,              adamW,              "One step of decoupled Adam over a flat buffer of parameters. The gradient used is grad * gradScale * min(1, maxNorm / (norm * gradScale + 1e-6)); maxNorm <= 0 clips nothing. A norm that is not finite leaves everything as it was. (Loshchilov & Hutter 2019)") \
  OP(Sample,             sample,             "Draws one id a row, by the row's own settings: greedy (lowest id on a tie) at temperature 0, else by inverse transform of uniform[b] over the top-k, top-p renormalised softmax(logits / temperature) in descending order. Bit v of the mask says that id v is allowed. logprob is of softmax(logits) over the allowed ids.") \
  OP(GatherRows,         gatherRows,         "target[i] = source[rows[i]].")                                           \
  OP(Cast,               cast,               "target = source, in target's dtype; block formats are dequantised. Both row-major and of one shape.") \
  OP(PackWeight,         packWeight,         "Brings a row-major weight into the backend's packed order. packed has source's dtype, or bf16 or f32 to dequantise.")

#define IBERT_FIELDS_Embedding(TENSOR, FLOAT, INT, INTS)                                                               \
  TENSOR(ids,       In,            Index,  "T",   "token ids")                                                         \
  TENSOR(table,     In,            Weight, "V D", "")                                                                  \
  TENSOR(y,         Out,           Act,    "T D", "")

#define IBERT_FIELDS_RmsNormForward(TENSOR, FLOAT, INT, INTS)                                                          \
  TENSOR(x,         In,            Act,    "T D", "")                                                                  \
  TENSOR(weight,    In,            Acc,    "D",   "")                                                                  \
  TENSOR(y,         Out,           Act,    "T D", "")                                                                  \
  TENSOR(rstd,      OutOptional,   Acc,    "T",   "kept for the backward pass")                                        \
  FLOAT(eps, 1e-5, "")

#define IBERT_FIELDS_RmsNormBackward(TENSOR, FLOAT, INT, INTS)                                                         \
  TENSOR(dy,        In,            Act,    "T D", "")                                                                  \
  TENSOR(x,         In,            Act,    "T D", "")                                                                  \
  TENSOR(weight,    In,            Acc,    "D",   "")                                                                  \
  TENSOR(rstd,      In,            Acc,    "T",   "")                                                                  \
  TENSOR(dResidual, InOptional,    Act,    "T D", "gradient that reached x by the residual stream; may be dx itself")  \
  TENSOR(dx,        Out,           Act,    "T D", "")

#define IBERT_FIELDS_LoraLinearForward(TENSOR, FLOAT, INT, INTS)                                                       \
  TENSOR(x,         In,            Act,    "T K", "")                                                                  \
  TENSOR(weight,    In,            Weight, "N K", "")                                                                  \
  TENSOR(loraA,     InOptional,    Act,    "P R K", "P adapters; R = r * the number of slots. Absent: a plain linear") \
  TENSOR(loraB,     InOptional,    Act,    "P N r", "")                                                                \
  TENSOR(adapterOfRow, InOptional, Index,  "T",   "adapter of each row, -1 for none; absent: adapter 0 for all")       \
  TENSOR(bias,      InOptional,    Acc,    "N",   "added to every row (Qwen2's q, k, v); frozen")                      \
  TENSOR(residual,  InOptional,    Act,    "T N", "added to the result; may be y itself")                              \
  TENSOR(y,         Out,           Act,    "T N", "")                                                                  \
  TENSOR(xa,        OutOptional,   Act,    "T R", "x A^T, kept for the backward pass (P = 1)")                         \
  INTS(segments, "ends of the row segments of W, the last is N; empty: one segment")                                   \
  INTS(slots,    "LoRA slot of each segment or -1; empty: slot 0 for one segment")                                     \
  FLOAT(scale, 1.0, "alpha / r")

#define IBERT_FIELDS_LoraLinearBackward(TENSOR, FLOAT, INT, INTS)                                                      \
  TENSOR(dy,        In,            Act,    "T N", "")                                                                  \
  TENSOR(weight,    In,            Weight, "N K", "")                                                                  \
  TENSOR(x,         InOptional,    Act,    "T K", "needed for dLoraA")                                                 \
  TENSOR(xa,        InOptional,    Act,    "T R", "needed for dLoraB")                                                 \
  TENSOR(loraA,     InOptional,    Acc,    "1 R K", "")                                                                \
  TENSOR(loraB,     InOptional,    Acc,    "1 N r", "")                                                                \
  TENSOR(dx,        OutOptional,   Act,    "T K", "absent where nothing below needs it")                               \
  TENSOR(dLoraA,    InOutOptional, Acc,    "R K", "added to")                                                          \
  TENSOR(dLoraB,    InOutOptional, Acc,    "N r", "added to")                                                          \
  INTS(segments, "as in loraLinearForward")                                                                            \
  INTS(slots,    "as in loraLinearForward")                                                                            \
  FLOAT(scale, 1.0, "alpha / r")

#define IBERT_FIELDS_RopeTable(TENSOR, FLOAT, INT, INTS)                                                               \
  TENSOR(positions, In,            Index,  "T",   "")                                                                  \
  TENSOR(frequencies, In,          Acc,    "2 half", "radians a position: the rounded value, and what the rounding lost")\
  TENSOR(cosSin,    Out,           Acc,    "T 2*half", "")                                                             \
  FLOAT(magnitude, 1.0, "YaRN's attention factor (Peng et al. 2023)")

#define IBERT_FIELDS_Rope(TENSOR, FLOAT, INT, INTS)                                                                    \
  TENSOR(x,         InOut,         Act,    "T C", "C >= heads * headDim")                                              \
  TENSOR(cosSin,    In,            Acc,    "T headDim", "")                                                            \
  TENSOR(qScale,    InOptional,    Acc,    "T",   "factor of a row's q heads, as Ministral 3 has it")                  \
  INT(heads, 0, "leading heads to rotate: q and k")                                                                    \
  INT(headDim, 0, "")                                                                                                  \
  INT(inverse, 0, "")                                                                                                  \
  INT(qHeads, 0, "leading heads that qScale multiplies")

#define IBERT_FIELDS_AttentionForward(TENSOR, FLOAT, INT, INTS)                                                        \
  TENSOR(qkv,       In,            Act,    "T (heads+2*kvHeads)*headDim", "")                                          \
  TENSOR(offsets,   In,            Index,  "S",   "sequence starts and, last, T; ascending")                           \
  TENSOR(y,         Out,           Act,    "T heads*headDim", "")                                                      \
  TENSOR(lse,       Out,           Acc,    "T heads", "")                                                              \
  INT(heads, 0, "a multiple of kvHeads")                                                                               \
  INT(kvHeads, 0, "")                                                                                                  \
  INT(headDim, 0, "")                                                                                                  \
  FLOAT(scale, 1.0, "1/sqrt(headDim)")

#define IBERT_FIELDS_AttentionBackward(TENSOR, FLOAT, INT, INTS)                                                       \
  TENSOR(dy,        In,            Act,    "T heads*headDim", "")                                                      \
  TENSOR(qkv,       In,            Act,    "T (heads+2*kvHeads)*headDim", "")                                          \
  TENSOR(y,         In,            Act,    "T heads*headDim", "")                                                      \
  TENSOR(lse,       In,            Acc,    "T heads", "")                                                              \
  TENSOR(offsets,   In,            Index,  "S",   "")                                                                  \
  TENSOR(dqkv,      Out,           Act,    "T (heads+2*kvHeads)*headDim", "")                                          \
  INT(heads, 0, "")                                                                                                    \
  INT(kvHeads, 0, "")                                                                                                  \
  INT(headDim, 0, "")                                                                                                  \
  FLOAT(scale, 1.0, "")

#define IBERT_FIELDS_KvCacheWrite(TENSOR, FLOAT, INT, INTS)                                                            \
  TENSOR(qkv,       In,            Act,    "T (heads+2*kvHeads)*headDim", "")                                          \
  TENSOR(slots,     In,            Index,  "T",   "")                                                                  \
  TENSOR(kCache,    InOut,         Cache,  "B kvHeads W headDim", "q8_0: both or neither")                                                  \
  TENSOR(vCache,    InOut,         Cache,  "B kvHeads W headDim", "")                                                  \
  INT(heads, 0, "")                                                                                                    \
  INT(kvHeads, 0, "")                                                                                                  \
  INT(headDim, 0, "")

#define IBERT_FIELDS_PagedAttention(TENSOR, FLOAT, INT, INTS)                                                          \
  TENSOR(qkv,         In,          Act,    "T (heads+2*kvHeads)*headDim", "only the q heads are read")                 \
  TENSOR(kCache,      In,          Cache,  "B kvHeads W headDim", "q8_0: both or neither")                                                  \
  TENSOR(vCache,      In,          Cache,  "B kvHeads W headDim", "")                                                  \
  TENSOR(blockTable,  In,          Index,  "S M", "")                                                                  \
  TENSOR(rowSequence, In,          Index,  "T",   "")                                                                  \
  TENSOR(rowPosition, In,          Index,  "T",   "")                                                                  \
  TENSOR(y,           Out,         Act,    "T heads*headDim", "")                                                      \
  INT(heads, 0, "")                                                                                                    \
  INT(kvHeads, 0, "")                                                                                                  \
  INT(headDim, 0, "")                                                                                                  \
  FLOAT(scale, 1.0, "1/sqrt(headDim)")

#define IBERT_FIELDS_SwigluForward(TENSOR, FLOAT, INT, INTS)                                                           \
  TENSOR(gateUp,    In,            Act,    "T 2*F", "")                                                                \
  TENSOR(y,         Out,           Act,    "T F", "")

#define IBERT_FIELDS_SwigluBackward(TENSOR, FLOAT, INT, INTS)                                                          \
  TENSOR(dy,        In,            Act,    "T F", "")                                                                  \
  TENSOR(gateUp,    In,            Act,    "T 2*F", "")                                                                \
  TENSOR(dGateUp,   Out,           Act,    "T 2*F", "may be gateUp itself")

#define IBERT_FIELDS_LinearCrossEntropy(TENSOR, FLOAT, INT, INTS)                                                      \
  TENSOR(x,         In,            Act,    "T D", "")                                                                  \
  TENSOR(weight,    In,            Weight, "V D", "")                                                                  \
  TENSOR(targets,   In,            Index,  "T",   "-1: not supervised")                                                \
  TENSOR(tokenWeight, InOptional,  Acc,    "T",   "finite, of any sign; absent: 1")                                    \
  TENSOR(loss,      Out,           Acc,    "T",   "")                                                                  \
  TENSOR(dx,        OutOptional,   Act,    "T D", "0 in rows that are not supervised")                                 \
  TENSOR(logprob,   OutOptional,   Acc,    "T",   "")                                                                  \
  FLOAT(gradScale, 1.0, "")

#define IBERT_FIELDS_GradNorm(TENSOR, FLOAT, INT, INTS)                                                                \
  TENSOR(grad,      In,            Acc,    "P",   "")                                                                  \
  TENSOR(norm,      Out,           Acc,    "1",   "")

#define IBERT_FIELDS_AdamW(TENSOR, FLOAT, INT, INTS)                                                                   \
  TENSOR(param,     InOut,         Acc,    "P",   "")                                                                  \
  TENSOR(grad,      In,            Acc,    "P",   "")                                                                  \
  TENSOR(m,         InOut,         Acc,    "P",   "first moment")                                                      \
  TENSOR(v,         InOut,         Acc,    "P",   "second moment")                                                     \
  TENSOR(norm,      In,            Acc,    "1",   "of the unscaled gradient, from gradNorm")                           \
  FLOAT(lr, 0.0, "")                                                                                                   \
  FLOAT(beta1, 0.9, "")                                                                                                \
  FLOAT(beta2, 0.999, "")                                                                                              \
  FLOAT(eps, 1e-8, "")                                                                                                 \
  FLOAT(weightDecay, 0.0, "")                                                                                          \
  FLOAT(maxNorm, 0.0, "")                                                                                              \
  FLOAT(gradScale, 1.0, "1 / supervised tokens of the step")                                                           \
  INT(step, 1, "counts from 1")

#define IBERT_FIELDS_Sample(TENSOR, FLOAT, INT, INTS)                                                                  \
  TENSOR(logits,    In,            Acc,    "B V", "")                                                                  \
  TENSOR(mask,      InOptional,    Index,  "B words", "words = ceil(V / 32)")                                          \
  TENSOR(uniform,   InOptional,    Acc,    "B",   "in [0, 1); needed at a temperature above 0")                        \
  TENSOR(temperature, InOptional,  Acc,    "B",   "finite, 0 or above; absent: 0")                                     \
  TENSOR(topP,      InOptional,    Acc,    "B",   "in [0, 1]; absent: 1")                                              \
  TENSOR(topK,      InOptional,    Index,  "B",   "0: no limit; absent: 0")                                            \
  TENSOR(ids,       Out,           Index,  "B",   "")                                                                  \
  TENSOR(logprob,   OutOptional,   Acc,    "B",   "")

#define IBERT_FIELDS_GatherRows(TENSOR, FLOAT, INT, INTS)                                                              \
  TENSOR(source,    In,            Act,    "N D", "")                                                                  \
  TENSOR(rows,      In,            Index,  "T",   "")                                                                  \
  TENSOR(target,    Out,           Act,    "T D", "")

#define IBERT_FIELDS_Cast(TENSOR, FLOAT, INT, INTS)                                                                    \
  TENSOR(source,    In,            Any,    "*",   "")                                                                  \
  TENSOR(target,    Out,           Any,    "*",   "")

#define IBERT_FIELDS_PackWeight(TENSOR, FLOAT, INT, INTS)                                                              \
  TENSOR(source,    In,            Weight, "N K", "row-major")                                                         \
  TENSOR(packed,    Out,           Weight, "N K", "packed")

// clang-format on

namespace ibert {

// An op of at most this many rows (T) is a step of generation: each row gets the bits that it would get
// alone, whatever rows go with it and wherever its operands lie. So a text does not feel its neighbours in a
// batch, and speculative decoding, which checks several guesses at once, says what plain decoding would have
// said. A row among more may get other bits, but they do not depend on T: a prompt whose beginning was kept
// is computed with fewer rows than the whole. `ibert-kernels rows` holds a backend to both.
constexpr int64_t kExactRows = 16;

#define IBERT_DECLARE_TENSOR(name, role, kind, shape, doc) Tensor name;
#define IBERT_DECLARE_FLOAT(name, value, doc) double name;
#define IBERT_DECLARE_INT(name, value, doc) int64_t name;
#define IBERT_DECLARE_INTS(name, doc) Ints name;
#define IBERT_DECLARE_OP(Struct, name, doc)                                                                 \
  struct Struct {                                                                                           \
    IBERT_FIELDS_##Struct(IBERT_DECLARE_TENSOR, IBERT_DECLARE_FLOAT, IBERT_DECLARE_INT, IBERT_DECLARE_INTS) \
  };
IBERT_OPS(IBERT_DECLARE_OP)
#undef IBERT_DECLARE_OP
#undef IBERT_DECLARE_INTS
#undef IBERT_DECLARE_INT
#undef IBERT_DECLARE_FLOAT
#undef IBERT_DECLARE_TENSOR

// Op numbers follow the order of the table.
enum class Op : int32_t {
#define IBERT_ENUM_OP(Struct, name, doc) name,
  IBERT_OPS(IBERT_ENUM_OP)
#undef IBERT_ENUM_OP
      kCount
};

constexpr int kOpCount = static_cast<int>(Op::kCount);

// Op number of an argument struct: opOf<Rope>() == Op::rope.
template <class Struct>
constexpr Op opOf();
#define IBERT_OP_OF(Struct, name, doc) \
  template <>                          \
  constexpr Op opOf<Struct>() {        \
    return Op::name;                   \
  }
IBERT_OPS(IBERT_OP_OF)
#undef IBERT_OP_OF

}  // namespace ibert

// Cases of kvCacheWrite and pagedAttention.
#include <algorithm>
#include <cmath>

#include "cases.h"

namespace ibert::tools {

namespace {

struct Cache {
  int64_t heads, kvHeads, headDim;
  int64_t blocks, places;  // B, W

  int64_t columns() const { return (heads + 2 * kvHeads) * headDim; }
};

std::string labelOf(DType act, DType cache, const Cache& at, int64_t T) {
  return named(act, {T, at.columns()}) + ", cache " +
         named(cache, {at.blocks, at.kvHeads, at.places, at.headDim});
}

std::vector<int32_t> shuffled(Maker& make, int64_t count) {
  std::vector<int32_t> list(count);
  for (int64_t i = 0; i < count; ++i) list[i] = static_cast<int32_t>(i);
  for (int64_t i = count - 1; i > 0; --i) std::swap(list[i], list[make.random.integer(0, i + 1)]);
  return list;
}

KvCacheWrite writeArguments(Maker& make, DType act, DType cache, const Cache& at,
                            const std::vector<int32_t>& slots) {
  const auto T = static_cast<int64_t>(slots.size());
  KvCacheWrite args{};
  args.qkv = make.normal(act, {T, at.columns()});
  args.slots = make.integers({T}, slots);
  args.kCache = make.normal(cache, {at.blocks, at.kvHeads, at.places, at.headDim});
  args.vCache = make.normal(cache, {at.blocks, at.kvHeads, at.places, at.headDim});
  args.heads = at.heads;
  args.kvHeads = at.kvHeads;
  args.headDim = at.headDim;
  return args;
}

// Every third row is stored nowhere, the others in distinct slots. Storing is at most one rounding.
void writeCase(CaseList& list, DType act, DType cache, Cache at, int64_t T) {
  list.push_back({Op::kvCacheWrite, labelOf(act, cache, at, T), [=](Maker& make) {
                    std::vector<int32_t> slots = shuffled(make, at.blocks * at.places);
                    slots.resize(T);
                    for (int64_t t = 2; t < T; t += 3) slots[t] = -1;
                    make.arguments(writeArguments(make, act, cache, at, slots));
                    make.bound("kCache", kExact);
                    make.bound("vCache", kExact);
                  }});
}

// Many rows in few slots: of those that share one the last stays.
void sharedSlotsCase(CaseList& list, DType act, DType cache, Cache at, int64_t T) {
  list.push_back({Op::kvCacheWrite, "shared slots, " + labelOf(act, cache, at, T), [=](Maker& make) {
                    std::vector<int32_t> slots(T);
                    for (int32_t& slot : slots)
                      slot = static_cast<int32_t>(make.random.integer(0, at.blocks * at.places + 1)) - 1;
                    make.arguments(writeArguments(make, act, cache, at, slots));
                    make.bound("kCache", kExact);
                    make.bound("vCache", kExact);
                  }});
}

PagedAttention attentionArguments(Maker& make, DType act, DType cache, const Cache& at,
                                  const std::vector<int32_t>& lengths, int64_t T) {
  const auto S = static_cast<int64_t>(lengths.size());
  const int64_t M = (*std::max_element(lengths.begin(), lengths.end()) + at.places - 1) / at.places + 1;
  // Sequences share no block, their blocks lie in random order, and the rest of a table row is -1: never to
  // be read.
  std::vector<int32_t> free = shuffled(make, at.blocks), table(S * M, -1), sequence(T), position(T);
  for (int64_t s = 0; s < S; ++s) {
    for (int64_t m = 0; m * at.places < lengths[s]; ++m) {
      table[s * M + m] = free.back();
      free.pop_back();
    }
  }
  for (int64_t t = 0; t < T; ++t) {
    sequence[t] = static_cast<int32_t>(t % S);
    // The first round of rows are the newest tokens, the others lie anywhere before.
    position[t] = static_cast<int32_t>(t < S ? lengths[t] - 1 : make.random.integer(0, lengths[t % S]));
  }
  PagedAttention args{};
  args.qkv = make.normal(act, {T, at.columns()});
  args.kCache = make.normal(cache, {at.blocks, at.kvHeads, at.places, at.headDim});
  args.vCache = make.normal(cache, {at.blocks, at.kvHeads, at.places, at.headDim});
  args.blockTable = make.integers({S, M}, table);
  args.rowSequence = make.integers({T}, sequence);
  args.rowPosition = make.integers({T}, position);
  args.y = make.empty(act, {T, at.heads * at.headDim});
  args.heads = at.heads;
  args.kvHeads = at.kvHeads;
  args.headDim = at.headDim;
  args.scale = 1 / std::sqrt(static_cast<double>(at.headDim));
  return args;
}

void attentionCase(CaseList& list, DType act, DType cache, Cache at, const std::vector<int32_t>& lengths,
                   int64_t T) {
  list.push_back({Op::pagedAttention, labelOf(act, cache, at, T), [=](Maker& make) {
                    make.arguments(attentionArguments(make, act, cache, at, lengths, T));
                  }});
}

// Chunks of a prompt: for each sequence `rows` consecutive tokens, of which the first is at `first`.
struct Chunk {
  int32_t first, rows;
};

void prefillCase(CaseList& list, DType act, DType cache, Cache at, const std::vector<Chunk>& chunks) {
  std::vector<int32_t> lengths;
  int64_t T = 0;
  for (const Chunk& chunk : chunks) {
    lengths.push_back(chunk.first + chunk.rows);
    T += chunk.rows;
  }
  list.push_back({Op::pagedAttention, "prefill, " + labelOf(act, cache, at, T), [=](Maker& make) {
                    const PagedAttention args = attentionArguments(make, act, cache, at, lengths, T);
                    int64_t t = 0;
                    for (size_t s = 0; s < chunks.size(); ++s) {
                      for (int32_t i = 0; i < chunks[s].rows; ++i, ++t) {
                        args.rowSequence.as<int32_t>()[t] = static_cast<int32_t>(s);
                        args.rowPosition.as<int32_t>()[t] = chunks[s].first + i;
                      }
                    }
                    // Products of bf16 units round what q8_0 means to bf16.
                    if (act == DType::BF16 && cache == DType::Q8_0) make.bound("y", kOperands16);
                    make.arguments(args);
                  }});
}

}  // namespace

void addPagedCases(CaseList& list) {
  for (const DType act : kActivations) {
    writeCase(list, act, act, {1, 1, 16, 1, 1}, 1);
    writeCase(list, act, act, {9, 3, 64, 9, 16}, 65);
    writeCase(list, act, act, {8, 2, 128, 5, 7}, 31);
    writeCase(list, act, DType::BF16, {4, 4, 32, 3, 32}, 33);
    writeCase(list, act, DType::F32, {2, 1, 64, 3, 16}, 17);
    writeCase(list, act, DType::BF16, {2, 1, 192, 3, 16}, 16);
    writeCase(list, act, DType::Q8_0, {2, 1, 256, 3, 16}, 17);
    for (const DType cache : {DType::F32, DType::BF16, DType::Q8_0}) {
      for (const int64_t headDim : {192, 256}) {
        attentionCase(list, act, cache, {4, 2, headDim, 8, 16}, {64, 33}, kExactRows + 1);
      }
      // Ends of blocks, steps of kExactRows rows and one more.
      attentionCase(list, act, cache, {4, 2, 64, 60, 16}, {15, 16, 17, 31, 32, 33, 127, 128, 129},
                    kExactRows);
      attentionCase(list, act, cache, {4, 2, 64, 60, 16}, {15, 16, 17, 31, 32, 33, 127, 128, 129},
                    kExactRows + 1);
      attentionCase(list, act, cache, {2, 1, 64, 200, 16}, {511, 512, 513, 1023, 25}, 5);
    }
    attentionCase(list, act, act, {1, 1, 16, 2, 1}, {1}, 1);
    attentionCase(list, act, act, {9, 3, 64, 40, 16}, {1, 2, 16, 17, 257}, 5);
    attentionCase(list, act, act, {8, 2, 128, 20, 7}, {33, 65}, 31);
    attentionCase(list, act, DType::BF16, {4, 1, 32, 9, 32}, {127, 31, 5}, 9);
    attentionCase(list, act, act, {9, 3, 64, 150, 16}, {1500, 700, 3},
                  4);  // long enough to be cut into pieces
    prefillCase(list, act, act, {9, 3, 64, 30, 16}, {{0, 130}, {100, 33}, {7, 1}});
    prefillCase(list, act, DType::BF16, {2, 2, 128, 90, 16}, {{1100, 9}, {0, 2}});
    writeCase(list, act, DType::Q8_0, {9, 3, 64, 9, 16}, 65);
    writeCase(list, act, DType::Q8_0, {4, 1, 32, 3, 5}, 7);
    attentionCase(list, act, DType::Q8_0, {9, 3, 64, 150, 16}, {1500, 700, 3}, 4);
    attentionCase(list, act, DType::Q8_0, {8, 2, 128, 20, 7}, {33, 65}, 31);
    attentionCase(list, act, DType::Q8_0, {5, 1, 96, 9, 16}, {70, 1}, 2);
    prefillCase(list, act, DType::Q8_0, {9, 3, 64, 30, 16}, {{0, 130}, {100, 33}, {7, 1}});
    prefillCase(list, act, DType::Q8_0, {8, 2, 64, 120, 16}, {{1090, 9}, {505, 5}, {17, 2}});
    // Guesses of speculative decoding, checked together.
    prefillCase(list, act, act, {16, 8, 64, 120, 16}, {{1090, 9}, {505, 5}, {17, 2}});
  }
  for (const DType cache : {DType::BF16, DType::Q8_0}) {
    const DType act = DType::BF16;
    sharedSlotsCase(list, act, cache, {2, 1, 64, 3, 16}, 33);
    sharedSlotsCase(list, act, cache, {1, 1, 32, 40, 8}, 523);  // several rows a block
    // Chunks of 256 positions: their ends, the first position, blocks of all sizes.
    attentionCase(list, act, cache, {4, 2, 128, 48, 32}, {255, 256, 257, 1, 513}, 5);
    attentionCase(list, act, cache, {2, 2, 64, 330, 1}, {257, 64, 1}, 4);
    attentionCase(list, act, cache, {2, 1, 128, 6, 300}, {600, 299, 301}, 4);
    // Groups of more heads than eight and than sixteen.
    attentionCase(list, act, cache, {12, 1, 64, 24, 16}, {260, 17}, 2);
    attentionCase(list, act, cache, {20, 1, 128, 22, 16}, {260, 17}, 3);
  }
  // So many rows and heads that chunks follow each other in a block, which fewer rows spread over several.
  prefillCase(list, DType::BF16, DType::BF16, {32, 16, 64, 24, 16}, {{250, 16}, {30, 16}, {0, 1}});
  prefillCase(list, DType::BF16, DType::Q8_0, {16, 16, 128, 24, 16}, {{250, 16}, {0, 17}});
  // Scales of zero, below the normal numbers, at the largest, and too large; a value that is infinite or
  // none.
  list.push_back(
      {Op::kvCacheWrite, "q8_0 of values at the ends of the range", [](Maker& make) {
         const std::vector<double> sizes = {0, 1e-30, 3e-6, 1e-4, 1, 8e6, 9e6, 1e30, HUGE_VAL, std::nan("")};
         std::vector<int32_t> slots;
         for (size_t t = 0; t < sizes.size(); ++t) slots.push_back(static_cast<int32_t>(t));
         const KvCacheWrite args = writeArguments(make, DType::F32, DType::Q8_0, {1, 1, 32, 2, 8}, slots);
         auto* row = args.qkv.as<float>();
         for (const double size : sizes) {
           for (int i = 0; i < 96; ++i) row[i] *= std::isfinite(size) ? static_cast<float>(size) : 1.0f;
           if (!std::isfinite(size)) row[40] = row[95] = static_cast<float>(size);
           row += 96;
         }
         make.arguments(args);
       }});
  const Cache small{2, 1, 64, 4, 8};
  const DType bf16 = DType::BF16;
  list.push_back({Op::kvCacheWrite, "slot 32 of 32", [=](Maker& make) {
                    make.arguments(writeArguments(make, bf16, bf16, small, {31, 32}));
                    make.mustFail("32");
                  }});
  list.push_back({Op::pagedAttention, "a block outside the cache", [=](Maker& make) {
                    const PagedAttention args = attentionArguments(make, bf16, bf16, small, {20}, 3);
                    args.blockTable.as<int32_t>()[1] = 4;
                    make.arguments(args);
                    make.mustFail("4");
                  }});
  list.push_back({Op::pagedAttention, "a position that has no block", [=](Maker& make) {
                    const PagedAttention args = attentionArguments(make, bf16, bf16, small, {20}, 3);
                    args.rowPosition.as<int32_t>()[2] = 32;
                    make.arguments(args);
                    make.mustFail("32");
                  }});
}

}  // namespace ibert::tools

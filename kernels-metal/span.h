// Which keys a token sees.
#pragma once

#include "grid.h"

// The packed sequence [begin, end) of token t. Whatever offsets hold, begin <= t < end <= T.
struct Span {
  int64_t begin, end;
};
inline Span sequenceOf(const device int32_t* offsets, int64_t count, int64_t t, int64_t T) {
  Span span = {0, T};
  for (int64_t s = 0; s < count; ++s) {
    const int64_t at = offsets[s];
    if (at <= t && at > span.begin) span.begin = at;
    if (at > t && at < span.end) span.end = at;
  }
  return span;
}

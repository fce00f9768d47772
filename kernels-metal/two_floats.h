// A number as the sum of two float32, of 48 bits, since Metal has no float64. (Dekker 1971)
#pragma once

struct Two {
  float high, low;
};
inline Two sumOf(float a, float b) {
  const float sum = a + b, part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}
inline Two productOf(float a, float b) {
  const float product = a * b;
  return {product, metal::fma(a, b, -product)};
}
inline Two times(Two a, Two b) {
  const Two product = productOf(a.high, b.high);
  return sumOf(product.high, product.low + (a.high * b.low + a.low * b.high));
}
inline Two plus(Two a, Two b) {
  const Two sum = sumOf(a.high, b.high);
  return sumOf(sum.high, sum.low + (a.low + b.low));
}

// The elementary functions of docs/numerics.md, a register at a time. The same operations in the same order as
// ElementaryFunctions.java, where the coefficients are explained: each is rounded once, and fma is one rounding.

typedef int32_t words __attribute__((vector_size(4 * LANES)));
typedef uint32_t bits __attribute__((vector_size(4 * LANES)));

enum { PARTIALS = 16, PARTIAL_REGISTERS = PARTIALS / LANES };

INLINE floats either(words condition, floats yes, floats no) {
  return (floats)((condition & (words)yes) | (~condition & (words)no));
}

INLINE floats negated(floats x) { return (floats)((bits)x ^ 0x80000000u); }

INLINE floats magnitude(floats x) { return (floats)((bits)x & 0x7fffffffu); }

// Not beyond 89 and -104, where it is infinite or 0. Not a number stays what it is.
INLINE floats exp_of(floats x) {
  const floats c = larger(all(-104.0f), smaller(all(89.0f), x));
  const floats rounded = fma_floats(c, all(0x1.715476p+0f), all(0x1.8p+23f));
  const floats n = rounded - all(0x1.8p+23f);
  const floats r = fma_floats(n, all(0x1.05c61p-29f), fma_floats(n, all(-0x1.62e43p-1f), c));
  floats p = fma_floats(all(0x1.6d113cp-10f), r, all(0x1.120ba2p-7f));
  p = fma_floats(p, r, all(0x1.55551ap-5f));
  p = fma_floats(p, r, all(0x1.5554dcp-3f));
  p = fma_floats(p, r, all(0.5f));
  p = fma_floats(p, r, all(1.0f));
  p = fma_floats(p, r, all(1.0f));
  const words exponent = (words)((bits)rounded - 0x4b400000u), half = exponent >> 1;
  const floats power = (floats)(((bits)half + 127) << 23), rest = (floats)(((bits)(exponent - half) + 127) << 23);
  return p * power * rest;
}

INLINE floats sigmoid_of(floats x) { return all(1.0f) / (all(1.0f) + exp_of(negated(x))); }

INLINE floats tanh_of(floats x) {
  const floats size = magnitude(x), s = x * x;
  floats p = fma_floats(all(-0x1.8f8de4p-8f), s, all(0x1.58048ep-6f));
  p = fma_floats(p, s, all(-0x1.b9258ap-5f));
  p = fma_floats(p, s, all(0x1.110e1cp-3f));
  p = fma_floats(p, s, all(-0x1.555552p-2f));
  const floats small = fma_floats(x, s * p, x);
  const floats positive = all(1.0f) - all(2.0f) / (exp_of(all(2.0f) * size) + all(1.0f));
  const floats large = (floats)((bits)magnitude(positive) | ((bits)x & 0x80000000u));
  return either(size < all(0.625f), small, large);
}

INLINE floats soft_cap_of(floats cap, floats x) { return cap * tanh_of(x / cap); }

// What GELU takes the sigmoid of.
INLINE floats gelu_argument_of(floats x) {
  return all(0x1.988454p+0f) * fma_floats(all(0.044715f), x * x * x, x);
}

// 16 partial sums added by halves: 8, 4, 2, 1.
INLINE float sum_by_halves(const floats *partials) {
  float sums[PARTIALS];
  UNROLL for (int i = 0; i < PARTIAL_REGISTERS; i++) store(sums + i * LANES, partials[i]);
  for (int half = PARTIALS / 2; half > 0; half /= 2)
    for (int k = 0; k < half; k++) sums[k] += sums[k + half];
  return sums[0];
}

INLINE float largest_of(const floats *partials) {
  float numbers[PARTIALS];
  UNROLL for (int i = 0; i < PARTIAL_REGISTERS; i++) store(numbers + i * LANES, partials[i]);
  float largest = numbers[0];
  for (int k = 1; k < PARTIALS; k++) largest = numbers[k] > largest ? numbers[k] : largest;
  return largest;
}

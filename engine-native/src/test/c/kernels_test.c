// Holds every tier that this processor has against plain loops, in buffers of exactly the size that each function may touch.
// Run under AddressSanitizer and UndefinedBehaviorSanitizer, plainly, and under an emulator, by KernelProgramsTest. Prints a
// line per tier.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "tokenlog.h"

static uint64_t state;

static uint32_t random_bits(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return state >> 32;
}

static int below(int limit) { return random_bits() % limit; }

static float number(void) { return ((int32_t)random_bits() >> 8) * (below(8) ? 1e-6f : 1e-3f); }

// The F16 numbers (1 + fraction / 1024) * 2^-6 and their negatives.
static uint16_t half(void) { return (uint16_t)(below(2) << 15 | 9 << 10 | below(1024)); }

static float widen(uint16_t half) {
  const float magnitude = ldexpf(1 + (half & 1023) / 1024.0f, -6);
  return half >> 15 ? -magnitude : magnitude;
}

static int fraction(double f) { return lrint(32767 * f); }

// Codes by name, so that one without a reference here is noticed.
static int weight(const char *code, const uint8_t *row, int column, int columns, int zero) {
  if (!strcmp(code, "int8")) return (int8_t)row[column];
  if (!strcmp(code, "int4")) return (row[column / 2] >> column % 2 * 4 & 15) - 8;
  if (!strcmp(code, "int2")) return (row[column / 4] >> column % 4 * 2 & 3) - 2;
  if (!strcmp(code, "uint8")) return row[column] - zero;
  if (!strcmp(code, "uint4")) return (row[column / 2] >> column % 2 * 4 & 15) - zero;
  if (!strcmp(code, "uint2")) return (row[column / 4] >> column % 4 * 2 & 3) - zero;
  if (!strcmp(code, "ternary")) {
    int rest = row[column / 5];
    for (int i = 0; i < column % 5; i++) rest /= 3;
    return rest % 3 - 1;
  }
  if (!strcmp(code, "qins4")) {
    const int table[] = {127, -110, 99, -85, 77, -66, 59, -50, 44, -36, 31, -23, 19, -12, 8, -2};
    return table[row[column / 2] >> column % 2 * 4 & 15];
  }
  if (!strcmp(code, "fp4")) {
    const int bits = row[column / 2] >> column % 2 * 4 & 15, exponent = bits >> 1 & 3, mantissa = bits & 1;
    return (bits & 8 ? -1 : 1) * (exponent ? (2 + mantissa) << (exponent - 1) : mantissa);
  }
  if (!strcmp(code, "int1")) return (row[column / 8] >> column % 8 & 1) * 2 - 1;
  const int magnitude = row[column] % 128, sign = row[column] < 128 ? 1 : -1;
  if (!strcmp(code, "qins8-log")) return sign * fraction(exp(-log(64) * magnitude / 127));
  if (!strcmp(code, "qins8-inv")) return sign * (magnitude ? fraction(1.0 / magnitude) : 0);
  if (!strcmp(code, "qins8-proj")) {
    const double z = (1 + 0.75 * magnitude / 127) / 1.75;
    return sign * fraction((1 - z) / (0.75 * z));
  }
  if (!strcmp(code, "qins9-log"))
    return (row[columns + column / 8] >> column % 8 & 1 ? -1 : 1) * fraction(exp(-log(128) * row[column] / 255));
  printf("no reference for %s\n", code);
  exit(1);
}

static size_t stored_row(const char *code, int columns) {
  if (!strcmp(code, "qins9-log")) return columns + (columns + 7) / 8;
  if (!strcmp(code, "ternary")) return (columns + 4) / 5;
  if (!strcmp(code, "int4") || !strcmp(code, "uint4") || !strcmp(code, "qins4") || !strcmp(code, "fp4")) return (columns + 1) / 2;
  if (!strcmp(code, "int2") || !strcmp(code, "uint2")) return (columns + 3) / 4;
  return strcmp(code, "int1") ? columns : (columns + 7) / 8;
}

static void fail(const char *what, int tier, int a, int b, int c, int d) {
  printf("%s %s: %d %d %d %d\n", tokenlog_tier_name(tier), what, a, b, c, d);
  exit(1);
}

// One quantization, checked, and one product, checked.
static void compare(int tier, int code, int columns, int rows, int tokens, int group_size, int largest) {
  const int blocks = (columns + 31) / 32, groups = (columns + group_size - 1) / group_size, narrow = largest == 127;
  const char *name = tokenlog_code_name(code);
  const size_t row_bytes = stored_row(name, columns);

  float *x = memory(sizeof(float) * tokens * columns), *scales = memory(sizeof(float) * tokens * blocks);
  int16_t *codes = memory(2 * 32 * tokens * blocks);
  const int bits = narrow ? 8 : 16, code_bytes = 4 * bits, block_bytes = 4 * (code_bytes + 8);
  uint8_t *panels = memory(tokenlog_panel_bytes(bits, columns, tokens));
  for (int i = 0; i < tokens * columns; i++) x[i] = number();
  x[below(tokens * columns)] = 0;
  if (!below(4)) x[below(tokens * columns)] = below(2) ? NAN : -INFINITY;
  for (int t = 0; t < tokens; t++)
    tokenlog_quantize(tier, x, (int64_t)t * columns, columns, largest, t, codes, scales, panels);
  for (int i = 0; i < tokens * blocks; i++) {
    const int t = i / blocks, from = i % blocks * 32, to = from + 32 < columns ? from + 32 : columns;
    const uint8_t *block = panels + (t / 4 * blocks + i % blocks) * (size_t)block_bytes, *behind = block + 4 * code_bytes;
    float maximum = 0;
    int sum = 0;
    for (int c = from; c < to; c++) {
      const float magnitude = fabsf(x[t * columns + c]);
      if (magnitude > maximum || isnan(magnitude)) maximum = magnitude;
    }
    const float scale = maximum < 0x1p-116f ? 0 : maximum / largest;
    if (memcmp(&scale, scales + i, 4) && !(isnan(scale) && isnan(scales[i]))) fail("scale", tier, columns, t, from, largest);
    for (int c = from; c < from + 32; c++) {
      const float product = c < to && scale != 0 ? x[t * columns + c] * (largest / maximum) : 0;
      const int expected = isnan(product) ? 0 : (int)nearbyintf(product);
      if (codes[i * 32 + c - from] != expected) fail("code", tier, columns, t, c, largest);
      const uint8_t *beside = block + t % 4 * code_bytes + (c - from) * bits / 8;
      int16_t two = 0;
      if (!narrow) memcpy(&two, beside, 2);
      if ((narrow ? (int8_t)*beside : two) != expected) fail("beside", tier, columns, t, c, largest);
      sum += expected;
    }
    int32_t offset;
    memcpy(&offset, behind + 16 + 4 * (t % 4), 4);
    if (offset != -8 * sum) fail("offset", tier, columns, t, from, largest);
    if (memcmp(behind + 4 * (t % 4), scales + i, 4)) fail("scale beside", tier, columns, t, from, largest);
  }

  uint8_t *weights = memory(rows * row_bytes);
  uint8_t *weight_scales = memory(2 * (size_t)rows * groups);
  for (size_t i = 0; i < rows * row_bytes; i++) weights[i] = random_bits();
  for (int i = 0; i < rows * groups; i++) {
    const uint16_t scale = half();
    memcpy(weight_scales + 2 * i, &scale, 2);
  }
  const int has_zeros = *name == 'u';
  const float unit = !strncmp(name, "qins", 4) && strcmp(name, "qins4") ? 0x1p-15f : 1;
  uint8_t *zeros = has_zeros ? memory((size_t)rows * groups) : 0;
  for (int i = 0; has_zeros && i < rows * groups; i++) zeros[i] = random_bits();
  const int64_t packed_bytes = tokenlog_packed_bytes(code, rows, columns, group_size);
  uint8_t *packed = memory(packed_bytes); // a multiple of 64, so it begins at one
  memset(packed, 0x5a, packed_bytes);
  const int tiles = (rows + 15) / 16, cut = below(tiles + 1);
  tokenlog_pack(code, rows, columns, group_size, weights, weight_scales, zeros, cut, tiles, packed);
  tokenlog_pack(code, rows, columns, group_size, weights, weight_scales, zeros, 0, cut, packed);

  const int from_row = below(rows), to_row = from_row + 1 + below(rows - from_row), stride = to_row + below(3);
  float *out = memory(sizeof(float) * ((tokens - 1) * stride + to_row));
  for (int i = 0; i < (tokens - 1) * stride + to_row; i++) out[i] = -7777;
  tokenlog_multiply(tier, code, packed, columns, group_size, from_row, to_row, panels, tokens, out, 0, stride);
  for (int i = 0; i < (tokens - 1) * stride + to_row; i++) {
    const int t = i / stride, row = i % stride;
    float expected = -7777;
    if (row >= from_row && row < to_row) {
      expected = 0;
      for (int b = 0; b < blocks; b++) {
        const size_t group = (size_t)row * groups + b * 32 / group_size;
        int sum = 0;
        for (int c = b * 32; c < columns && c < b * 32 + 32; c++)
          sum += weight(name, weights + row * row_bytes, c, columns, zeros ? zeros[group] : 0) * codes[t * blocks * 32 + c];
        uint16_t scale;
        memcpy(&scale, weight_scales + 2 * group, 2);
        const float product = widen(scale) * unit * scales[t * blocks + b];
        expected = fmaf((float)sum, product, expected);
      }
    }
    if (memcmp(&expected, out + i, 4) && !(isnan(expected) && isnan(out[i]))) fail(name, tier, columns, rows, t, row);
  }
  give_back_all();
}

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

static float of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

// As docs/numerics.md has it, for numbers.
static float exponential(float x) {
  const float c = fmaxf(fminf(x, 89), -104), rounded = fmaf(c, 0x1.715476p+0f, 0x1.8p+23f), n = rounded - 0x1.8p+23f;
  const float r = fmaf(n, 0x1.05c61p-29f, fmaf(n, -0x1.62e43p-1f, c));
  const float coefficients[] = {0x1.120ba2p-7f, 0x1.55551ap-5f, 0x1.5554dcp-3f, 0.5f, 1, 1};
  float p = 0x1.6d113cp-10f;
  for (int i = 0; i < 6; i++) p = fmaf(p, r, coefficients[i]);
  const int exponent = (int)n, half = exponent >> 1;
  return p * of_bits((uint32_t)(half + 127) << 23) * of_bits((uint32_t)(exponent - half + 127) << 23);
}

static float hyperbolic_tangent(float x) {
  const float s = x * x, coefficients[] = {0x1.58048ep-6f, -0x1.b9258ap-5f, 0x1.110e1cp-3f, -0x1.555552p-2f};
  float p = -0x1.8f8de4p-8f;
  for (int i = 0; i < 4; i++) p = fmaf(p, s, coefficients[i]);
  if (fabsf(x) < 0.625f) return fmaf(x, s * p, x);
  return copysignf(1 - 2 / (exponential(2 * fabsf(x)) + 1), x);
}

static float by_halves(float *partials) {
  for (int half = 8; half; half /= 2)
    for (int k = 0; k < half; k++) partials[k] += partials[k + half];
  return partials[0];
}

static int element_bytes(int type) { return type == TOKENLOG_KV8 ? 1 : type == TOKENLOG_KV16 ? 2 : 4; }

// Bytes of the keys, or the values, of a head in a page.
static int64_t head_bytes(int type, int head_size) {
  return 32L * head_size * element_bytes(type) + (type == TOKENLOG_KV8 ? 128L * ((head_size + 31) / 32) : 0);
}

// Which scale of 8 bits belongs to a channel at a position, keys or values.
static int scale_index(int values, int head_size, int slot, int channel) {
  return values ? slot * ((head_size + 31) / 32) + channel / 32 : channel / 32 * 32 + slot;
}

// A number of a page of the KV cache: a key or a value.
static float kept(int type, int values, int64_t page, int64_t offset, int head_size, int slot, int channel) {
  const uint8_t *p = (const uint8_t *)page + offset;
  const int element = values ? slot * head_size + channel : channel * 32 + slot;
  if (type == TOKENLOG_KV8) {
    float scale;
    memcpy(&scale, p + 32 * head_size + 4 * scale_index(values, head_size, slot, channel), 4);
    return (int8_t)p[element] * scale;
  }
  if (type == TOKENLOG_KV32) {
    float x;
    memcpy(&x, p + 4 * element, 4);
    return x;
  }
  uint16_t x;
  memcpy(&x, p + 2 * element, 2);
  return widen(x);
}

static void attention(int tier, int type, int head_size, int heads, int tokens, int window, float cap) {
  const int positions = tokens + below(150), first = positions - tokens, pages = (positions + 31) / 32;
  const int64_t keys = 0, values = head_bytes(type, head_size);
  const int64_t stride = heads * head_size + below(3), offset = below(5), score_stride = 32 * pages;
  const size_t numbers = offset + (tokens - 1) * stride + heads * head_size;
  float *q = memory(4 * numbers), *out = memory(4 * numbers), *scores = memory(4 * score_stride * heads * tokens);
  float *wide = memory(4 * 32 * head_size);
  int64_t *page = memory(8 * pages);
  for (size_t i = 0; i < numbers; i++) q[i] = number() * 1e-3f, out[i] = -7777;
  for (int p = 0; p < pages; p++) {
    // Up to the last byte of the values: what no token sees may be anything.
    uint8_t *bytes = memory(2 * values);
    for (int i = 0; i < 2 * values; i++) bytes[i] = random_bits();
    page[p] = (int64_t)bytes;
    for (int slot = 0; slot < 32 && 32 * p + slot < positions; slot++)
      for (int c = 0; c < head_size; c++) {
        const uint16_t k = half(), v = half();
        const float wide_k = number(), wide_v = number();
        const int key = c * 32 + slot, value = slot * head_size + c;
        if (type == TOKENLOG_KV32) {
          memcpy(bytes + keys + 4 * key, &wide_k, 4);
          memcpy(bytes + values + 4 * value, &wide_v, 4);
        } else if (type == TOKENLOG_KV8) {
          memcpy(bytes + keys + 32 * head_size + 4 * scale_index(0, head_size, slot, c), &wide_k, 4);
          memcpy(bytes + values + 32 * head_size + 4 * scale_index(1, head_size, slot, c), &wide_v, 4);
        } else {
          memcpy(bytes + keys + 2 * key, &k, 2);
          memcpy(bytes + values + 2 * value, &v, 2);
        }
      }
  }
  tokenlog_attend(tier, type, page, keys, values, head_size, heads, 0.125f, cap, window, first, tokens, q, out, offset, stride,
                  scores, score_stride, wide);
  float *e = memory(4 * positions), *expected = memory(4 * numbers);
  for (size_t i = 0; i < numbers; i++) expected[i] = -7777;
  for (int t = 0; t < tokens; t++)
    for (int h = 0; h < heads; h++) {
      const float *x = q + offset + t * stride + h * head_size;
      const int last = first + t, begin = window && last >= window ? last - window + 1 : 0;
      float largest = -INFINITY, sums[16] = {0};
      for (int i = begin; i <= last; i++) {
        float partials[16] = {0};
        for (int c = 0; c < head_size; c++)
          partials[c % 16] = fmaf(x[c], kept(type, 0, page[i / 32], keys, head_size, i % 32, c), partials[c % 16]);
        e[i] = by_halves(partials) * 0.125f;
        if (cap != 0) e[i] = cap * hyperbolic_tangent(e[i] / cap);
        largest = fmaxf(largest, e[i]);
      }
      for (int i = begin; i <= last; i++) {
        e[i] = exponential(e[i] - largest);
        sums[i % 16] += e[i];
      }
      const float sum = by_halves(sums);
      for (int c = 0; c < head_size; c++) {
        float *y = expected + offset + t * stride + h * head_size + c;
        *y = 0;
        for (int i = begin; i <= last; i++)
          *y = fmaf(e[i] / sum, kept(type, 1, page[i / 32], values, head_size, i % 32, c), *y);
      }
    }
  for (size_t i = 0; i < numbers; i++)
    if (bits_of(out[i]) != bits_of(expected[i])) fail("attention", tier, head_size, heads, positions, (int)i);
  give_back_all();
}

// The F16 nearest to a number, of two equally near ones the even one: read off a list of all that are not negative.
static uint16_t nearest_half(float x) {
  const double size = fabs((double)x);
  uint16_t best = 0;
  if (isnan(x)) return 0x7e00;
  double distance = size, least = INFINITY;
  for (int h = 0; h <= 0x7c00; h++) {
    // Infinity takes the place of the next number there would be.
    const double value = h >> 10 ? ldexp(1024 + (h & 1023), (h >> 10) - 25) : ldexp(h, -24);
    distance = fabs(value - size);
    if (distance < least || (distance == least && h % 2 == 0)) least = distance, best = h;
    if (distance > least) break;
  }
  return best | (signbit(x) ? 0x8000 : 0);
}

static float cached(int kind) {
  switch (kind) {
    case 0: return INFINITY;
    case 1: return NAN;
    case 2: return (below(2) ? -1 : 1) * (65504 + 16 * (below(3) - 1));
    case 3: return ldexpf(below(4096), -26) * (below(2) ? -1 : 1);
    default: return number() * 1e-4f;
  }
}

static void store_one(int tier, int type, int heads, int head_size) {
  const int slot = below(32);
  const int64_t bytes = head_bytes(type, head_size), before = 64 * below(2);
  uint8_t *page = memory(before + 2 * heads * bytes), *expected = memory(before + 2 * heads * bytes);
  float *x[] = {memory(4 * heads * head_size), memory(4 * heads * head_size)};
  for (int i = 0; i < before + 2 * heads * bytes; i++) page[i] = expected[i] = random_bits();
  const int strange = below(3) ? 4 : 0;
  for (int v = 0; v < 2; v++)
    for (int i = 0; i < heads * head_size; i++) x[v][i] = cached(strange + (below(8) ? 4 : below(4)));
  int finite = 1;
  for (int v = 0; v < 2; v++)
    for (int i = 0; i < heads * head_size; i++) {
      const int head = i / head_size, c = i % head_size, from = c / 32 * 32, to = from + 32 < head_size ? from + 32 : head_size;
      uint8_t *p = expected + before + (v * heads + head) * bytes;
      const int element = v ? slot * head_size + c : c * 32 + slot;
      if (type == TOKENLOG_KV32) {
        memcpy(p + 4 * element, x[v] + i, 4);
        finite &= isfinite(x[v][i]) != 0;
      } else if (type == TOKENLOG_KV16) {
        const uint16_t half = nearest_half(x[v][i]);
        memcpy(p + 2 * element, &half, 2);
        finite &= (half & 0x7c00) != 0x7c00;
      } else {
        float maximum = 0;
        for (int k = from; k < to; k++) {
          const float magnitude = fabsf(x[v][head * head_size + k]);
          if (magnitude > maximum || isnan(magnitude)) maximum = magnitude;
        }
        const float scale = maximum < 0x1p-116f ? 0 : maximum / 127, product = scale != 0 ? x[v][i] * (127 / maximum) : 0;
        p[element] = isnan(product) ? 0 : (int)nearbyintf(product);
        memcpy(p + 32 * head_size + 4 * scale_index(v, head_size, slot, c), &scale, 4);
        finite &= isfinite(scale) != 0;
      }
    }
  const int found = tokenlog_store(tier, type, page, before, before + heads * bytes, heads, head_size, slot, x[0], 0, x[1], 0);
  if (found != finite) fail("finite as stored", tier, type, heads, head_size, found);
  // The bits of what is not a number are nobody's business: such a sequence has failed.
  if (finite && memcmp(page, expected, before + 2 * heads * bytes)) fail("stored", tier, type, heads, head_size, slot);
  give_back_all();
}

static void same(const char *what, int tier, const float *expected, const float *found, int count) {
  for (int i = 0; i < count; i++)
    if (bits_of(expected[i]) != bits_of(found[i]) && !(isnan(expected[i]) && isnan(found[i]))) fail(what, tier, count, i, 0, 0);
}

static float sigmoid(float x) { return 1 / (1 + exponential(-x)); }

// What lies between products, on rows of `n` numbers.
static void between(int tier, int n) {
  float *x = memory(4 * n), *y = memory(4 * n), *out = memory(4 * n), *expected = memory(4 * n);
  for (int i = 0; i < n; i++) x[i] = number() * 1e-3f, y[i] = number() * 1e-3f;
  float partials[16] = {0};
  for (int i = 0; i < n; i++) partials[i % 16] = fmaf(x[i], x[i], partials[i % 16]);
  const float r = 1 / sqrtf(by_halves(partials) / n + 1e-5f);
  for (int i = 0; i < n; i++) expected[i] = x[i] * r * y[i];
  tokenlog_rms_norm(tier, x, 0, y, n, 1e-5f, out, 0);
  same("norm", tier, expected, out, n);
  memcpy(out, x, 4 * n);
  tokenlog_rms_norm(tier, out, 0, y, n, 1e-5f, out, 0);
  same("norm in place", tier, expected, out, n);

  for (int i = 0; i < n; i++) expected[i] = x[i] * sigmoid(x[i]) * y[i];
  memcpy(out, x, 4 * n);
  tokenlog_gate(tier, TOKENLOG_SILU, out, y, 0, n);
  same("silu gate", tier, expected, out, n);
  for (int i = 0; i < n; i++) expected[i] = x[i] * sigmoid(0x1.988454p+0f * fmaf(0.044715f, x[i] * x[i] * x[i], x[i])) * y[i];
  memcpy(out, x, 4 * n);
  tokenlog_gate(tier, TOKENLOG_GELU_TANH, out, y, 0, n);
  same("gelu gate", tier, expected, out, n);

  for (int i = 0; i < n; i++) expected[i] = x[i] + y[i];
  memcpy(out, x, 4 * n);
  tokenlog_add(tier, out, 0, y, 0, n);
  same("sum", tier, expected, out, n);

  if (!tokenlog_all_finite(tier, x, 0, n)) fail("finite", tier, n, 0, 0, 0);
  for (int i = 0; i < 3; i++) {
    const int at = below(n);
    const float was = x[at];
    x[at] = i == 0 ? NAN : i == 1 ? INFINITY : -INFINITY;
    if (tokenlog_all_finite(tier, x, 0, n)) fail("not finite", tier, n, at, i, 0);
    x[at] = was;
  }

  const int pairs = 1 + below(n), head = 2 * pairs + below(3), heads = 1 + below(3);
  float *rotated = memory(4 * heads * head), *turned = memory(4 * heads * head);
  float *cosines = memory(4 * pairs), *sines = memory(4 * pairs);
  for (int i = 0; i < pairs; i++) cosines[i] = number() * 1e-6f, sines[i] = number() * 1e-6f;
  for (int i = 0; i < heads * head; i++) rotated[i] = turned[i] = number();
  for (int h = 0; h < heads; h++)
    for (int i = 0; i < pairs; i++) {
      float *a = turned + h * head + i, *b = a + pairs;
      const float first = *a, second = *b;
      *a = fmaf(first, cosines[i], -(second * sines[i]));
      *b = fmaf(second, cosines[i], first * sines[i]);
    }
  tokenlog_rotate(tier, rotated, 0, heads, head, pairs, cosines, sines, 0);
  same("rotation", tier, turned, rotated, heads * head);
  give_back_all();
}

static float half_value(uint16_t h) {
  const double value = h >> 10 & 31 ? ldexp(1024 + (h & 1023), (h >> 10 & 31) - 25) : ldexp(h & 1023, -24);
  return h >> 15 ? -value : value;
}

// A weight of all sorts: many equal magnitudes with both signs, ties between codes, zeros; sometimes one that nothing holds.
static float weight_to_encode(int kind) {
  const float w = (below(2) ? -1 : 1) * (kind == 1 ? below(17) * 0.25f : below(1 << 12) * (kind == 2 ? 1e-9f : 0.003f));
  return kind == 3 ? 0 : w;
}

// The F16 scale within 120 steps of the first with the least squared error; of equals the nearest, the smaller of two.
static uint16_t searched(uint16_t first, const float *w, int count, int low, int high) {
  float least = INFINITY;
  uint16_t best = first;
  for (int i = 0; i <= 240; i++) {
    const int step = i % 2 ? -(i + 1) / 2 : i / 2, magnitude = (first & 0x7fff) + step;
    if (magnitude < 1 || magnitude > 0x7bff) continue;
    const uint16_t half = (first & 0x8000) | magnitude;
    const float s = half_value(half), inverse = 1 / s;
    float sum = 0;
    for (int c = 0; c < count; c++) {
      const float exact = w[c] * inverse, q = nearbyintf(exact < low ? low : exact > high ? high : exact);
      const float product = q * s, error = w[c] - product, square = error * error;
      sum += square;
    }
    if (sum < least) least = sum, best = half;
  }
  return best;
}

static void encoding(int tier, int code, int type, int rows, int columns, int group_size, int search) {
  const int bits = !strcmp(tokenlog_code_name(code), "int8") ? 8 : !strcmp(tokenlog_code_name(code), "int4") ? 4 : 2;
  const int low = bits == 8 ? -127 : -(1 << (bits - 1)), high = (1 << (bits - 1)) - 1, width = type == TOKENLOG_F32 ? 4 : 2;
  const int row_bytes = (columns * bits + 7) / 8, groups = (columns + group_size - 1) / group_size, count = rows * columns;
  uint8_t *x = memory(width * count), *codes = memory(rows * row_bytes), *scales = memory(2 * rows * groups);
  uint8_t *expected = memory(rows * row_bytes), *expected_scales = memory(2 * rows * groups);
  double *sums = memory(sizeof(double) * 56), *expected_sums = memory(sizeof(double) * 56);
  float *wide = memory(4 * count);
  const int kind = below(4), strange = below(6) ? -1 : below(count);
  for (int i = 0; i < count; i++) {
    float w = weight_to_encode(kind ? kind : 1 + below(3));
    if (i == strange) w = (float[]){NAN, INFINITY, -INFINITY, 3e38f}[below(4)];
    if (type == TOKENLOG_F16) {
      const uint16_t half = isfinite(w) ? nearest_half(w) : isnan(w) ? 0x7e00 : 0x7c00;
      w = (half & 0x7c00) == 0x7c00 ? INFINITY : half_value(half);
      memcpy(x + 2 * i, &half, 2);
    } else {
      uint32_t pattern = bits_of(w);
      if (type == TOKENLOG_BF16) pattern &= 0xffff0000;
      memcpy(&w, &pattern, 4);
      memcpy(x + width * i, (char *)&pattern + 4 - width, width);
    }
    wide[i] = w;
  }
  memset(expected, 0, rows * row_bytes);
  for (int i = 0; i < 56; i++) sums[i] = expected_sums[i] = i % 9;
  int done = 1;
  for (int row = 0; row < rows; row++)
    for (int g = 0; g < groups; g++) {
      const float *w = wide + row * columns;
      const int from = g * group_size, to = from + group_size < columns ? from + group_size : columns;
      float m = 0;
      for (int c = from; c < to; c++) {
        if (!isfinite(w[c])) done = 0;
        if (fabsf(w[c]) > fabsf(m)) m = w[c];
      }
      uint16_t half = nearest_half(bits == 8 ? fabsf(m) / 127 : (m == 0 ? 0.0f : m) / low);
      if ((half & 0x7c00) == 0x7c00) done = 0;
      if (done && search && half & 0x7fff) half = searched(half, w + from, to - from, low, high);
      memcpy(expected_scales + 2 * (row * groups + g), &half, 2);
      const float s = half_value(half);
      for (int c = from; c < to && done; c++) {
        const float exact = s == 0 ? 0 : w[c] / s;
        const int q = nearbyintf(exact < low ? low : exact > high ? high : exact), stored = bits == 8 ? q & 255 : q - low;
        expected[row * row_bytes + c * bits / 8] |= stored << c * bits % 8;
        const double value = q * s, error = fabs(w[c] - value), weight = w[c];
        const double more[] = {error * error, weight * weight, value * value, weight * value, error, fabs(weight)};
        for (int k = 0; k < 6; k++) expected_sums[8 * k + c % 8] += more[k];
        if (error > expected_sums[48 + c % 8]) expected_sums[48 + c % 8] = error;
      }
    }
  const int found = tokenlog_encode(tier, code, type, x, rows, columns, group_size, search, codes, scales, sums);
  if (found != done) fail("encoded", tier, code, type, columns, found);
  if (done && memcmp(codes, expected, rows * row_bytes)) fail("codes", tier, code, type, columns, group_size);
  if (done && memcmp(scales, expected_scales, 2 * rows * groups)) fail("scales", tier, code, type, columns, group_size);
  if (done && memcmp(sums, expected_sums, 8 * 56)) fail("errors", tier, code, type, columns, group_size);
  give_back_all();
}

static void read_everything(int tier) {
  for (int bytes = 64; bytes < 1024; bytes += 64) {
    uint8_t *p = memory(bytes);
    int64_t expected = 0;
    for (int i = 0; i < bytes; i++) p[i] = random_bits();
    for (int i = 0; i < bytes; i += 8) {
      int64_t one;
      memcpy(&one, p + i, 8);
      expected ^= one;
    }
    if (tokenlog_read(tier, p, bytes) != expected) fail("read", tier, bytes, 0, 0, 0);
    give_back_all();
  }
}

static void map_and_unmap(int64_t bytes) {
  char *p = tokenlog_map(bytes);
  if (!p || (uintptr_t)p % 64) fail("map", 0, bytes >> 10, 0, 0, 0);
  p[0] = p[bytes - 1] = 1;
  tokenlog_unmap(p, bytes);
}

static uint32_t rotated(uint32_t x, int by) { return x >> by | x << (32 - by); }

// The first 32 bits of the fractional part of a prime's cube root, without a table to copy a mistake from.
static uint32_t cube_root_bits(int prime) { return (uint32_t)(uint64_t)(cbrtl(prime) * 0x1p32L); }

// FIPS 180-4, 6.2.2, as it stands there.
static void sha256_as_written(uint32_t *state, const uint8_t *block) {
  uint32_t w[64], v[8];
  for (int t = 0; t < 16; t++)
    w[t] = (uint32_t)block[4 * t] << 24 | block[4 * t + 1] << 16 | block[4 * t + 2] << 8 | block[4 * t + 3];
  for (int t = 16; t < 64; t++)
    w[t] = (rotated(w[t - 2], 17) ^ rotated(w[t - 2], 19) ^ w[t - 2] >> 10) + w[t - 7] +
           (rotated(w[t - 15], 7) ^ rotated(w[t - 15], 18) ^ w[t - 15] >> 3) + w[t - 16];
  memcpy(v, state, sizeof v);
  for (int t = 0, prime = 2; t < 64; t++, prime++) {
    for (int divisor = 2; divisor < prime; divisor++)
      if (prime % divisor == 0) divisor = 1, prime++;
    const uint32_t a = v[0], e = v[4];
    const uint32_t t1 = v[7] + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + ((e & v[5]) ^ (~e & v[6])) +
                        cube_root_bits(prime) + w[t];
    const uint32_t t2 = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof *v);
    v[0] = t1 + t2, v[4] += t1;
  }
  for (int i = 0; i < 8; i++) state[i] += v[i];
}

static void sha256(void) {
  if (!tokenlog_sha256_usable()) {
    printf("sha256: this processor does not have it\n");
    return;
  }
  uint32_t abc[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const uint32_t digest[8] = {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
                              0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad};
  const uint8_t message[64] = {[0] = 'a', [1] = 'b', [2] = 'c', [3] = 0x80, [63] = 24};
  tokenlog_sha256(abc, message, 1);
  if (memcmp(abc, digest, sizeof abc)) fail("sha256 of abc", 0, 0, 0, 0, 0);
  for (int blocks = 0; blocks < 20; blocks++) {
    uint8_t *bytes = memory(64 * blocks + 1);
    uint32_t *found = memory(sizeof abc), right[8];
    for (int i = 0; i < 64 * blocks; i++) bytes[i + 1] = below(256);
    for (int i = 0; i < 8; i++) right[i] = found[i] = (uint32_t)below(1 << 16) << 16 | below(1 << 16);
    tokenlog_sha256(found, bytes + 1, blocks);
    for (int i = 0; i < blocks; i++) sha256_as_written(right, bytes + 1 + 64 * i);
    if (memcmp(right, found, sizeof right)) fail("sha256", 0, blocks, 0, 0, 0);
    give_back_all();
  }
  printf("sha256: all equal\n");
}

int main(int count, char **argument) {
  state = count > 1 ? strtoull(argument[1], 0, 10) : 1;
  const int columns[] = {1, 2, 31, 32, 33, 64, 95, 100, 128, 160, 333, 1040};
  const int group_sizes[] = {32, 64, 128, 0};
  int64_t cases = 0;
  for (int tier = 0; tier < tokenlog_tiers(); tier++) {
    if (!tokenlog_tier_usable(tier)) {
      printf("%s: this processor does not have it\n", tokenlog_tier_name(tier));
      continue;
    }
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
      for (int tokens = 1; tokens < 30; tokens++) {
        const int group_size = group_sizes[below(4)], group = group_size ? group_size : columns[c];
        // A third of the codes each time, so that every code meets every number of tokens, and ends of all kinds.
        for (int i = 0; i < (tokenlog_codes() + 2) / 3; i++, cases++) {
          const int code = (tokens + 5 * (int)c + 3 * i) % tokenlog_codes();
          compare(tier, code, columns[c], 1 + below(50), tokens, group,
                  tokenlog_code_activations(code) == 16 ? 2047 : 127);
        }
      }
    const int head_sizes[] = {2, 12, 16, 20, 40, 64, 80, 128};
    for (size_t h = 0; h < sizeof head_sizes / sizeof *head_sizes; h++)
      for (int heads = 1; heads < 9; heads++) {
        const int window = below(2) ? 0 : 1 + below(70), tokens = 1 + below(4);
        attention(tier, below(3), head_sizes[h], heads, tokens, window, below(3) ? 0 : 0.5f + below(50));
        cases++;
      }
    for (size_t h = 0; h < sizeof head_sizes / sizeof *head_sizes; h++)
      for (int i = 0; i < 9; i++, cases++) store_one(tier, i % 3, 1 + below(4), head_sizes[h] + below(3));
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
      for (int code = 0; code < tokenlog_codes(); code++)
        for (int i = 0; i < 12 && tokenlog_encodes(code); i++, cases++) {
          const int group_size = group_sizes[i % 4];
          encoding(tier, code, i / 4, 1 + below(4), columns[c], group_size ? group_size : columns[c], below(4) == 0);
        }
    for (int n = 1; n < 70; n++, cases++) between(tier, n);
    between(tier, 2048);
    read_everything(tier);
    printf("%s: all equal\n", tokenlog_tier_name(tier));
  }
  sha256();
  map_and_unmap(1), map_and_unmap(5000), map_and_unmap((2 << 20) - 1), map_and_unmap(7 << 20), map_and_unmap((9 << 20) + 1);
  printf("%lld cases\n", (long long)cases);
  return 0;
}

// Weights to codes with one F16 scale for each group of columns (docs/codes.md):
//
//   s = F16(m / divisor)          m the element of largest magnitude, the first of equals
//   q = clamp(rint(x / s), smallest, largest), 0 where s is 0
//   w = q * s
//
// or s the F16 number within 120 steps of that one with the least squared error; and what it costs, summed in eight lanes:
// column c of a row counts in lane c % 8. The same bits as QuantizedRows.java.

enum { ERROR_LANES = 8 };

// As many as a register holds doubles.
typedef double some_doubles __attribute__((vector_size(4 * LANES)));
typedef int64_t some_longs __attribute__((vector_size(4 * LANES)));

// What a code is: q stands in `bits` bits, as q - smallest in fewer than 8.
typedef struct {
  int32_t bits, smallest, largest;
  float divisor;
  int32_t by_magnitude; // m without its sign
} Rounding;

static const Rounding rounding_int8 = {8, -127, 127, 127.0f, 1};
static const Rounding rounding_int4 = {4, -8, 7, -8.0f, 0};
static const Rounding rounding_int2 = {2, -2, 1, -2.0f, 0};

INLINE size_t weight_bytes(const int32_t type) { return type == TOKENLOG_F32 ? 4 : 2; }

// `count` weights as floats, the rest of the block as zeros.
INLINE void load_weights(const int32_t type, const uint8_t *x, int32_t count, float *block) {
  uint8_t some[4 * TOKENLOG_BLOCK];
  if (count < TOKENLOG_BLOCK) {
    memset(some, 0, sizeof some);
    x = memcpy(some, x, count * weight_bytes(type));
  }
  UNROLL for (int i = 0; i < TOKENLOG_BLOCK; i += LANES) {
    const uint8_t *const from = x + i * weight_bytes(type);
    if (type == TOKENLOG_F32)
      memcpy(block + i, from, sizeof(float) * LANES);
    else
      store(block + i, type == TOKENLOG_F16 ? load_halves(from) : load_bfloats(from));
  }
}

INLINE int32_t at_most_a_block(int32_t n) { return n < TOKENLOG_BLOCK ? n : TOKENLOG_BLOCK; }

// The element of largest magnitude, the first of equals; +0 where all are 0. As integers, positive numbers are in their order,
// and negative ones, without a sign, in the order of their magnitudes. Leaves the last block in `block`.
INLINE float extreme(const int32_t type, const uint8_t *x, int32_t n, float *block) {
  floats most = zero(), most_negative = zero();
  for (int32_t i = 0; i < n; i += TOKENLOG_BLOCK) {
    load_weights(type, x + i * weight_bytes(type), at_most_a_block(n - i), block);
    UNROLL for (int k = 0; k < TOKENLOG_BLOCK; k += LANES) {
      most = larger_signed(most, load_floats(block + k));
      most_negative = larger_unsigned(most_negative, load_floats(block + k));
    }
  }
  const uint32_t positive = largest_pattern(most);
  const uint32_t pattern = largest_pattern(most_negative); // a negative number's, if there is one
  const uint32_t negative = pattern >> 31 ? pattern & 0x7fffffff : 0;
  uint32_t result = negative > positive ? pattern : positive;
  for (int32_t i = 0; negative == positive && i < n && positive; i += TOKENLOG_BLOCK) {
    float again[TOKENLOG_BLOCK];
    uint32_t patterns[TOKENLOG_BLOCK];
    load_weights(type, x + i * weight_bytes(type), at_most_a_block(n - i), again);
    memcpy(patterns, again, sizeof patterns);
    int k = 0;
    while (k < TOKENLOG_BLOCK && (patterns[k] & 0x7fffffff) != positive) k++;
    if (k < TOKENLOG_BLOCK) {
      result = patterns[k];
      break;
    }
  }
  float value;
  memcpy(&value, &result, sizeof value);
  return value;
}

// @return F16
INLINE uint16_t scale_of(const Rounding r, float m) {
  return half_of((r.by_magnitude ? __builtin_fabsf(m) : m) / r.divisor);
}

// --- the scale with the least squared error -------------------------------------------------------------------------

enum { REACH = 120, SCALES = 256, SCALES_AT_ONCE = 4 * LANES };

// Scales that are tried, more than are wanted, so that registers are full.
typedef struct {
  float scales[SCALES], inverses[SCALES], errors[SCALES];
} Trial;

// Adds what a block costs under each scale. Squares are added in the order of the columns.
INLINE void try_scales(const Rounding r, const float *x, const int32_t count, Trial *t) {
  const floats low = all((float)r.smallest), high = all((float)r.largest), rounding = all(0x1.8p+23f);
  for (int i = 0; i < SCALES; i += SCALES_AT_ONCE) {
    floats sums[4];
    UNROLL for (int k = 0; k < 4; k++) sums[k] = load_floats(t->errors + i + k * LANES);
    for (int32_t column = 0; column < count; column++) {
      const floats value = all(x[column]);
      UNROLL for (int k = 0; k < 4; k++) {
        const floats exact = value * load_floats(t->inverses + i + k * LANES);
        const floats q = larger(low, smaller(high, exact)) + rounding - rounding;
        const floats error = value - q * load_floats(t->scales + i + k * LANES);
        sums[k] += error * error;
      }
    }
    UNROLL for (int k = 0; k < 4; k++) store(t->errors + i + k * LANES, sums[k]);
  }
}

// Of equal errors the scale nearest to the first one counts, the smaller of two as near.
//
// @param first   F16, neither 0 nor infinite
// @param block   the group's weights, if they are no more than that
// @return F16
INLINE uint16_t best_scale(const Rounding r, const int32_t type, const uint8_t *x, int32_t n, uint16_t first,
                           const float *block) {
  const int32_t magnitude = first & 0x7fff, sign = first & 0x8000, largest_finite = 0x7bff;
  const int32_t low = magnitude > REACH ? magnitude - REACH : 1;
  const int32_t count = (magnitude + REACH < largest_finite ? magnitude + REACH : largest_finite) - low + 1;
  Trial t;
  uint16_t halves[SCALES];
  for (int i = 0; i < SCALES; i++) halves[i] = (uint16_t)(sign | (low + i));
  for (int i = 0; i < SCALES; i += LANES) {
    const floats scales = load_halves((const uint8_t *)(halves + i));
    store(t.scales + i, scales);
    store(t.inverses + i, all(1.0f) / scales);
    store(t.errors + i, zero());
  }
  if (n <= TOKENLOG_BLOCK) try_scales(r, block, n, &t);
  for (int32_t i = 0; n > TOKENLOG_BLOCK && i < n; i += TOKENLOG_BLOCK) {
    float some[TOKENLOG_BLOCK];
    load_weights(type, x + i * weight_bytes(type), at_most_a_block(n - i), some);
    try_scales(r, some, at_most_a_block(n - i), &t);
  }
  int32_t best = magnitude - low;
  for (int32_t distance = 1; distance <= REACH; distance++) {
    const int32_t below = magnitude - distance - low, above = magnitude + distance - low;
    if (below >= 0 && t.errors[below] < t.errors[best]) best = below;
    if (above < count && t.errors[above] < t.errors[best]) best = above;
  }
  return halves[best];
}

// --- codes -----------------------------------------------------------------------------------------------------------

// A block's codes, and what they stand for.
INLINE void round_weights(const Rounding r, const float *x, float s, int32_t *q, float *w) {
  UNROLL for (int i = 0; i < TOKENLOG_BLOCK; i += LANES) {
    const floats within = larger(all((float)r.smallest), smaller(all((float)r.largest), load_floats(x + i) / all(s)));
    const floats rounded = within + all(0x1.8p+23f) - all(0x1.8p+23f); // no fractions are left in the sum
    const words integers = __builtin_convertvector(rounded, words);
    memcpy(q + i, &integers, sizeof integers);
    store(w + i, rounded * all(s));
  }
}

// Bytes of which the lowest bits count, two into one.
INLINE void join(const uint8_t *bytes, const int count, const int bits, uint8_t *to) {
  for (int i = 0; i < count / 2; i++) {
    uint16_t pair;
    memcpy(&pair, bytes + 2 * i, sizeof pair);
    to[i] = (uint8_t)(pair | pair >> (8 - bits));
  }
}

// The codes of a block side by side, the first in the lowest bits.
INLINE void pack_codes(const Rounding r, const int32_t *q, uint8_t *to) {
  const int offset = r.bits < 8 ? -r.smallest : 0;
  uint8_t bytes[TOKENLOG_BLOCK], halves[TOKENLOG_BLOCK / 2];
  for (int i = 0; i < TOKENLOG_BLOCK; i++) bytes[i] = (uint8_t)(q[i] + offset);
  if (r.bits == 8) {
    memcpy(to, bytes, sizeof bytes);
  } else if (r.bits == 4) {
    join(bytes, TOKENLOG_BLOCK, 4, to);
  } else {
    join(bytes, TOKENLOG_BLOCK, 2, halves);
    join(halves, TOKENLOG_BLOCK / 2, 4, to);
  }
}

// Adds a block to sums [7][8]: error^2, x^2, w^2, x w, |error|, |x|, and the largest |error|.
INLINE void add_errors(const float *x, const float *w, double *sums) {
  UNROLL for (int lane = 0; lane < ERROR_LANES; lane += LANES / 2) {
    some_doubles sum[7];
    UNROLL for (int k = 0; k < 7; k++) memcpy(sum + k, sums + k * ERROR_LANES + lane, sizeof *sum);
    UNROLL for (int i = lane; i < TOKENLOG_BLOCK; i += ERROR_LANES) {
      const some_doubles dx = widen(x + i), dw = widen(w + i);
      const some_doubles error = (some_doubles)((some_longs)(dx - dw) & INT64_MAX);
      sum[0] += error * error;
      sum[1] += dx * dx;
      sum[2] += dw * dw;
      sum[3] += dx * dw;
      sum[4] += error;
      sum[5] += (some_doubles)((some_longs)dx & INT64_MAX);
      const some_longs more = error > sum[6];
      sum[6] = (some_doubles)((more & (some_longs)error) | (~more & (some_longs)sum[6]));
    }
    UNROLL for (int k = 0; k < 7; k++) memcpy(sums + k * ERROR_LANES + lane, sum + k, sizeof *sum);
  }
}

// Codes of a block, and its errors.
INLINE void encode_block(const Rounding r, const float *x, float s, uint8_t *codes, double *sums) {
  int32_t q[TOKENLOG_BLOCK] = {0};
  float w[TOKENLOG_BLOCK] = {0};
  if (s != 0) round_weights(r, x, s, q, w);
  pack_codes(r, q, codes);
  add_errors(x, w, sums);
}

// The last block of a row: bits of columns that do not exist are 0.
INLINE void encode_last_block(const Rounding r, const float *x, int32_t count, float s, uint8_t *codes, double *sums) {
  uint8_t packed[TOKENLOG_BLOCK];
  encode_block(r, x, s, packed, sums);
  const int per_byte = 8 / r.bits, rest = count % per_byte, bytes = count / per_byte;
  memcpy(codes, packed, bytes);
  if (rest) codes[bytes] = packed[bytes] & ((1 << rest * r.bits) - 1);
}

// The scale of a group.
//
// @return 0 where a number is not finite, or the scale does not fit F16
INLINE int find_scale(const Rounding r, const int32_t type, int32_t search, const uint8_t *x, int32_t n, uint16_t *scale) {
  float block[TOKENLOG_BLOCK];
  uint16_t half = scale_of(r, extreme(type, x, n, block));
  if ((half & 0x7c00) == 0x7c00) return 0;
  if (search && (half & 0x7fff)) half = best_scale(r, type, x, n, half, block);
  *scale = half;
  return 1;
}

INLINE void encode_group(const Rounding r, const int32_t type, const uint8_t *x, int32_t n, uint16_t scale, uint8_t *codes,
                         double *sums) {
  const float s = float_of(scale);
  for (int32_t i = 0; i < n; i += TOKENLOG_BLOCK) {
    const int32_t count = at_most_a_block(n - i);
    float block[TOKENLOG_BLOCK];
    load_weights(type, x + i * weight_bytes(type), count, block);
    if (count == TOKENLOG_BLOCK)
      encode_block(r, block, s, codes + i / 8 * r.bits, sums);
    else
      encode_last_block(r, block, count, s, codes + i / 8 * r.bits, sums);
  }
}

// A row's scales first, some groups together: that is a long chain for each group, and the processor works on as many groups
// as it has room for instructions.
INLINE int encode_rows(const Rounding r, const int32_t type, const Encoding *e) {
  enum { TOGETHER = 64 };
  const size_t columns = e->columns, row_bytes = (columns * r.bits + 7) / 8, bytes = weight_bytes(type);
  const size_t group = e->group_size, step = group * TOGETHER;
  uint8_t *scale = e->scales;
  double sums[7 * ERROR_LANES];
  memcpy(sums, e->sums, sizeof sums);
  for (size_t row = 0; row < (size_t)e->rows; row++) {
    const uint8_t *const x = e->x + row * columns * bytes;
    uint8_t *const codes = e->codes + row * row_bytes;
    for (size_t first = 0; first < columns; first += step) {
      const size_t end = columns - first < step ? columns : first + step;
      uint16_t scales[TOGETHER];
      int count = 0;
      for (size_t from = first; from < end; from += group) {
        const int32_t n = (int32_t)(end - from < group ? end - from : group);
        if (!find_scale(r, type, e->search, x + from * bytes, n, scales + count++)) return 0;
      }
      memcpy(scale, scales, 2 * count);
      scale += 2 * count;
      count = 0;
      for (size_t from = first; from < end; from += group) {
        const int32_t n = (int32_t)(end - from < group ? end - from : group);
        encode_group(r, type, x + from * bytes, n, scales[count++], codes + from * r.bits / 8, sums);
      }
    }
  }
  memcpy(e->sums, sums, sizeof sums);
  return 1;
}

INLINE int encode_by(const Rounding r, const Encoding *e) {
  switch (e->type) {
    case TOKENLOG_F16: return encode_rows(r, TOKENLOG_F16, e);
    case TOKENLOG_BF16: return encode_rows(r, TOKENLOG_BF16, e);
    default: return encode_rows(r, TOKENLOG_F32, e);
  }
}

static void encode(int32_t code, const Encoding *e, int32_t *result) {
  switch (code) {
    case CODE_int8: *result = encode_by(rounding_int8, e); break;
    case CODE_int4: *result = encode_by(rounding_int4, e); break;
    case CODE_int2: *result = encode_by(rounding_int2, e); break;
    default: *result = 0;
  }
}

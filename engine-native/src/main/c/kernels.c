// The kernels, compiled once per tier: TIER is the tier's name, SIMD its header. The rows of a tile are the lanes of a
// register (or of two), so nothing is ever summed across lanes, and every output sees its blocks in ascending order:
//
//   acc = fma((float) sum_of_block(q_w * q_x), s_w * s_x, acc)
//
// Weights for bytes of activations are unpacked without a sign, as the dot product instructions want them, as q + ZERO;
// -ZERO * sum(q_x) puts that right.
#include "kernels.h"

#include <string.h>

#include SIMD

// Rows of a strip. Usually they are the lanes of a register; a tier may take several registers for one.
#ifndef ROWS
#define ROWS LANES
typedef floats row_floats;
static inline row_floats no_rows(void) { return zero(); }
static inline row_floats load_row_scales(const uint8_t *p) { return load_halves(p); }
static inline void store_rows(float *p, row_floats v) { store(p, v); }
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

// Memory of no particular alignment or type.
INLINE int32_t word(const void *p, int32_t index) {
  int32_t value;
  memcpy(&value, (const char *)p + 4 * (size_t)index, 4);
  return value;
}

// Weights are read once per token (or per few), in order. The processor asks for what comes next by itself, but not nearly far
// enough ahead: asking for it here makes a product with one token more than twice as fast (decisions 0191 and 0215).
// Asking beyond the end is harmless.
enum { AHEAD = 8 << 10 };

INLINE void prefetch(const uint8_t *p, const int bytes) {
  UNROLL for (int i = 0; i < bytes; i += 64) __builtin_prefetch(p + AHEAD + i);
}

#include "functions.h"

// A block of 32 numbers to integers: s = amax / Q, q = roundTiesToEven(x * (Q / amax)); below 2^-116 all are 0. Not a number
// counts as the largest magnitude (so the scale becomes one, too) and has code 0.
//
// @return s
INLINE float round_block(const float *x, int32_t largest, int32_t *rounded) {
  uint32_t patterns[TOKENLOG_BLOCK], maximum_bits = 0;
  memcpy(patterns, x, sizeof patterns);
  for (int i = 0; i < TOKENLOG_BLOCK; i++) {
    const uint32_t magnitude = patterns[i] & 0x7fffffff;
    maximum_bits = magnitude > maximum_bits ? magnitude : maximum_bits;
  }
  float maximum;
  memcpy(&maximum, &maximum_bits, 4);
  const int tiny = maximum < 0x1p-116f;
  const float limit = largest, inverse = tiny ? 0 : limit / maximum;
  for (int i = 0; i < TOKENLOG_BLOCK; i++) {
    const float product = x[i] * inverse;
    rounded[i] = (int32_t)__builtin_rintf(product == product ? product : 0);
  }
  return tiny ? 0 : maximum / limit;
}

#include "elementwise.h"
#include "kv_cache.h"

#include "attention.h"
#include "encode.h"

// What a kernel for ROWS rows and a fixed number of tokens works on.
typedef struct {
  const uint8_t *weights; // codes of the tile's first group, from the first of the lanes on
  size_t scales;          // so many bytes before the codes of a group lie its scales, from the first of the lanes on
  const uint8_t *panels;  // of the tokens
  int32_t blocks, blocks_per_group;
} Strip;

// --- unpacking: one function per form ------------------------------------------------------------------------------
// BYTES: register i holds, for each row, columns 4i to 4i + 3 of the block as unsigned bytes.
// WORDS: register i holds columns 2i and 2i + 1 as int16.

INLINE ints unpack_int4(const uint8_t *w, const int i) {
  const ints pair = load(w + 64 * (i % 4));
  return i < 4 ? low_nibbles(pair) : high_nibbles(pair);
}

// Bit i of byte k is column 4i + k. As +1 and -1 are 2 - 1 and 0 - 1, bits become 2 and 0.
INLINE ints unpack_int1(const uint8_t *w, const int i) {
  const ints bits = load(w);
  return second_bits(i == 0 ? bytes_left(bits, 1) : bytes_right(bits, i - 1));
}

// Two bits number c of byte k of word j are column 16j + 4c + k.
INLINE ints unpack_int2(const uint8_t *w, const int i) { return low_pairs(bytes_right(load(w + 64 * (i / 4)), 2 * (i % 4))); }

INLINE ints unpack_int8(const uint8_t *w, const int i) { return widen_bytes(w + 32 * i); }

INLINE ints unpack_int16(const uint8_t *w, const int i) { return load(w + 64 * i); }

INLINE ints unpack_uint4(const uint8_t *w, const int i) { return unpack_int4(w, i); }
INLINE ints unpack_uint2(const uint8_t *w, const int i) { return unpack_int2(w, i); }
INLINE ints unpack_uint8(const uint8_t *w, const int i) { return unpack_int8(w, i); }

// --- products ------------------------------------------------------------------------------------------------------

typedef ints Unpack(const uint8_t *w, int i);

// Where a token's part of a block lies. Tokens of one panel are a constant apart: with a pointer for each of them, loading
// pointers would cost more than loading activations.
typedef struct {
  const uint8_t *codes, *scale, *offset;
} Lane;

INLINE Lane lane_of(const uint8_t *panels, const size_t panel, const int bits, const int t) {
  const int code_bytes = TOKENLOG_BLOCK * bits / 8;
  const uint8_t *p = panels + t / TOKENLOG_PANEL * panel, *behind = p + TOKENLOG_PANEL * code_bytes;
  const int lane = t % TOKENLOG_PANEL;
  return (Lane){p + lane * code_bytes, behind + 4 * lane, behind + 4 * (TOKENLOG_PANEL + lane)};
}

INLINE float number(const void *p) {
  float value;
  memcpy(&value, p, 4);
  return value;
}

// The sums of (q - centre) * q_x become those of (q - z) * q_x: integers below 2^24 all of them, so nothing is rounded. `offset`
// is -8 * sum(q_x); behind the scales stand centre - z.
INLINE row_floats with_zeros(const row_floats sum, const uint8_t *ws, const int32_t offset) {
  return fma_rows(load_row_scales(ws + 2 * TOKENLOG_TILE), (float)(offset / -8), sum);
}

// All tokens meet one register of weights before the next is unpacked: their sums wait for nothing, and only one register
// of weights is needed.
INLINE void bytes_strip(const Strip *s, const int tokens, row_floats *acc, const int bits, const int zero_code,
                        const int zeros, Unpack *const unpack) {
  const uint8_t *w = s->weights, *x = s->panels;
  const size_t blocks = s->blocks, step = panel_block_bytes(8), panel = blocks * step;
  UNROLL for (int t = 0; t < tokens; t++) acc[t] = no_rows();
  for (size_t first = 0; first < blocks; first += s->blocks_per_group, w += 2 * TOKENLOG_TILE * (1 + zeros)) {
    const uint8_t *const ws = w - s->scales;
    const row_floats scale = load_row_scales(ws);
    const size_t left = blocks - first, group = s->blocks_per_group;
    for (size_t b = left < group ? left : group; b > 0; b--, w += 64 * bits, x += step) {
      prefetch(w, 64 * bits + 2 * TOKENLOG_TILE * (1 + zeros));
      int32_t offset[BYTES_TOKENS];
      sums sum[BYTES_TOKENS];
      UNROLL for (int t = 0; t < tokens; t++) {
        const int32_t offset_8 = word(lane_of(x, panel, 8, t).offset, 0); // -8 * sum(q_x)
        offset[t] = zero_code == 8 ? offset_8 : offset_8 / 8 * zero_code;
        sum[t] = begin4(offset[t]);
      }
      UNROLL for (int k = 0; k < 8; k++) {
        const int i = k / 2 + k % 2 * 4; // both halves of what was loaded
        const ints q = unpack(w, i);
        UNROLL for (int t = 0; t < tokens; t++) sum[t] = dot4(sum[t], q, word(lane_of(x, panel, 8, t).codes, i));
      }
      UNROLL for (int t = 0; t < tokens; t++) {
        row_floats total = end4(sum[t], offset[t]);
        if (zeros) total = with_zeros(total, ws, word(lane_of(x, panel, 8, t).offset, 0));
        acc[t] = fma_scaled(total, scale, number(lane_of(x, panel, 8, t).scale), acc[t]);
      }
    }
  }
}

INLINE void words_strip(const Strip *s, const int tokens, row_floats *acc, const int bits, const int zero_code,
                        const int zeros, Unpack *const unpack) {
  (void)zero_code;
  const uint8_t *w = s->weights, *x = s->panels;
  const size_t blocks = s->blocks, step = panel_block_bytes(16), panel = blocks * step;
  UNROLL for (int t = 0; t < tokens; t++) acc[t] = no_rows();
  for (size_t first = 0; first < blocks; first += s->blocks_per_group, w += 2 * TOKENLOG_TILE * (1 + zeros)) {
    const uint8_t *const ws = w - s->scales;
    const row_floats stored = load_row_scales(ws), scale = bits == 16 ? times(stored, 0x1p-15f) : stored;
    const size_t left = blocks - first, group = s->blocks_per_group;
    for (size_t b = left < group ? left : group; b > 0; b--, w += 64 * bits, x += step) {
      prefetch(w, 64 * bits + 2 * TOKENLOG_TILE * (1 + zeros));
      wide_sums sum[WORDS_TOKENS];
      UNROLL for (int t = 0; t < tokens; t++) sum[t] = begin2();
      UNROLL for (int i = 0; i < 16; i++) {
        const ints q = unpack(w, i);
        UNROLL for (int t = 0; t < tokens; t++) sum[t] = dot2(sum[t], q, word(lane_of(x, panel, 16, t).codes, i));
      }
      UNROLL for (int t = 0; t < tokens; t++) {
        row_floats total = end2(sum[t]);
        if (zeros) total = with_zeros(total, ws, word(lane_of(x, panel, 16, t).offset, 0));
        acc[t] = fma_scaled(total, scale, number(lane_of(x, panel, 16, t).scale), acc[t]);
      }
    }
  }
}

typedef void Run(const Strip *, row_floats *acc);

// One function per form and number of tokens, so that sums stay in registers.
#define RUN(NAME, BITS, ZERO, ZEROS, STRIP, TOKENS)                 \
  static void NAME##_##TOKENS(const Strip *s, row_floats *acc) {    \
    row_floats results[TOKENS];                                     \
    STRIP(s, TOKENS, results, BITS, ZERO, ZEROS, unpack_##NAME);    \
    UNROLL for (int t = 0; t < TOKENS; t++) acc[t] = results[t]; \
  }
#define RUN_NAME(NAME, BITS, ZERO, ZEROS, STRIP, TOKENS) NAME##_##TOKENS,

#define UP_TO_1(M, ...) M(__VA_ARGS__, 1)
#define UP_TO_2(M, ...) UP_TO_1(M, __VA_ARGS__) M(__VA_ARGS__, 2)
#define UP_TO_3(M, ...) UP_TO_2(M, __VA_ARGS__) M(__VA_ARGS__, 3)
#define UP_TO_4(M, ...) UP_TO_3(M, __VA_ARGS__) M(__VA_ARGS__, 4)
#define UP_TO_5(M, ...) UP_TO_4(M, __VA_ARGS__) M(__VA_ARGS__, 5)
#define UP_TO_6(M, ...) UP_TO_5(M, __VA_ARGS__) M(__VA_ARGS__, 6)
#define UP_TO_7(M, ...) UP_TO_6(M, __VA_ARGS__) M(__VA_ARGS__, 7)
#define UP_TO_8(M, ...) UP_TO_7(M, __VA_ARGS__) M(__VA_ARGS__, 8)
#define UP_TO_9(M, ...) UP_TO_8(M, __VA_ARGS__) M(__VA_ARGS__, 9)
#define UP_TO_10(M, ...) UP_TO_9(M, __VA_ARGS__) M(__VA_ARGS__, 10)
#define UP_TO_11(M, ...) UP_TO_10(M, __VA_ARGS__) M(__VA_ARGS__, 11)
#define UP_TO_12(M, ...) UP_TO_11(M, __VA_ARGS__) M(__VA_ARGS__, 12)

#define CONCAT_(A, B) A##B
#define CONCAT(A, B) CONCAT_(A, B)
#define STRIP_OF_BYTES bytes_strip
#define STRIP_OF_WORDS words_strip
#define RUNS(NAME, BITS, ZERO, ACTIVATIONS, ZEROS)                                           \
  CONCAT(UP_TO_, ACTIVATIONS##_TOKENS)(RUN, NAME, BITS, ZERO, ZEROS, STRIP_OF_##ACTIVATIONS) \
  static Run *const NAME##_runs[] = {                                                        \
      CONCAT(UP_TO_, ACTIVATIONS##_TOKENS)(RUN_NAME, NAME, BITS, ZERO, ZEROS, STRIP_OF_##ACTIVATIONS)};
FORM_LIST(RUNS)

enum { MAX_TOKENS = BYTES_TOKENS > WORDS_TOKENS ? BYTES_TOKENS : WORDS_TOKENS };

_Static_assert(BYTES_TOKENS % TOKENLOG_PANEL == 0 && WORDS_TOKENS % TOKENLOG_PANEL == 0, "rounds begin with a panel");

// All strips of a product. Panels of tokens are shared out evenly over as few rounds as possible.
static void multiply_with(const Product *p, Run *const *runs, const int max_tokens, const Form *form) {
  const int lane_bytes = form->lane_bytes;
  const int32_t panels = (p->tokens + TOKENLOG_PANEL - 1) / TOKENLOG_PANEL, most = max_tokens / TOKENLOG_PANEL;
  const int32_t rounds = (panels + most - 1) / most;
  const size_t panel_size = p->blocks * panel_block_bytes(form->activations);
  int32_t lane = p->from_lane; // the first one that is wanted, counted over all tiles
  const int32_t end = p->from_lane + p->rows;
  while (lane < end) {
    const int32_t tile = lane / TOKENLOG_TILE, strip = lane % TOKENLOG_TILE / ROWS;
    const int32_t start = tile * TOKENLOG_TILE + strip * ROWS;
    const int32_t stop = start + ROWS < end ? start + ROWS : end;
    const uint8_t *const scales = p->packed + tile * p->tile_bytes + strip * ROWS * 2;
    const uint8_t *const weights = p->packed + tile * p->tile_bytes + group_bytes(form) + strip * ROWS * lane_bytes;
    int32_t panel = 0;
    for (int32_t round = 0; round < rounds; round++) {
      const int32_t until = (int64_t)panels * (round + 1) / rounds, done = panel * TOKENLOG_PANEL;
      const int32_t tokens = (until < panels ? until * TOKENLOG_PANEL : p->tokens) - done;
      const Strip s = {weights, weights - scales, p->panels + panel * panel_size, p->blocks, p->blocks_per_group};
      row_floats acc[MAX_TOKENS];
      runs[tokens - 1](&s, acc);
      for (int32_t t = 0; t < tokens; t++) {
        float *out = p->out + (done + t) * p->out_stride + (lane - p->from_lane);
        if (stop - lane == ROWS) {
          store_rows(out, acc[t]);
        } else {
          float lanes[ROWS];
          store_rows(lanes, acc[t]);
          memcpy(out, lanes + (lane - start), sizeof(float) * (stop - lane));
        }
      }
      panel = until;
    }
    lane = stop;
  }
}

static void multiply(int32_t code, const Product *p) {
  switch (code) {
#define CASE(NAME, LABEL, PER_BYTE, PLANE, FORM, CENTRE)                                                                  \
  case CODE_##NAME:                                                                                                       \
    multiply_with(p, FORM##_runs, form_##FORM.activations == BITS_OF_BYTES ? BYTES_TOKENS : WORDS_TOKENS, &form_##FORM); \
    break;
    CODE_LIST(CASE)
#undef CASE
  }
}

INLINE void quantize_block(const float *x, int32_t largest, int32_t lane, int16_t *codes, float *scale, uint8_t *panel) {
  int32_t rounded[TOKENLOG_BLOCK], sum = 0;
  const float s = round_block(x, largest, rounded);
  for (int i = 0; i < TOKENLOG_BLOCK; i++) sum += rounded[i];
  int16_t words[TOKENLOG_BLOCK];
  for (int i = 0; i < TOKENLOG_BLOCK; i++) words[i] = rounded[i];
  if (codes) memcpy(codes, words, sizeof words);
  if (scale) *scale = s;
  const int bits = largest <= 127 ? 8 : 16, code_bytes = TOKENLOG_BLOCK * bits / 8;
  uint8_t *const behind = panel + TOKENLOG_PANEL * code_bytes;
  sum *= -8;
  memcpy(behind + 4 * (TOKENLOG_PANEL + lane), &sum, 4);
  if (bits == 8) {
    int8_t bytes[TOKENLOG_BLOCK];
    for (int i = 0; i < TOKENLOG_BLOCK; i++) bytes[i] = rounded[i];
    memcpy(panel + lane * code_bytes, bytes, sizeof bytes);
  } else {
    memcpy(panel + lane * code_bytes, words, sizeof words);
  }
  memcpy(behind + 4 * lane, &s, 4);
}

static void quantize(const float *x, int32_t columns, int32_t largest, int32_t lane, int16_t *codes, float *scales,
                     uint8_t *panel) {
  const size_t step = panel_block_bytes(largest <= 127 ? 8 : 16);
  for (int32_t from = 0; from < columns; from += TOKENLOG_BLOCK) {
    const int32_t block = from / TOKENLOG_BLOCK;
    float last[TOKENLOG_BLOCK] = {0};
    const float *values = x + from;
    if (columns - from < TOKENLOG_BLOCK) {
      memcpy(last, values, sizeof(float) * (columns - from));
      values = last;
    }
    quantize_block(values, largest, lane, codes ? codes + from : 0, scales ? scales + block : 0, panel + block * step);
  }
}

// Several sums, so that none waits for another.
static void read_all(const uint8_t *memory, int64_t bytes, int64_t *sum) {
  int64_t sums[32] = {0};
  for (int64_t i = 0; i + 256 <= bytes; i += 256) {
    int64_t words[32];
    prefetch(memory + i, 256);
    memcpy(words, memory + i, sizeof words);
    for (int k = 0; k < 32; k++) sums[k] ^= words[k];
  }
  for (int64_t i = bytes / 256 * 256; i < bytes; i += 8) {
    int64_t one;
    memcpy(&one, memory + i, sizeof one);
    sums[0] ^= one;
  }
  for (int k = 1; k < 32; k++) sums[0] ^= sums[k];
  *sum = sums[0];
}

#define ENTRY(NAME, PARAMETERS) .NAME = NAME,
const Kernels CONCAT(kernels_, TIER) = {KERNEL_LIST(ENTRY)};

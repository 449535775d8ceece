// The kernels, compiled once per tier: TIER is the tier's name, SIMD its header. The rows of a tile are the lanes of a
// register (or of two), so nothing is ever summed across lanes, and every output sees its blocks in ascending order:
//
//   acc = fma((float) sum_of_block(q_w * q_x), s_w * s_x, acc)
//
// int4 is stored as q + 8, without a sign, as the dot product instructions want it; -8 * sum(q_x) puts that right.
#include "kernels.h"

#include <string.h>

#include SIMD

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

// Memory of no particular alignment or type.
INLINE int32_t word(const void *p, int32_t index) {
  int32_t value;
  memcpy(&value, (const char *)p + 4 * (size_t)index, 4);
  return value;
}

// Weights are read once per token (or per few), in order: asking for them this far ahead is worth 30 % of the speed with one
// token and more than half of it with eight. Asking beyond the end is harmless.
enum { AHEAD = 4096 };

INLINE void prefetch_codes(const uint8_t *w, const int bytes) {
  UNROLL for (int i = 0; i < bytes; i += 64) __builtin_prefetch(w + AHEAD + i);
}

INLINE void prefetch_scales(const uint8_t *ws, const int block) {
  __builtin_prefetch(ws + AHEAD / block * 2 * TOKENLOG_TILE);
}

// What a kernel for LANES rows and a fixed number of tokens works on.
typedef struct {
  const uint8_t *weights; // codes of the tile, from the first of the lanes on
  const uint8_t *scales;  // likewise
  const char *codes;      // of the first of the tokens
  const float *token_scales;
  const int32_t *offsets;
  int32_t blocks, blocks_per_group;
} Strip;

INLINE void int4_strip(const Strip *s, const int tokens, floats *acc) {
  const uint8_t *w = s->weights;
  const uint8_t *ws = s->scales;
  const size_t blocks = s->blocks;
  UNROLL for (int t = 0; t < tokens; t++) acc[t] = zero();
  for (size_t first = 0; first < blocks; first += s->blocks_per_group, ws += 2 * TOKENLOG_TILE) {
    prefetch_scales(ws, 256);
    const floats scale = load_halves(ws);
    const size_t left = blocks - first, group = s->blocks_per_group;
    const size_t end = first + (left < group ? left : group);
    for (size_t b = first; b < end; b++, w += 256) {
      prefetch_codes(w, 256);
      ints q[8];
      UNROLL for (int i = 0; i < 4; i++) {
        const ints pair = load(w + 64 * i);
        q[i] = low_nibbles(pair);
        q[i + 4] = high_nibbles(pair);
      }
      UNROLL for (int t = 0; t < tokens; t++) {
        const char *x = s->codes + 32 * (t * blocks + b);
        const int32_t offset = s->offsets[t * blocks + b];
        ints sum = begin4(offset);
        UNROLL for (int i = 0; i < 8; i++) sum = dot4(sum, q[i], word(x, i));
        acc[t] = fma_scaled(end4(sum, offset), scale, s->token_scales[t * blocks + b], acc[t]);
      }
    }
  }
}

INLINE void int8_strip(const Strip *s, const int tokens, floats *acc) {
  enum { STEPS = 16 / INT8_PARTS };
  const uint8_t *w = s->weights;
  const uint8_t *ws = s->scales;
  const size_t blocks = s->blocks;
  UNROLL for (int t = 0; t < tokens; t++) acc[t] = zero();
  for (size_t first = 0; first < blocks; first += s->blocks_per_group, ws += 2 * TOKENLOG_TILE) {
    prefetch_scales(ws, 512);
    const floats scale = load_halves(ws);
    const size_t left = blocks - first, group = s->blocks_per_group;
    const size_t end = first + (left < group ? left : group);
    for (size_t b = first; b < end; b++, w += 512) {
      prefetch_codes(w, 512);
      ints sum[INT8_TOKENS];
      UNROLL for (int t = 0; t < tokens; t++) sum[t] = begin2();
      UNROLL for (int part = 0; part < INT8_PARTS; part++) {
        ints q[STEPS];
        UNROLL for (int i = 0; i < STEPS; i++) q[i] = widen_bytes(w + 32 * (part * STEPS + i));
        UNROLL for (int t = 0; t < tokens; t++) {
          const char *x = s->codes + 64 * (t * blocks + b);
          UNROLL for (int i = 0; i < STEPS; i++) sum[t] = dot2(sum[t], q[i], word(x, part * STEPS + i));
        }
      }
      UNROLL for (int t = 0; t < tokens; t++)
        acc[t] = fma_scaled(end2(sum[t]), scale, s->token_scales[t * blocks + b], acc[t]);
    }
  }
}

typedef void Run(const Strip *, floats *acc);

// One function per number of tokens, so that sums stay in registers.
#define RUN(CODE, TOKENS)                                                                                 \
  static void CODE##_##TOKENS(const Strip *s, floats *acc) {                                              \
    floats sums[TOKENS];                                                                                  \
    CODE##_strip(s, TOKENS, sums);                                                                        \
    UNROLL for (int t = 0; t < TOKENS; t++) acc[t] = sums[t];                                             \
  }
#define RUNS_3(CODE) RUN(CODE, 1) RUN(CODE, 2) RUN(CODE, 3)
#define RUNS_4(CODE) RUNS_3(CODE) RUN(CODE, 4)
#define RUNS_12(CODE) \
  RUNS_4(CODE) RUN(CODE, 5) RUN(CODE, 6) RUN(CODE, 7) RUN(CODE, 8) RUN(CODE, 9) RUN(CODE, 10) RUN(CODE, 11) RUN(CODE, 12)
#define NAMES_3(CODE) CODE##_1, CODE##_2, CODE##_3
#define NAMES_4(CODE) NAMES_3(CODE), CODE##_4
#define NAMES_12(CODE) \
  NAMES_4(CODE), CODE##_5, CODE##_6, CODE##_7, CODE##_8, CODE##_9, CODE##_10, CODE##_11, CODE##_12

#ifdef __AVX512VNNI__
RUNS_12(int4)
RUNS_12(int8)
static Run *const int4_runs[] = {NAMES_12(int4)};
static Run *const int8_runs[] = {NAMES_12(int8)};
#else
RUNS_4(int4)
RUNS_3(int8)
static Run *const int4_runs[] = {NAMES_4(int4)};
static Run *const int8_runs[] = {NAMES_3(int8)};
#endif
_Static_assert(sizeof int4_runs / sizeof *int4_runs == INT4_TOKENS, "a function per number of tokens");
_Static_assert(sizeof int8_runs / sizeof *int8_runs == INT8_TOKENS, "a function per number of tokens");

// All strips of a product. Tokens are shared out evenly over as few rounds as possible.
INLINE void multiply(const Product *p, Run *const *runs, const int max_tokens, int lane_bytes, int block, int code_bytes) {
  enum { STRIPS = TOKENLOG_TILE / LANES };
  const int32_t rounds = (p->tokens + max_tokens - 1) / max_tokens;
  const size_t code_size = (size_t)p->blocks * block;
  int32_t lane = p->from_lane; // the first one that is wanted, counted over all tiles
  const int32_t end = p->from_lane + p->rows;
  while (lane < end) {
    const int32_t tile = lane / TOKENLOG_TILE, strip = lane % TOKENLOG_TILE / LANES;
    const int32_t start = tile * TOKENLOG_TILE + strip * LANES;
    const int32_t stop = start + LANES < end ? start + LANES : end;
    const uint8_t *weights = p->packed + tile * p->tile_bytes;
    int32_t done = 0;
    for (int32_t round = 0; round < rounds; round++) {
      const int32_t until = (int64_t)p->tokens * (round + 1) / rounds, tokens = until - done;
      const Strip s = {weights + strip * LANES * lane_bytes,
                       weights + code_size + strip * LANES * 2,
                       (const char *)p->codes + (size_t)done * p->blocks * TOKENLOG_BLOCK * code_bytes,
                       p->scales + (size_t)done * p->blocks,
                       p->offsets ? p->offsets + (size_t)done * p->blocks : 0,
                       p->blocks,
                       p->blocks_per_group};
      floats acc[INT4_TOKENS > INT8_TOKENS ? INT4_TOKENS : INT8_TOKENS];
      runs[tokens - 1](&s, acc);
      for (int32_t t = 0; t < tokens; t++) {
        float *out = p->out + (done + t) * p->out_stride + (lane - p->from_lane);
        if (stop - lane == LANES) {
          store(out, acc[t]);
        } else {
          float lanes[LANES];
          store(lanes, acc[t]);
          memcpy(out, lanes + (lane - start), sizeof(float) * (stop - lane));
        }
      }
      done = until;
    }
    lane = stop;
  }
}

static void multiply_int4(const Product *p) { multiply(p, int4_runs, INT4_TOKENS, 4, 256, 1); }

static void multiply_int8(const Product *p) { multiply(p, int8_runs, INT8_TOKENS, 2, 512, 2); }

// s = amax / Q, q = roundTiesToEven(x * (Q / amax)); below 2^-116 all are 0. Not a number counts as the largest magnitude
// (so the scale becomes one, too) and has code 0.
INLINE void quantize_block(const float *x, int32_t largest, int16_t *codes, int8_t *bytes, float *scale, int32_t *offset) {
  uint32_t bits[TOKENLOG_BLOCK], maximum_bits = 0;
  memcpy(bits, x, sizeof bits);
  for (int i = 0; i < TOKENLOG_BLOCK; i++) {
    const uint32_t magnitude = bits[i] & 0x7fffffff;
    maximum_bits = magnitude > maximum_bits ? magnitude : maximum_bits;
  }
  float maximum;
  memcpy(&maximum, &maximum_bits, 4);
  const int tiny = maximum < 0x1p-116f;
  const float limit = largest, inverse = tiny ? 0 : limit / maximum;
  int32_t rounded[TOKENLOG_BLOCK], sum = 0;
  for (int i = 0; i < TOKENLOG_BLOCK; i++) {
    const float product = x[i] * inverse;
    rounded[i] = (int32_t)__builtin_rintf(product == product ? product : 0);
    sum += rounded[i];
  }
  for (int i = 0; i < TOKENLOG_BLOCK; i++) codes[i] = rounded[i];
  *scale = tiny ? 0 : maximum / limit;
  if (bytes) {
    for (int i = 0; i < TOKENLOG_BLOCK; i++) bytes[i] = rounded[i];
    *offset = -8 * sum;
  }
}

static void quantize(const float *x, int32_t columns, int32_t largest, int16_t *codes, int8_t *bytes, float *scales,
                     int32_t *offsets) {
  for (int32_t from = 0; from < columns; from += TOKENLOG_BLOCK) {
    const int32_t block = from / TOKENLOG_BLOCK;
    float last[TOKENLOG_BLOCK] = {0};
    const float *values = x + from;
    if (columns - from < TOKENLOG_BLOCK) {
      memcpy(last, values, sizeof(float) * (columns - from));
      values = last;
    }
    quantize_block(values, largest, codes + from, bytes ? bytes + from : 0, scales + block, offsets ? offsets + block : 0);
  }
}

// Several sums, so that none waits for another.
static void read_all(const uint8_t *memory, int64_t bytes, int64_t *sum) {
  int64_t sums[32] = {0};
  for (int64_t i = 0; i + 256 <= bytes; i += 256) {
    int64_t words[32];
    __builtin_prefetch(memory + i + AHEAD);
    __builtin_prefetch(memory + i + AHEAD + 64);
    __builtin_prefetch(memory + i + AHEAD + 128);
    __builtin_prefetch(memory + i + AHEAD + 192);
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

#define CONCAT_(A, B) A##B
#define CONCAT(A, B) CONCAT_(A, B)
#define ENTRY(NAME, PARAMETERS) .NAME = NAME,
const Kernels CONCAT(kernels_, TIER) = {KERNEL_LIST(ENTRY)};

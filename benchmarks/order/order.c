// What the order of sums that docs/numerics.md demands costs: one matrix of 4-bit weights in groups of 32, in tiles of 16 rows,
// times many tokens of 8-bit activations, in the order of cpu-2 and in others. For AVX-512 VNNI.
//
//   order [TOKENS] [THREADS] [ROUNDS]
//
// The first three orders compute from the same numbers. The others need coarser scales, so they are formats of their own and
// answers of another accuracy; they show what the scales themselves cost. Each order is tried in five shapes of its inner loop
// (tiles of rows x tokens), in turns, and its fastest shape counts.
#include <immintrin.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 32")

// The gate and up projections of TinyLlama-1.1B, one matrix.
enum { ROWS = 11264, COLUMNS = 2048, GROUP = 32, LANES = 16, GROUPS = COLUMNS / GROUP, TILES = ROWS / LANES };
enum { OPERANDS = GROUP / 4, CODES = GROUP * LANES / 2, BLOCK = CODES + 2 * LANES, TILE = GROUPS * BLOCK };
enum { MOST_TOKENS = 480, MOST_THREADS = 64, MOST_ROUNDS = 1000, REST = 4 };

typedef enum { FIXED, TWO_SUMS, SCALES_APART, SCALE_OF_64, SCALE_OF_TOKEN, NO_SCALES, ORDERS } Order;

static const char *const order_names[] = {
    "cpu-2: fma((float) i, s_w * s_x, sum), blocks ascending",
    "same numbers: two sums, of even and of odd blocks",
    "same numbers: fma((float) i * s_x, s_w, sum)",
    "activations scaled in 64 columns: fma(pair of blocks, s_x, sum)",
    "activations scaled once a token: fma((float) i, s_w, sum)",
    "one scale a row and a token: integers alone",
};

typedef enum { S1X12, S1X8, S1X6, S2X6, S2X4, SHAPES } Shape;
static const char *const shape_names[] = {"1 x 12", "1 x 8", "1 x 6", "2 x 6", "2 x 4"};
static const int shape_tokens[] = {12, 8, 6, 6, 4};

// Weights: [tile][group]: 256 bytes of codes, 16 scales. Activations in panels of as many tokens as the loop takes at once:
// [panel][group]: codes [token][32], scales, offsets (-8 times the sum of the codes).
static uint8_t *weights;
static int8_t codes[MOST_TOKENS][COLUMNS];
static float scales[MOST_TOKENS][GROUPS];
static char *panels[SHAPES];
static float *out;

enum { TOKEN = GROUP + 4 + 4 };

INLINE __m512 widened(const uint8_t *scale) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)scale)); }

INLINE __m512 broadcast_float(const char *p) {
  float f;
  memcpy(&f, p, 4);
  return _mm512_set1_ps(f);
}

INLINE __m512i broadcast(const char *p) {
  int32_t word;
  memcpy(&word, p, 4);
  return _mm512_set1_epi32(word);
}

// The exact sums of one group: `tiles` of rows, TILE bytes apart, times `tokens`.
INLINE void integers(const uint8_t *w, const char *x, const int tiles, const int tokens, __m512i sum[2][12]) {
  const __m512i nibble = _mm512_set1_epi8(15);
  UNROLL for (int t = 0; t < tokens; t++) {
    const __m512i offset = broadcast(x + tokens * (GROUP + 4) + 4 * t);
    UNROLL for (int r = 0; r < tiles; r++) sum[r][t] = offset;
  }
  UNROLL for (int i = 0; i < OPERANDS; i++) {
    __m512i operand[2];
    UNROLL for (int r = 0; r < tiles; r++) {
      __m512i two = _mm512_loadu_si512(w + (size_t)r * TILE + 64 * (i % 4));
      operand[r] = _mm512_and_si512(i < 4 ? two : _mm512_srli_epi16(two, 4), nibble);
    }
    UNROLL for (int t = 0; t < tokens; t++) {
      const __m512i four = broadcast(x + GROUP * t + 4 * i);
      UNROLL for (int r = 0; r < tiles; r++) sum[r][t] = _mm512_dpbusd_epi32(sum[r][t], operand[r], four);
    }
  }
}

INLINE void multiply_panel(const Order order, const int tiles, const int tokens, const uint8_t *w, const char *x, float *to) {
  __m512 total[2][12], other[2][12];
  __m512i whole[2][12];
  UNROLL for (int r = 0; r < tiles; r++) UNROLL for (int t = 0; t < tokens; t++) {
    total[r][t] = other[r][t] = _mm512_setzero_ps();
    whole[r][t] = _mm512_setzero_si512();
  }
  const int together = order == TWO_SUMS || order == SCALE_OF_64 ? 2 : 1;
  const size_t bytes = (size_t)tokens * TOKEN;
  for (int g = 0; g < GROUPS; g += together, w += together * BLOCK, x += together * bytes) {
    __m512i sum[2][12];
    integers(w, x, tiles, tokens, sum);
    UNROLL for (int r = 0; r < tiles; r++) {
      const __m512 scale = widened(w + (size_t)r * TILE + CODES);
      UNROLL for (int t = 0; t < tokens; t++) {
        const __m512 i = _mm512_cvtepi32_ps(sum[r][t]);
        const char *s = x + tokens * GROUP + 4 * t;
        switch (order) {
          case FIXED:
          case TWO_SUMS:
            total[r][t] = _mm512_fmadd_ps(i, _mm512_mul_ps(scale, broadcast_float(s)), total[r][t]);
            break;
          case SCALES_APART:
            total[r][t] = _mm512_fmadd_ps(_mm512_mul_ps(i, broadcast_float(s)), scale, total[r][t]);
            break;
          case SCALE_OF_64:
            other[r][t] = _mm512_mul_ps(i, scale);
            break;
          case SCALE_OF_TOKEN:
            total[r][t] = _mm512_fmadd_ps(i, scale, total[r][t]);
            break;
          default:
            whole[r][t] = _mm512_add_epi32(whole[r][t], sum[r][t]);
        }
      }
    }
    if (together == 2) {
      integers(w + BLOCK, x + bytes, tiles, tokens, sum);
      UNROLL for (int r = 0; r < tiles; r++) {
        const __m512 scale = widened(w + BLOCK + (size_t)r * TILE + CODES);
        UNROLL for (int t = 0; t < tokens; t++) {
          const __m512 i = _mm512_cvtepi32_ps(sum[r][t]);
          const __m512 s = broadcast_float(x + bytes + tokens * GROUP + 4 * t);
          if (order == TWO_SUMS)
            other[r][t] = _mm512_fmadd_ps(i, _mm512_mul_ps(scale, s), other[r][t]);
          else
            total[r][t] = _mm512_fmadd_ps(_mm512_fmadd_ps(i, scale, other[r][t]), s, total[r][t]);
        }
      }
    }
  }
  // Scales that stand for a whole row are taken at the end: those of the first group.
  UNROLL for (int r = 0; r < tiles; r++) UNROLL for (int t = 0; t < tokens; t++) {
    __m512 y = order == NO_SCALES ? _mm512_cvtepi32_ps(whole[r][t]) : total[r][t];
    if (order == TWO_SUMS) y = _mm512_add_ps(y, other[r][t]);
    if (order == NO_SCALES) y = _mm512_mul_ps(y, widened(w - TILE + (size_t)r * TILE + CODES));
    if (order >= SCALE_OF_TOKEN) y = _mm512_mul_ps(y, broadcast_float(x - GROUPS * bytes + tokens * GROUP + 4 * t));
    _mm512_storeu_ps(to + (size_t)t * ROWS + r * LANES, y);
  }
}

// Tiles from..to times all tokens: whole panels, then panels of 4.
#define KERNEL(ORDER, R, T)                                                                                    \
  static __attribute__((noinline)) void ORDER##_##R##_##T(int from, int to, const char *x, int tokens) {      \
    for (int tile = from; tile < to; tile += R) {                                                              \
      const uint8_t *w = weights + (size_t)tile * TILE;                                                        \
      float *y = out + tile * LANES;                                                                           \
      int t = 0;                                                                                               \
      for (; t + T <= tokens; t += T)                                                                          \
        multiply_panel(ORDER, R, T, w, x + (size_t)t * GROUPS * TOKEN, y + (size_t)t * ROWS);                  \
      for (; t < tokens; t += REST)                                                                            \
        multiply_panel(ORDER, R, REST, w, x + (size_t)t * GROUPS * TOKEN, y + (size_t)t * ROWS);               \
    }                                                                                                          \
  }
#define KERNELS(ORDER) KERNEL(ORDER, 1, 12) KERNEL(ORDER, 1, 8) KERNEL(ORDER, 1, 6) KERNEL(ORDER, 2, 6) KERNEL(ORDER, 2, 4)
KERNELS(FIXED)
KERNELS(TWO_SUMS)
KERNELS(SCALES_APART)
KERNELS(SCALE_OF_64)
KERNELS(SCALE_OF_TOKEN)
KERNELS(NO_SCALES)
typedef void Kernel(int, int, const char *, int);
#define ROW(ORDER) {ORDER##_1_12, ORDER##_1_8, ORDER##_1_6, ORDER##_2_6, ORDER##_2_4}
static Kernel *const kernels[ORDERS][SHAPES] = {ROW(FIXED),       ROW(TWO_SUMS),       ROW(SCALES_APART),
                                                ROW(SCALE_OF_64), ROW(SCALE_OF_TOKEN), ROW(NO_SCALES)};

static uint32_t state = 1;
static uint32_t random_bits(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

static void fill(int tokens) {
  weights = aligned_alloc(64, (size_t)TILES * TILE);
  out = aligned_alloc(64, sizeof(float) * ROWS * MOST_TOKENS);
  for (uint8_t *w = weights; w < weights + (size_t)TILES * TILE; w += BLOCK) {
    for (int i = 0; i < CODES; i++) w[i] = random_bits();
    for (int i = 0; i < LANES; i++) {
      const uint16_t half = 0x1c00 + random_bits() % 0x800;  // 0.004 to 0.03
      memcpy(w + CODES + 2 * i, &half, 2);
    }
  }
  for (int t = 0; t < tokens; t++) {
    for (int c = 0; c < COLUMNS; c++) codes[t][c] = (int)(random_bits() % 255) - 127;
    for (int g = 0; g < GROUPS; g++) scales[t][g] = 0.01f + random_bits() % 1000 * 1e-5f;
  }
  for (int shape = 0; shape < SHAPES; shape++) {
    char *x = panels[shape] = aligned_alloc(64, ((size_t)tokens * GROUPS * TOKEN + 63) / 64 * 64);
    for (int t = 0, size; t < tokens; t += size) {
      size = t + shape_tokens[shape] <= tokens ? shape_tokens[shape] : REST;
      for (int g = 0; g < GROUPS; g++, x += size * TOKEN) {
        for (int i = 0; i < size; i++) {
          int32_t offset = 0;
          for (int c = 0; c < GROUP; c++) offset -= 8 * codes[t + i][g * GROUP + c];
          memcpy(x + GROUP * i, &codes[t + i][g * GROUP], GROUP);
          memcpy(x + GROUP * size + 4 * i, &scales[t + i][g], 4);
          memcpy(x + (GROUP + 4) * size + 4 * i, &offset, 4);
        }
      }
    }
  }
}

// One output as docs/numerics.md writes it down.
static float specified(int row, int token) {
  float sum = 0;
  for (int g = 0; g < GROUPS; g++) {
    const uint8_t *w = weights + (size_t)(row / LANES) * TILE + (size_t)g * BLOCK;
    int32_t i = 0;
    for (int c = 0; c < GROUP; c++) {
      const int operand = c / 4;
      const uint8_t two = w[64 * (operand % 4) + 4 * (row % LANES) + c % 4];
      i += ((operand < 4 ? two & 15 : two >> 4) - 8) * codes[token][g * GROUP + c];
    }
    uint16_t half;
    memcpy(&half, w + CODES + 2 * (row % LANES), 2);
    sum = fmaf((float)i, _cvtsh_ss(half) * scales[token][g], sum);
  }
  return sum;
}

// A fast order that computes something else would prove nothing.
static void check(Order order, Shape shape, int tokens) {
  for (int n = 0; n < 2000; n++) {
    const int row = random_bits() % ROWS, token = random_bits() % tokens;
    const float found = out[(size_t)token * ROWS + row], expected = specified(row, token);
    if (order == FIXED ? found != expected : order <= SCALES_APART && fabsf(found - expected) > 1e-3f) {
      fprintf(stderr, "%s, %s: row %d, token %d: %g instead of %g\n", order_names[order], shape_names[shape], row, token, found,
              expected);
      exit(1);
    }
  }
}

static int threads, tokens;
static Kernel *kernel;
static const char *activations;
static pthread_barrier_t begin, end;

static void part(int which) {
  // Pairs of tiles stay together.
  const int pairs = TILES / 2;
  kernel(pairs * which / threads * 2, pairs * (which + 1) / threads * 2, activations, tokens);
}

static void *helper(void *which) {
  for (;;) {
    pthread_barrier_wait(&begin);
    part((int)(intptr_t)which);
    pthread_barrier_wait(&end);
  }
  return NULL;
}

static double multiply(Order order, Shape shape) {
  struct timespec from, to;
  kernel = kernels[order][shape];
  activations = panels[shape];
  clock_gettime(CLOCK_MONOTONIC, &from);
  if (threads > 1) pthread_barrier_wait(&begin);
  part(0);
  if (threads > 1) pthread_barrier_wait(&end);
  clock_gettime(CLOCK_MONOTONIC, &to);
  return (to.tv_sec - from.tv_sec) + (to.tv_nsec - from.tv_nsec) * 1e-9;
}

static int ascending(const void *a, const void *b) {
  const double d = *(const double *)a - *(const double *)b;
  return d < 0 ? -1 : d > 0;
}

static double median(const double *values, int count) {
  static double sorted[MOST_ROUNDS];
  memcpy(sorted, values, sizeof(double) * count);
  qsort(sorted, count, sizeof(double), ascending);
  return sorted[count / 2];
}

int main(int argc, char **argv) {
  tokens = argc > 1 ? atoi(argv[1]) : 120;
  threads = argc > 2 ? atoi(argv[2]) : 1;
  const int rounds = argc > 3 ? atoi(argv[3]) : 30;
  if (tokens < 4 || tokens > MOST_TOKENS || tokens % 12 % 4 || tokens % 6 % 4 || tokens % 8 % 4 || threads < 1 ||
      threads > MOST_THREADS || rounds < 1 || rounds > MOST_ROUNDS) {
    fprintf(stderr, "usage: order [TOKENS (64 or 120)] [THREADS (to %d)] [ROUNDS (to %d)]\n", MOST_THREADS, MOST_ROUNDS);
    return 2;
  }
  if (!__builtin_cpu_supports("avx512vnni")) {
    fprintf(stderr, "skipped: this processor has no AVX-512 VNNI\n");
    return 0;
  }
  fill(tokens);
  pthread_barrier_init(&begin, NULL, threads);
  pthread_barrier_init(&end, NULL, threads);
  for (int i = 1; i < threads; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, helper, (void *)(intptr_t)i)) return 1;
  }
  static double seconds[ORDERS][SHAPES][MOST_ROUNDS];
  for (int round = -1; round < rounds; round++) {
    for (int shape = 0; shape < SHAPES; shape++) {
      for (int order = 0; order < ORDERS; order++) {
        const double took = multiply(order, shape);
        if (round < 0)
          check(order, shape, tokens);
        else
          seconds[order][shape][round] = took;
      }
    }
  }
  printf("%d x %d, %d tokens, %d threads, medians of %d rounds, billion multiply-adds a second\n", ROWS, COLUMNS, tokens, threads,
         rounds);
  printf("cpu-2 by shape:");
  for (int shape = 0; shape < SHAPES; shape++)
    printf("  %s: %.1f", shape_names[shape], 1e-9 * ROWS * COLUMNS * tokens / median(seconds[FIXED][shape], rounds));
  printf("\n");
  double fixed = 0;
  for (int order = 0; order < ORDERS; order++) {
    int best = 0;
    for (int shape = 1; shape < SHAPES; shape++)
      if (median(seconds[order][shape], rounds) < median(seconds[order][best], rounds)) best = shape;
    const double rate = 1e-9 * ROWS * COLUMNS * tokens / median(seconds[order][best], rounds);
    if (order == FIXED) fixed = rate;
    printf("%8.1f  %+6.1f %%  (%s)  %s\n", rate, 100 * (rate / fixed - 1), shape_names[best], order_names[order]);
  }
  return 0;
}

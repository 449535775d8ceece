// What the arithmetic of docs/numerics.md costs at least on a processor with AVX-512 VNNI: the quantized products and nothing
// around them, in the layout that suits them best (16 rows interleaved, scales beside their codes), with one exact sum of
// integers and one fma per group of 32 columns. A limit to hold the kernels against; nothing else calls it.
#include <stddef.h>
#include <string.h>

#include "tokenlog.h"

#if defined(__x86_64__) && defined(__AVX512VNNI__)
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

enum { GROUP = 32, LANES = 16, SCALES = 2 * LANES };

// One group of 16 rows, as registers of operands, and their scales behind them.
enum { INT4_CODES = GROUP * LANES / 2, INT8_CODES = GROUP * LANES, INT4_OPERANDS = 8, INT8_OPERANDS = 16 };

// The limit's activations: [token][group][32], int8 beside int4, int16 beside int8; scales and, for int4, the sum that
// takes the codes' offset of 8 back, [token][group].
typedef struct {
  const char *codes;
  const float *scales;
  const int32_t *offsets;
  size_t groups;
} Activations;

INLINE __m512i broadcast(const char *p) {
  int32_t word;
  memcpy(&word, p, 4);
  return _mm512_set1_epi32(word);
}

// 16 rows times a fixed number of tokens.
INLINE void rows_int4(const uint8_t *w, const Activations *x, const int tokens, float *out, size_t stride) {
  const __m512i nibble = _mm512_set1_epi8(15);
  __m512 total[12];
  UNROLL for (int t = 0; t < tokens; t++) total[t] = _mm512_setzero_ps();
  for (size_t g = 0; g < x->groups; g++, w += INT4_CODES + SCALES) {
    __m512i operand[INT4_OPERANDS];
    UNROLL for (int i = 0; i < INT4_OPERANDS / 2; i++) {
      const __m512i two = _mm512_loadu_si512(w + 64 * i);
      operand[i] = _mm512_and_si512(two, nibble);
      operand[i + INT4_OPERANDS / 2] = _mm512_and_si512(_mm512_srli_epi16(two, 4), nibble);
    }
    const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(w + INT4_CODES)));
    UNROLL for (int t = 0; t < tokens; t++) {
      const size_t at = t * x->groups + g;
      __m512i sum = _mm512_set1_epi32(x->offsets[at]);
      UNROLL for (int i = 0; i < INT4_OPERANDS; i++)
        sum = _mm512_dpbusd_epi32(sum, operand[i], broadcast(x->codes + GROUP * at + 4 * i));
      total[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(scale, _mm512_set1_ps(x->scales[at])), total[t]);
    }
  }
  UNROLL for (int t = 0; t < tokens; t++) _mm512_storeu_ps(out + t * stride, total[t]);
}

INLINE void rows_int8(const uint8_t *w, const Activations *x, const int tokens, float *out, size_t stride) {
  __m512 total[12];
  UNROLL for (int t = 0; t < tokens; t++) total[t] = _mm512_setzero_ps();
  for (size_t g = 0; g < x->groups; g++, w += INT8_CODES + SCALES) {
    __m512i operand[INT8_OPERANDS];
    UNROLL for (int i = 0; i < INT8_OPERANDS; i++)
      operand[i] = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(w + 32 * i)));
    const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(w + INT8_CODES)));
    UNROLL for (int t = 0; t < tokens; t++) {
      const size_t at = t * x->groups + g;
      __m512i sum = _mm512_setzero_si512();
      UNROLL for (int i = 0; i < INT8_OPERANDS; i++)
        sum = _mm512_dpwssd_epi32(sum, operand[i], broadcast(x->codes + 2 * GROUP * at + 4 * i));
      total[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(scale, _mm512_set1_ps(x->scales[at])), total[t]);
    }
  }
  UNROLL for (int t = 0; t < tokens; t++) _mm512_storeu_ps(out + t * stride, total[t]);
}

// `tiles` of 16 rows times `tokens`, a multiple of 12.
#define PRODUCT(CODE, BYTES)                                                                                              \
  static void product_##CODE(const uint8_t *w, int64_t tiles, size_t tile_bytes, const Activations *all, int32_t tokens, \
                             float *out, size_t stride) {                                                                  \
    for (int64_t tile = 0; tile < tiles; tile++, w += tile_bytes, out += LANES) {                                         \
      for (int32_t t = 0; t < tokens; t += 12) {                                                                           \
        const size_t at = t * all->groups;                                                                                 \
        const Activations x = {all->codes + BYTES * GROUP * at, all->scales + at, all->offsets + at, all->groups};         \
        rows_##CODE(w, &x, 12, out + t * stride, stride);                                                                  \
      }                                                                                                                     \
    }                                                                                                                       \
  }
PRODUCT(int4, 1)
PRODUCT(int8, 2)

int32_t tokenlog_yardstick(int32_t bits, const uint8_t *weights, int64_t tiles, int32_t columns, const char *codes,
                           const float *scales, const int32_t *offsets, int32_t tokens, float *out, int64_t stride) {
  const Activations x = {codes, scales, offsets, (size_t)columns / GROUP};
  if (bits == 4)
    product_int4(weights, tiles, x.groups * (INT4_CODES + SCALES), &x, tokens, out, stride);
  else
    product_int8(weights, tiles, x.groups * (INT8_CODES + SCALES), &x, tokens, out, stride);
  return 1;
}

#else

int32_t tokenlog_yardstick(int32_t bits, const uint8_t *weights, int64_t tiles, int32_t columns, const char *codes,
                           const float *scales, const int32_t *offsets, int32_t tokens, float *out, int64_t stride) {
  (void)bits, (void)weights, (void)tiles, (void)columns, (void)codes, (void)scales, (void)offsets, (void)tokens, (void)out,
      (void)stride;
  return 0;
}

#endif

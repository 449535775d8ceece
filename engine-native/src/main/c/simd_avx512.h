// AVX-512 F, BW, VL and VNNI: 16 lanes, a whole tile of rows.
#include <immintrin.h>

enum { LANES = 16 };

// Registers of positions, and of channels, that attention works on with 4 queries.
enum { SCORE_PARTS = 2, VALUE_PARTS = 4 };

// Tokens at once: what fits in 32 registers.
#define BYTES_TOKENS 12
#define WORDS_TOKENS 12

typedef __m512i ints, sums, wide_sums;
typedef __m512 floats;

static inline ints load(const void *p) { return _mm512_loadu_si512(p); }
static inline floats zero(void) { return _mm512_setzero_ps(); }
static inline floats load_halves(const uint8_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
// Rounded to nearest even.
static inline void store_halves(uint8_t *p, floats v) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
static inline floats load_floats(const float *p) { return _mm512_loadu_ps(p); }
static inline floats all(float x) { return _mm512_set1_ps(x); }
static inline floats fma_floats(floats a, floats b, floats c) { return _mm512_fmadd_ps(a, b, c); }
// a < b ? a : b and a > b ? a : b, so the second where one is not a number.
static inline floats smaller(floats a, floats b) { return _mm512_min_ps(a, b); }
static inline floats larger(floats a, floats b) { return _mm512_max_ps(a, b); }
// Larger as signed and as unsigned patterns.
static inline floats larger_signed(floats a, floats b) {
  return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
static inline floats larger_unsigned(floats a, floats b) {
  return _mm512_castsi512_ps(_mm512_max_epu32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
static inline uint32_t largest_pattern(floats v) { return _mm512_reduce_max_epu32(_mm512_castps_si512(v)); }
static inline uint16_t half_of(float x) { return _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT); }
static inline float float_of(uint16_t half) { return _cvtsh_ss(half); }
static inline __m512d widen(const float *p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
static inline floats load_bfloats(const uint8_t *p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}
static inline void store(float *p, floats v) { _mm512_storeu_ps(p, v); }
static inline floats fma_scaled(floats sum, floats ws, float xs, floats acc) {
  return _mm512_fmadd_ps(sum, _mm512_mul_ps(ws, _mm512_set1_ps(xs)), acc);
}
static inline ints low_nibbles(ints v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
static inline ints high_nibbles(ints v) { return low_nibbles(_mm512_srli_epi16(v, 4)); }
// What crosses a byte is masked out afterwards.
static inline ints bytes_left(ints v, int by) { return _mm512_slli_epi32(v, by); }
static inline ints bytes_right(ints v, int by) { return _mm512_srli_epi32(v, by); }
static inline ints second_bits(ints v) { return _mm512_and_si512(v, _mm512_set1_epi8(2)); }
static inline ints low_pairs(ints v) { return _mm512_and_si512(v, _mm512_set1_epi8(3)); }
static inline floats times(floats v, float x) { return _mm512_mul_ps(v, _mm512_set1_ps(x)); }
static inline floats fma_rows(floats a, float x, floats c) { return _mm512_fmadd_ps(a, _mm512_set1_ps(x), c); }
static inline ints widen_bytes(const uint8_t *p) { return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p)); }

// Sums of products of 4 unsigned and 4 signed bytes per lane; `x` holds the 4 signed ones.
static inline sums begin4(int32_t offset) { return _mm512_set1_epi32(offset); }
static inline sums dot4(sums sum, ints w, int32_t x) { return _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(x)); }
static inline floats end4(sums sum, int32_t offset) {
  (void)offset;
  return _mm512_cvtepi32_ps(sum);
}
static inline wide_sums begin2(void) { return _mm512_setzero_si512(); }
static inline wide_sums dot2(wide_sums sum, ints w, int32_t x) { return _mm512_dpwssd_epi32(sum, w, _mm512_set1_epi32(x)); }
static inline floats end2(wide_sums sum) { return _mm512_cvtepi32_ps(sum); }

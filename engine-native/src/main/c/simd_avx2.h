// AVX2 with FMA and F16C: 8 lanes. With -mavxvnni, dot products are single instructions.
#include <immintrin.h>

enum { LANES = 8 };

// Registers of positions, and of channels, that attention works on with 4 queries.
enum { SCORE_PARTS = 1, VALUE_PARTS = 2 };

// Tokens at once: what fits in 16 registers.
#define BYTES_TOKENS 4
#define WORDS_TOKENS 4

typedef __m256i ints, sums, wide_sums;
typedef __m256 floats;

static inline ints load(const void *p) { return _mm256_loadu_si256(p); }
static inline floats zero(void) { return _mm256_setzero_ps(); }
static inline floats load_halves(const uint8_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
// Rounded to nearest even.
static inline void store_halves(uint8_t *p, floats v) {
  _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
static inline floats load_floats(const float *p) { return _mm256_loadu_ps(p); }
static inline floats all(float x) { return _mm256_set1_ps(x); }
static inline floats fma_floats(floats a, floats b, floats c) { return _mm256_fmadd_ps(a, b, c); }
// a < b ? a : b and a > b ? a : b, so the second where one is not a number.
static inline floats smaller(floats a, floats b) { return _mm256_min_ps(a, b); }
static inline floats larger(floats a, floats b) { return _mm256_max_ps(a, b); }
// Larger as signed and as unsigned patterns.
static inline floats larger_signed(floats a, floats b) {
  return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}
static inline floats larger_unsigned(floats a, floats b) {
  return _mm256_castsi256_ps(_mm256_max_epu32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}
static inline uint32_t largest_pattern(floats v) {
  const __m256i patterns = _mm256_castps_si256(v);
  __m128i most = _mm_max_epu32(_mm256_castsi256_si128(patterns), _mm256_extracti128_si256(patterns, 1));
  most = _mm_max_epu32(most, _mm_shuffle_epi32(most, 0x4e));
  most = _mm_max_epu32(most, _mm_shuffle_epi32(most, 0xb1));
  return (uint32_t)_mm_cvtsi128_si32(most);
}
static inline uint16_t half_of(float x) { return _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT); }
static inline float float_of(uint16_t half) { return _cvtsh_ss(half); }
static inline __m256d widen(const float *p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
static inline floats load_bfloats(const uint8_t *p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
static inline void store(float *p, floats v) { _mm256_storeu_ps(p, v); }
static inline floats fma_scaled(floats sum, floats ws, float xs, floats acc) {
  return _mm256_fmadd_ps(sum, _mm256_mul_ps(ws, _mm256_set1_ps(xs)), acc);
}
static inline ints low_nibbles(ints v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }
static inline ints high_nibbles(ints v) { return low_nibbles(_mm256_srli_epi16(v, 4)); }
// What crosses a byte is masked out afterwards.
static inline ints bytes_left(ints v, int by) { return _mm256_slli_epi32(v, by); }
static inline ints bytes_right(ints v, int by) { return _mm256_srli_epi32(v, by); }
static inline ints second_bits(ints v) { return _mm256_and_si256(v, _mm256_set1_epi8(2)); }
static inline ints low_pairs(ints v) { return _mm256_and_si256(v, _mm256_set1_epi8(3)); }
static inline floats times(floats v, float x) { return _mm256_mul_ps(v, _mm256_set1_ps(x)); }
static inline floats fma_rows(floats a, float x, floats c) { return _mm256_fmadd_ps(a, _mm256_set1_ps(x), c); }
static inline ints widen_bytes(const uint8_t *p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)); }

// Sums of products of 4 unsigned and 4 signed bytes per lane; `x` holds the 4 signed ones.
#ifdef __AVXVNNI__
static inline sums begin4(int32_t offset) { return _mm256_set1_epi32(offset); }
static inline sums dot4(sums sum, ints w, int32_t x) { return _mm256_dpbusd_avx_epi32(sum, w, _mm256_set1_epi32(x)); }
static inline floats end4(sums sum, int32_t offset) {
  (void)offset;
  return _mm256_cvtepi32_ps(sum);
}
static inline wide_sums dot2(wide_sums sum, ints w, int32_t x) { return _mm256_dpwssd_avx_epi32(sum, w, _mm256_set1_epi32(x)); }
#else
// A block's sums fit in 16 bits: 8 steps of at most 2 * 15 * 127.
static inline sums begin4(int32_t offset) {
  (void)offset;
  return _mm256_setzero_si256();
}
static inline sums dot4(sums sum, ints w, int32_t x) {
  return _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, _mm256_set1_epi32(x)));
}
static inline floats end4(sums sum, int32_t offset) {
  ints pairs = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
  return _mm256_cvtepi32_ps(_mm256_add_epi32(pairs, _mm256_set1_epi32(offset)));
}
static inline wide_sums dot2(wide_sums sum, ints w, int32_t x) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(w, _mm256_set1_epi32(x)));
}
#endif
static inline wide_sums begin2(void) { return _mm256_setzero_si256(); }
static inline floats end2(wide_sums sum) { return _mm256_cvtepi32_ps(sum); }

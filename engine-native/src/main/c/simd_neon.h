// NEON: 4 lanes. With +dotprod, dot products of bytes are single instructions. Products work on 8 rows, two registers, so that
// activations that were spread over a register serve twice.
#include <arm_neon.h>

enum { LANES = 4 };

#define ROWS 8

// Registers of positions, and of channels, that attention works on with 4 queries.
enum { SCORE_PARTS = 2, VALUE_PARTS = 4 };

// Tokens at once: what fits in 32 registers.
#define BYTES_TOKENS 4
#define WORDS_TOKENS 4

typedef struct {
  uint8x16_t a, b; // lanes 0 to 3 and 4 to 7
} ints;

typedef float32x4_t floats;

typedef struct {
  floats a, b;
} row_floats;

static inline ints load(const uint8_t *p) { return (ints){vld1q_u8(p), vld1q_u8(p + 16)}; }
static inline floats zero(void) { return vdupq_n_f32(0); }
static inline floats load_halves(const uint8_t *p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }
// Rounded to nearest even.
static inline void store_halves(uint8_t *p, floats v) { vst1_u8(p, vreinterpret_u8_f16(vcvt_f16_f32(v))); }
static inline floats load_floats(const float *p) { return vld1q_f32(p); }
static inline floats all(float x) { return vdupq_n_f32(x); }
static inline floats fma_floats(floats a, floats b, floats c) { return vfmaq_f32(c, a, b); }
// a < b ? a : b and a > b ? a : b, so the second where one is not a number. (vminq and vmaxq are other functions.)
static inline floats smaller(floats a, floats b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline floats larger(floats a, floats b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
// Larger as signed and as unsigned patterns.
static inline floats larger_signed(floats a, floats b) {
  return vreinterpretq_f32_s32(vmaxq_s32(vreinterpretq_s32_f32(a), vreinterpretq_s32_f32(b)));
}
static inline floats larger_unsigned(floats a, floats b) {
  return vreinterpretq_f32_u32(vmaxq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}
static inline uint32_t largest_pattern(floats v) { return vmaxvq_u32(vreinterpretq_u32_f32(v)); }
static inline uint16_t half_of(float x) { return vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(all(x))), 0); }
static inline float float_of(uint16_t half) {
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
}
static inline float64x2_t widen(const float *p) { return vcvt_f64_f32(vld1_f32(p)); }
static inline floats load_bfloats(const uint8_t *p) {
  return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vreinterpret_u16_u8(vld1_u8(p))), 16));
}
static inline void store(float *p, floats v) { vst1q_f32(p, v); }

static inline row_floats no_rows(void) { return (row_floats){zero(), zero()}; }
static inline row_floats load_row_scales(const uint8_t *p) { return (row_floats){load_halves(p), load_halves(p + 8)}; }
static inline void store_rows(float *p, row_floats v) { store(p, v.a), store(p + 4, v.b); }
static inline row_floats fma_scaled(row_floats sum, row_floats ws, float xs, row_floats acc) {
  return (row_floats){vfmaq_f32(acc.a, sum.a, vmulq_n_f32(ws.a, xs)), vfmaq_f32(acc.b, sum.b, vmulq_n_f32(ws.b, xs))};
}
static inline ints low_nibbles(ints v) { return (ints){v.a & 15, v.b & 15}; }
static inline ints high_nibbles(ints v) { return (ints){v.a >> 4, v.b >> 4}; }
static inline ints bytes_left(ints v, int by) { return (ints){v.a << by, v.b << by}; }
static inline ints bytes_right(ints v, int by) { return (ints){v.a >> by, v.b >> by}; }
static inline ints second_bits(ints v) { return (ints){v.a & 2, v.b & 2}; }
static inline ints low_pairs(ints v) { return (ints){v.a & 3, v.b & 3}; }
static inline row_floats times(row_floats v, float x) { return (row_floats){vmulq_n_f32(v.a, x), vmulq_n_f32(v.b, x)}; }
static inline row_floats fma_rows(row_floats a, float x, row_floats c) {
  return (row_floats){vfmaq_n_f32(c.a, a.a, x), vfmaq_n_f32(c.b, a.b, x)};
}
static inline ints widen_bytes(const uint8_t *p) {
  const int8x16_t v = vreinterpretq_s8_u8(vld1q_u8(p));
  return (ints){vreinterpretq_u8_s16(vmovl_s8(vget_low_s8(v))), vreinterpretq_u8_s16(vmovl_high_s8(v))};
}

// Sums of products of 4 bytes per lane. Unpacked weights are at most 16, so they have the same value with a sign.
#ifdef __ARM_FEATURE_DOTPROD
typedef struct {
  int32x4_t a, b;
} sums;

static inline sums begin4(int32_t offset) { return (sums){vdupq_n_s32(offset), vdupq_n_s32(offset)}; }
static inline sums dot4(sums sum, ints w, int32_t x) {
  const int8x16_t four = vreinterpretq_s8_s32(vdupq_n_s32(x));
  return (sums){vdotq_s32(sum.a, vreinterpretq_s8_u8(w.a), four), vdotq_s32(sum.b, vreinterpretq_s8_u8(w.b), four)};
}
static inline row_floats end4(sums sum, int32_t offset) {
  (void)offset;
  return (row_floats){vcvtq_f32_s32(sum.a), vcvtq_f32_s32(sum.b)};
}
#else
// One sum of 16 bits per column modulo 4, two lanes in a register: a block has 8 products of at most 16 * 127 for each.
typedef struct {
  int16x8_t a0, a1, b0, b1;
} sums;

static inline sums begin4(int32_t offset) {
  (void)offset;
  return (sums){vdupq_n_s16(0), vdupq_n_s16(0), vdupq_n_s16(0), vdupq_n_s16(0)};
}
static inline sums dot4(sums sum, ints w, int32_t x) {
  const int8x16_t four = vreinterpretq_s8_s32(vdupq_n_s32(x)), a = vreinterpretq_s8_u8(w.a), b = vreinterpretq_s8_u8(w.b);
  return (sums){vmlal_s8(sum.a0, vget_low_s8(a), vget_low_s8(four)), vmlal_high_s8(sum.a1, a, four),
                vmlal_s8(sum.b0, vget_low_s8(b), vget_low_s8(four)), vmlal_high_s8(sum.b1, b, four)};
}
static inline row_floats end4(sums sum, int32_t offset) {
  const int32x4_t more = vdupq_n_s32(offset);
  return (row_floats){vcvtq_f32_s32(vaddq_s32(more, vpaddq_s32(vpaddlq_s16(sum.a0), vpaddlq_s16(sum.a1)))),
                  vcvtq_f32_s32(vaddq_s32(more, vpaddq_s32(vpaddlq_s16(sum.b0), vpaddlq_s16(sum.b1))))};
}
#endif

// Sums of products of 2 words per lane, one per word, two lanes in a register.
typedef struct {
  int32x4_t a0, a1, b0, b1;
} wide_sums;

static inline wide_sums begin2(void) {
  return (wide_sums){vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
}
static inline wide_sums dot2(wide_sums sum, ints w, int32_t x) {
  const int16x8_t two = vreinterpretq_s16_s32(vdupq_n_s32(x)), a = vreinterpretq_s16_u8(w.a), b = vreinterpretq_s16_u8(w.b);
  return (wide_sums){vmlal_s16(sum.a0, vget_low_s16(a), vget_low_s16(two)), vmlal_high_s16(sum.a1, a, two),
                     vmlal_s16(sum.b0, vget_low_s16(b), vget_low_s16(two)), vmlal_high_s16(sum.b1, b, two)};
}
static inline row_floats end2(wide_sums sum) {
  return (row_floats){vcvtq_f32_s32(vpaddq_s32(sum.a0, sum.a1)), vcvtq_f32_s32(vpaddq_s32(sum.b0, sum.b1))};
}

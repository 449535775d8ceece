// tokenlog_kernels.h: checks, memory and state around the functions of tokenlog.h.
#include "tokenlog_kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "tables.h"

struct tlk_matrix {
  int32_t code, rows, columns, group_size;
  uint8_t *packed;
  int64_t bytes;
};

enum { NOT_INITIALIZED = -1 };

// Guards changes of both. Products read `tier` alone: as long as there is a matrix, it stays.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int tier = NOT_INITIALIZED;
static int64_t matrices;

const char *tlk_message(tlk_status status) {
  switch (status) {
    case TLK_OK: return "no error";
    case TLK_NOT_INITIALIZED: return "the library is not initialized: call tlk_init first";
    case TLK_IN_USE: return "the library is in use: with another tier, or by matrices that are not freed";
    case TLK_NULL_POINTER: return "a pointer is null";
    case TLK_OUT_OF_RANGE: return "a size, range, stride or number of tokens does not fit the others";
    case TLK_UNSUPPORTED_CODE: return "the library has no code of this name";
    case TLK_MISALIGNED: return "an array of floats does not begin at a multiple of 4 bytes";
    case TLK_UNKNOWN_TIER: return "the library has no tier of this name";
    case TLK_UNSUPPORTED_TIER: return "this processor does not have the instructions";
    case TLK_NO_MEMORY: return "out of memory";
    case TLK_WRONG_RESULT: return "a known matrix was multiplied wrongly on this processor";
  }
  return "no status of this library";
}

const char *tlk_code_name(int32_t index) { return index >= 0 && index < CODES ? tokenlog_code_name(index) : 0; }

// Its number, or CODES.
static int32_t code_of(const char *name) {
  int32_t code = 0;
  while (code < CODES && strcmp(name, tokenlog_code_name(code))) code++;
  return code;
}

static int misaligned(const void *p) { return (uintptr_t)p % sizeof(float) != 0; }

// --- products ------------------------------------------------------------------------------------------------------

// Tokens that are quantized together: a multiple of what all tiers multiply at once.
enum { TOKENS = 120, ON_STACK = 16 << 10 };

static tlk_status multiply(int32_t with_tier, const tlk_matrix *w, int32_t from_row, int32_t to_row, const float *x,
                           int64_t x_stride, int32_t tokens, float *out, int64_t out_stride) {
  const int32_t largest = tokenlog_code_activations(w->code) == 8 ? 127 : 2047;
  const int32_t at_once = tokens < TOKENS ? tokens : TOKENS;
  const size_t bytes = tokenlog_panel_bytes(tokenlog_code_activations(w->code), w->columns, at_once);
  _Alignas(64) uint8_t small[ON_STACK];
  uint8_t *panels = bytes <= sizeof small ? small : malloc(bytes);
  if (!panels) return TLK_NO_MEMORY;
  for (int32_t first = 0; first < tokens;) {
    const int32_t count = tokens - first < TOKENS ? tokens - first : TOKENS;
    for (int32_t t = 0; t < count; t++)
      tokenlog_quantize(with_tier, x, (first + t) * x_stride, w->columns, largest, t, 0, 0, panels);
    tokenlog_multiply(with_tier, w->code, w->packed, w->columns, w->group_size, from_row, to_row, panels, count, out,
                      first * out_stride, out_stride);
    first += count;
  }
  if (panels != small) free(panels);
  return TLK_OK;
}

tlk_status tlk_multiply_batch(const tlk_matrix *matrix, int32_t from_row, int32_t to_row, const float *x, int64_t x_stride,
                              int32_t tokens, float *out, int64_t out_stride) {
  const int32_t with_tier = tier;
  if (with_tier == NOT_INITIALIZED) return TLK_NOT_INITIALIZED;
  if (!matrix || !x || !out) return TLK_NULL_POINTER;
  if (from_row < 0 || from_row >= to_row || to_row > matrix->rows || tokens < 1) return TLK_OUT_OF_RANGE;
  if (tokens > 1) {
    // Strides whose last element no address space holds.
    const int64_t most = PTRDIFF_MAX / (int64_t)sizeof(float) / tokens;
    if (x_stride < matrix->columns || x_stride > most || out_stride < to_row || out_stride > most) return TLK_OUT_OF_RANGE;
  }
  if (misaligned(x) || misaligned(out)) return TLK_MISALIGNED;
  return multiply(with_tier, matrix, from_row, to_row, x, tokens > 1 ? x_stride : 0, tokens, out, tokens > 1 ? out_stride : 0);
}

tlk_status tlk_multiply(const tlk_matrix *matrix, const float *x, float *out) {
  return tlk_multiply_batch(matrix, 0, matrix ? matrix->rows : 0, x, 0, 1, out, 0);
}

// --- matrices ------------------------------------------------------------------------------------------------------

static tlk_status pack(int32_t code, int32_t rows, int32_t columns, int32_t group_size, const void *codes, const void *scales,
                       const void *zeros, tlk_matrix **matrix) {
  const int64_t bytes = tokenlog_packed_bytes(code, rows, columns, group_size);
  tlk_matrix *m = malloc(sizeof *m);
  uint8_t *packed = m ? tokenlog_map(bytes) : 0;
  if (!packed) {
    free(m);
    return TLK_NO_MEMORY;
  }
  tokenlog_pack(code, rows, columns, group_size, codes, scales, zeros, 0, (rows - 1) / TOKENLOG_TILE + 1, packed);
  *m = (tlk_matrix){code, rows, columns, group_size, packed, bytes};
  *matrix = m;
  return TLK_OK;
}

static void end(tlk_matrix *matrix) {
  tokenlog_unmap(matrix->packed, matrix->bytes);
  free(matrix);
}

// A matrix counts from before it is made, so that the library cannot be cleaned up meanwhile.
static tlk_status count_matrix(void) {
  pthread_mutex_lock(&lock);
  const tlk_status status = tier == NOT_INITIALIZED ? TLK_NOT_INITIALIZED : TLK_OK;
  if (!status) matrices++;
  pthread_mutex_unlock(&lock);
  return status;
}

static void uncount_matrix(void) {
  pthread_mutex_lock(&lock);
  matrices--;
  pthread_mutex_unlock(&lock);
}

tlk_status tlk_pack(const char *code, int32_t rows, int32_t columns, int32_t group_size, const void *codes, int64_t code_bytes,
                    const void *scales, int64_t scale_bytes, tlk_matrix **matrix) {
  return tlk_pack_zeros(code, rows, columns, group_size, codes, code_bytes, scales, scale_bytes, 0, 0, matrix);
}

tlk_status tlk_pack_zeros(const char *code, int32_t rows, int32_t columns, int32_t group_size, const void *codes,
                          int64_t code_bytes, const void *scales, int64_t scale_bytes, const void *zeros, int64_t zero_bytes,
                          tlk_matrix **matrix) {
  if (tier == NOT_INITIALIZED) return TLK_NOT_INITIALIZED;
  if (!code || !codes || !scales || !matrix) return TLK_NULL_POINTER;
  const int32_t number = code_of(code);
  if (number == CODES) return TLK_UNSUPPORTED_CODE;
  const int32_t has_zeros = codes_of_weights[number].form->zeros;
  if (has_zeros && !zeros) return TLK_NULL_POINTER;
  if (rows < 1 || columns < 1 || group_size < 0 || group_size % TOKENLOG_BLOCK) return TLK_OUT_OF_RANGE;
  const int32_t group = group_size ? group_size : columns;
  const int64_t groups = (columns - 1) / group + 1;
  const int64_t row_bytes = stored_row_bytes(number, columns);
  if (code_bytes != row_bytes * rows || scale_bytes != 2 * groups * rows || zero_bytes != has_zeros * groups * rows)
    return TLK_OUT_OF_RANGE;
  tlk_status status = count_matrix();
  if (status) return status;
  status = pack(number, rows, columns, group, codes, scales, zeros, matrix);
  if (status) uncount_matrix();
  return status;
}

void tlk_free(tlk_matrix *matrix) {
  if (!matrix) return;
  end(matrix);
  uncount_matrix();
}

// --- the known matrix ----------------------------------------------------------------------------------------------

// The integer that a stored weight counts as: `zero` is the zero point of its group, `columns` those of its row.
typedef int Weight(const uint8_t *row, int32_t column, int32_t columns, int32_t zero);

#define DEFINE(NAME, VALUE)                                                                         \
  static int weight_##NAME(const uint8_t *row, int32_t column, int32_t columns, int32_t zero) {     \
    (void)columns, (void)zero;                                                                      \
    return VALUE;                                                                                   \
  }
#define BITS(COUNT) (row[column * COUNT / 8] >> column * COUNT % 8 & ((1 << COUNT) - 1))
#define SIGNED(TABLE) (row[column] < 128 ? TABLE[row[column]] : -TABLE[row[column] - 128])
DEFINE(int8, (int8_t)row[column])
DEFINE(int4, BITS(4) - 8)
DEFINE(int2, BITS(2) - 2)
DEFINE(int1, BITS(1) * 2 - 1)
DEFINE(uint8, row[column] - zero)
DEFINE(uint4, BITS(4) - zero)
DEFINE(uint2, BITS(2) - zero)
static const uint8_t powers_of_3[] = {1, 3, 9, 27, 81};
DEFINE(ternary, row[column / 5] / powers_of_3[column % 5] % 3 - 1)
DEFINE(qins4, operands_of_qins4[BITS(4)])
DEFINE(fp4, operands_of_fp4[BITS(4)])
DEFINE(qins8_log, SIGNED(magnitudes_of_qins8_log))
DEFINE(qins8_inv, SIGNED(magnitudes_of_qins8_inv))
DEFINE(qins8_proj, SIGNED(magnitudes_of_qins8_proj))
DEFINE(qins9_log, (row[columns + column / 8] >> column % 8 & 1 ? -1 : 1) * magnitudes_of_qins9_log[row[column]])
#undef SIGNED
#undef BITS
#undef DEFINE

#define WEIGHT(NAME, ...) weight_##NAME,
static Weight *const weights[] = {CODE_LIST(WEIGHT)};
#undef WEIGHT

// Scales of 1, and activations whose blocks have the largest code as their maximum: so scales are 1 there, too. A block's sum is
// rounded to float where it has more than 24 bits, as weights of 16 may make it; what they count in is a power of two.
static tlk_status probe(int32_t with_tier, int32_t code) {
  enum { ROWS = 19, COLUMNS = 40, ROW_BYTES = COLUMNS + COLUMNS / 8, MANY = 15 };
  const int32_t largest = tokenlog_code_activations(code) == 8 ? 127 : 2047;
  const size_t row_bytes = stored_row_bytes(code, COLUMNS);
  uint8_t codes[ROWS * ROW_BYTES];
  uint16_t scales[ROWS];
  uint8_t zeros[ROWS];
  const float unit = codes_of_weights[code].form->bits == 16 ? 0x1p-15f : 1;
  float x[MANY * COLUMNS], out[MANY * ROWS];
  for (size_t i = 0; i < sizeof codes; i++) codes[i] = i * 2654435761u >> 13;
  for (int row = 0; row < ROWS; row++) scales[row] = 0x3c00, zeros[row] = row;
  for (int i = 0; i < MANY * COLUMNS; i++) x[i] = i % COLUMNS % TOKENLOG_BLOCK ? i % 100 - 50 : largest;
  tlk_matrix *matrix;
  tlk_status status = pack(code, ROWS, COLUMNS, COLUMNS, codes, scales, zeros, &matrix);
  if (status) return status;
  for (int tokens = 1; tokens <= MANY && !status; tokens++) {
    status = multiply(with_tier, matrix, 0, ROWS, x, COLUMNS, tokens, out, ROWS);
    for (int t = 0; t < tokens && !status; t++)
      for (int row = 0; row < ROWS; row++) {
        float expected = 0;
        for (int from = 0; from < COLUMNS; from += TOKENLOG_BLOCK) {
          int sum = 0;
          for (int column = from; column < COLUMNS && column < from + TOKENLOG_BLOCK; column++)
            sum += weights[code](codes + row * row_bytes, column, COLUMNS, zeros[row]) * (int)x[t * COLUMNS + column];
          expected += (float)sum * unit;
        }
        if (out[t * ROWS + row] != expected) status = TLK_WRONG_RESULT;
      }
  }
  end(matrix);
  return status;
}

// --- beginning and end ---------------------------------------------------------------------------------------------

static tlk_status choose(const char *name, int32_t *chosen) {
  int32_t i = 0;
  while (i < tokenlog_tiers() && (name ? strcmp(name, tokenlog_tier_name(i)) != 0 : !tokenlog_tier_usable(i))) i++;
  if (i == tokenlog_tiers()) return name ? TLK_UNKNOWN_TIER : TLK_UNSUPPORTED_TIER;
  if (!tokenlog_tier_usable(i)) return TLK_UNSUPPORTED_TIER;
  *chosen = i;
  return TLK_OK;
}

static tlk_status begin(const char *name) {
  int32_t chosen;
  tlk_status status = TLK_OK;
  if (tier != NOT_INITIALIZED) {
    if (!name || !strcmp(name, tokenlog_tier_name(tier))) return TLK_OK;
    status = choose(name, &chosen);
    return status ? status : TLK_IN_USE;
  }
  status = choose(name, &chosen);
  for (int32_t code = 0; code < CODES && !status; code++) status = probe(chosen, code);
  if (!status) tier = chosen;
  return status;
}

tlk_status tlk_init(const char *name, tlk_info *info) {
  pthread_mutex_lock(&lock);
  const tlk_status status = begin(name);
  if (!status && info) *info = (tlk_info){TLK_VERSION, tokenlog_tier_name(tier)};
  pthread_mutex_unlock(&lock);
  return status;
}

tlk_status tlk_cleanup(void) {
  pthread_mutex_lock(&lock);
  const tlk_status status = tier == NOT_INITIALIZED ? TLK_NOT_INITIALIZED : matrices ? TLK_IN_USE : TLK_OK;
  if (!status) tier = NOT_INITIALIZED;
  pthread_mutex_unlock(&lock);
  return status;
}

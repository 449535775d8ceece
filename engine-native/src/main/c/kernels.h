// The one list of kernels, of weight codes and of what tiles are made of them. kernels.c is compiled once per tier of instructions and defines,
// for each tier, a table of kernels; library.c chooses the table.
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "tokenlog.h"

// FORM(NAME, BITS, ZERO, ACTIVATIONS, ZEROS): one row per form that weights have in tiles, which products are made for.
//   BITS         of a weight: a block of 16 rows and 32 columns has 64 * BITS bytes
//   ZERO         the unpacked weight that stands for 0; BYTES alone
//   ACTIVATIONS  BYTES: multiplied as bytes 0..16 by int8 activations; WORDS: as int16 by int16 ones
//   ZEROS        1: zero points stand beside the scales
// A row needs unpack_NAME in kernels.c, which makes operands of a tile. Weights of 16 bits count in 2^-15.
#define FORM_LIST(FORM)      \
  FORM(int4, 4, 8, BYTES, 0) \
  FORM(int8, 8, 0, WORDS, 0) \
  FORM(int1, 1, 1, BYTES, 0) \
  FORM(int2, 2, 2, BYTES, 0) \
  FORM(uint4, 4, 8, BYTES, 1) \
  FORM(uint2, 2, 2, BYTES, 1) \
  FORM(uint8, 8, 0, WORDS, 1) \
  FORM(int16, 16, 0, WORDS, 0)

// CODE(NAME, LABEL, PER_BYTE, PLANE, FORM, CENTRE): one row per code that weights are stored in. Its place is its number.
//   LABEL        its name outside of C
//   PER_BYTE     codes in a byte of a stored row (docs/artifacts.md), the first in the lowest bits
//   PLANE        1: behind the bytes of a row there is a bit for each column
//   FORM         what tiles are made of it; several codes may share one
//   CENTRE       what its packer takes off a code, and so off a zero point; 0 where there are none
// A row needs pack_NAME in library.c, which makes tiles, and weight_NAME in tokenlog_kernels.c, which says what a code is, for
// the probe. Products, sizes, the way out to Java and to other programs and the tests of shapes come by themselves.
#define CODE_LIST(CODE)                            \
  CODE(int4, "int4", 2, 0, int4, 0)                \
  CODE(int8, "int8", 1, 0, int8, 0)                \
  CODE(int1, "int1", 8, 0, int1, 0)                \
  CODE(int2, "int2", 4, 0, int2, 0)                \
  CODE(uint4, "uint4", 2, 0, uint4, 8)             \
  CODE(uint2, "uint2", 4, 0, uint2, 2)             \
  CODE(uint8, "uint8", 1, 0, uint8, 128)           \
  CODE(ternary, "ternary", 5, 0, int2, 0)          \
  CODE(qins4, "qins4", 2, 0, int8, 0)              \
  CODE(fp4, "fp4", 2, 0, int8, 0)                  \
  CODE(qins8_log, "qins8-log", 1, 0, int16, 0)     \
  CODE(qins9_log, "qins9-log", 1, 1, int16, 0)     \
  CODE(qins8_inv, "qins8-inv", 1, 0, int16, 0)     \
  CODE(qins8_proj, "qins8-proj", 1, 0, int16, 0)

#define NUMBER(NAME, ...) CODE_##NAME,
enum { CODE_LIST(NUMBER) CODES };
#undef NUMBER

enum { BITS_OF_BYTES = 8, BITS_OF_WORDS = 16 };

// Bytes of a row's weights that stand together in a tile: 4 operands, or 2.
#define LANE_OF_BYTES(BITS) 4
#define LANE_OF_WORDS(BITS) ((BITS) / 4)

typedef struct {
  size_t block_bytes;  // of the weights of 16 rows and 32 columns
  int32_t activations; // 8 or 16 bits
  int32_t lane_bytes, zeros, bits;
} Form;

#define ROW(NAME, BITS, ZERO, ACTIVATIONS, ZEROS) \
  static const Form form_##NAME = {64 * BITS, BITS_OF_##ACTIVATIONS, LANE_OF_##ACTIVATIONS(BITS), ZEROS, BITS};
FORM_LIST(ROW)
#undef ROW

// What callers of the kernels have to know of a code.
typedef struct {
  const char *name;
  int32_t per_byte, plane, centre;
  const Form *form;
} Code;

#define ROW(NAME, LABEL, PER_BYTE, PLANE, FORM, CENTRE) {LABEL, PER_BYTE, PLANE, CENTRE, &form_##FORM},
static const Code codes_of_weights[] = {CODE_LIST(ROW)};
#undef ROW

// A part of a product: `tiles` packed tiles that follow each other, times `tokens` rows of activations.
typedef struct {
  const uint8_t *packed;    // the first tile
  size_t tile_bytes;
  int32_t blocks;           // of 32 columns
  int32_t blocks_per_group; // blocks that share a scale
  int32_t from_lane;        // rows of the first tile that are left out
  int32_t rows;             // from there on
  const uint8_t *panels;    // of activations, from the first token on
  int32_t tokens;
  float *out;               // of the first row
  int64_t out_stride;
} Product;

// Attention of `heads` query heads of one key-value head, for `tokens` positions that follow each other.
typedef struct {
  int32_t type;                // TOKENLOG_KV8, TOKENLOG_KV16 or TOKENLOG_KV32
  const uint8_t *const *pages; // of TOKENLOG_PAGE positions
  int64_t keys, values;        // bytes from the beginning of a page
  int32_t head_size, heads;
  float scale, soft_cap;       // a soft cap of 0: none
  int32_t window;              // positions that a token sees, itself included; 0: all
  int32_t first_position, tokens;
  const float *queries;        // [token][stride], heads side by side
  float *out;                  // likewise
  int64_t stride;
  float *scores;               // room: [token][head][score_stride]
  int64_t score_stride;        // positions of whole pages
  float *wide;                 // room: [head_size][TOKENLOG_PAGE]
} Attention;

// Keys and values of one position, on their way into a page.
typedef struct {
  int32_t type, heads, head_size, slot;
  uint8_t *keys, *values;   // of the first head in the page, the other heads behind
  const float *key, *value; // [head][head_size]
} Stored;

// Rows of weights on their way to codes; encode.h.
typedef struct {
  int32_t type;     // TOKENLOG_F32, TOKENLOG_F16 or TOKENLOG_BF16
  const uint8_t *x; // [row][column]
  int32_t rows, columns, group_size;
  int32_t search;  // 1: the scale with the least squared error
  uint8_t *codes;  // packed, row after row
  uint8_t *scales; // F16, [row][group]
  double *sums;    // of errors, [7][8]
} Encoding;

// KERNEL(name, parameters): one row per kernel.
#define KERNEL_LIST(KERNEL) \
  KERNEL(read_all, (const uint8_t *memory, int64_t bytes, int64_t *sum)) \
  KERNEL(multiply, (int32_t code, const Product *)) \
  KERNEL(attend, (const Attention *)) \
  KERNEL(quantize, (const float *x, int32_t columns, int32_t largest, int32_t lane, int16_t *codes, float *scales, uint8_t *panel)) \
  KERNEL(rms_norm, (const float *x, const float *weight, int32_t n, float epsilon, float *out)) \
  KERNEL(gate, (int32_t activation, float *gate, const float *up, int32_t n)) \
  KERNEL(add, (float *x, const float *y, int32_t n)) \
  KERNEL(all_finite, (const float *x, int32_t n, int32_t *result)) \
  KERNEL(rotate, (float *x, int32_t heads, int32_t head_size, int32_t pairs, const float *cos, const float *sin)) \
  KERNEL(store_position, (const Stored *, int32_t *result)) \
  KERNEL(encode, (int32_t code, const Encoding *, int32_t *result))

#define MEMBER(NAME, PARAMETERS) void(*NAME) PARAMETERS;
typedef struct {
  KERNEL_LIST(MEMBER)
} Kernels;
#undef MEMBER

// Four tokens, side by side so that one pointer reaches all that a product needs of them. For each block of columns: their
// codes [4][32], int8 or int16 as the code of the weights wants them; their scales [4]; and -8 times the sums of their codes [4].
static inline size_t panel_block_bytes(int32_t bits) {
  return TOKENLOG_PANEL * (TOKENLOG_BLOCK * (size_t)bits / 8 + sizeof(float) + sizeof(int32_t));
}

static inline int32_t blocks_of(int32_t columns) { return columns / TOKENLOG_BLOCK + (columns % TOKENLOG_BLOCK != 0); }

static inline size_t stored_row_bytes(int32_t code, int32_t columns) {
  const int32_t per_byte = codes_of_weights[code].per_byte;
  const size_t plane = codes_of_weights[code].plane ? (size_t)columns / 8 + (columns % 8 != 0) : 0;
  return (size_t)columns / per_byte + (columns % per_byte != 0) + plane;
}

// The scales of a group, and its zero points.
static inline size_t group_bytes(const Form *form) { return 2 * TOKENLOG_TILE * (1 + (size_t)form->zeros); }

static inline size_t tile_bytes(int32_t code, int32_t columns, int32_t group_size) {
  size_t groups = (size_t)columns / group_size + (columns % group_size != 0);
  const Form *form = codes_of_weights[code].form;
  size_t bytes = blocks_of(columns) * form->block_bytes + groups * group_bytes(form);
  return (bytes + 63) / 64 * 64;
}

// Whether the compiler knew the instructions of sha256.c.
extern const int32_t sha256_compiled;

#endif

// The one list of kernels. kernels.c is compiled once per tier of instructions and defines, for each tier, a table of them;
// library.c chooses the table.
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "tokenlog.h"

// A part of a product: `tiles` packed tiles that follow each other, times `tokens` rows of activations.
typedef struct {
  const uint8_t *packed;    // the first tile
  size_t tile_bytes;
  int32_t blocks;           // of 32 columns
  int32_t blocks_per_group; // blocks that share a scale
  int32_t from_lane;        // rows of the first tile that are left out
  int32_t rows;             // from there on
  const void *codes;        // [token][blocks][32], int8 or int16
  const float *scales;      // [token][blocks]
  const int32_t *offsets;   // [token][blocks], int4 alone
  int32_t tokens;
  float *out;               // of the first row
  int64_t out_stride;
} Product;

// KERNEL(name, parameters): one row per kernel.
#define KERNEL_LIST(KERNEL)                  \
  KERNEL(read_all, (const uint8_t *memory, int64_t bytes, int64_t *sum)) \
  KERNEL(multiply_int4, (const Product *))   \
  KERNEL(multiply_int8, (const Product *))   \
  KERNEL(quantize, (const float *x, int32_t columns, int32_t largest, int16_t *codes, int8_t *bytes, float *scales, int32_t *offsets))

#define MEMBER(NAME, PARAMETERS) void(*NAME) PARAMETERS;
typedef struct {
  KERNEL_LIST(MEMBER)
} Kernels;
#undef MEMBER

static inline int32_t blocks_of(int32_t columns) { return columns / TOKENLOG_BLOCK + (columns % TOKENLOG_BLOCK != 0); }

// Bytes of the codes of 16 rows and 32 columns.
static inline size_t block_bytes(int32_t code) { return code == TOKENLOG_INT4 ? 256 : 512; }

static inline size_t tile_bytes(int32_t code, int32_t columns, int32_t group_size) {
  size_t groups = (size_t)columns / group_size + (columns % group_size != 0);
  size_t bytes = blocks_of(columns) * block_bytes(code) + groups * 2 * TOKENLOG_TILE;
  return (bytes + 63) / 64 * 64;
}

#endif

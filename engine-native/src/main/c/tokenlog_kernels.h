// Quantized matrix products for other programs: load libtokenlog.so (by the linker or by dlopen), or link it, and include this.
//
//   tlk_init(0, &info);                                            // the best instructions of this processor
//   tlk_pack("int4", rows, columns, 32, codes, code_bytes, scales, scale_bytes, &weights);
//   tlk_multiply(weights, x, out);                                 // out = weights * x
//   tlk_free(weights);
//   tlk_cleanup();
//
// What is computed. W has `rows` x `columns` weights, each a code times a scale that a group of columns of its row shares. A
// token x is `columns` floats. x is first rounded, in blocks of 32 columns counted from column 0, with amax = max |x| of a block:
//
//   s_x = amax / Q,  q_x = round_ties_to_even(x * (Q / amax));   s_x = 0 and q_x = 0 where amax < 2^-116
//   Q = 127 beside "int1", "int2", "int4", "uint2", "uint4" and "ternary", 2047 beside the others
//
// Then, for every row, over the blocks b in ascending order, beginning with acc = +0:
//
//   acc = fma((float) sum(q_w * q_x), s_w * s_x, acc)
//
// The sum is over the columns of the block that exist; it is an exact integer, below 2^24 but for the tables of 16 bits (below),
// where it is below 2^31 and rounded once. s_w is the group's scale widened to float, for those tables times 2^-15; s_w * s_x is
// rounded once, and so is the fma. That is the quantized matrix product of docs/numerics.md (cpu-2). The
// result is the same to the bit on every processor, for every tier of instructions, number of tokens and range of rows, as long as
// the calling thread rounds to nearest and keeps subnormal numbers, as threads do unless told otherwise.
//
// How weights are stored (docs/artifacts.md), row after row, every row beginning with a byte of its own:
//
//   "int8"  one byte per weight, q_w = -128 to 127
//   "int4"  two weights per byte, the even column in the low four bits, q_w = bits - 8
//   "int2"  four weights per byte, the first column in the lowest bits, q_w = bits - 2
//   "int1"  eight weights per byte, column c in bit c % 8 of byte c / 8; 1 is q_w = +1, 0 is q_w = -1
//   "uint8", "uint4", "uint2"  as many per byte, q_w = bits - z, with a zero point z for each scale
//   "ternary"  five weights per byte, q_w = byte / 3^i % 3 - 1 for i = 0 (the first column) to 4
//   "qins4"  two weights per byte, q_w = t[bits], t = 127 -110 99 -85 77 -66 59 -50 44 -36 31 -23 19 -12 8 -2
//   "fp4"    two weights per byte, q_w = twice what the bits mean in E2M1, t = 0 1 2 3 4 6 8 12, negative from bits = 8 on
//   tables of 16 bits: one byte per weight, c = byte % 128, negative where the byte is 128 or more, |q_w| = round(32767 * f)
//     "qins8-log"   f = exp(-ln 64 * c / 127)
//     "qins8-inv"   f = 1 / c, 0 for c = 0
//     "qins8-proj"  f = (1 - z) / (a z), a = 0.75, z = (1 + a * c / 127) / (1 + a)
//     "qins9-log"   f = exp(-ln 128 * c / 255): a byte c for each column, then a bit for each, 1 where negative, as in "int1"
//   scales  one little-endian F16 number per row and group, a row's groups after each other; may be negative
//
// Not finite numbers: a token with a NaN or an infinity gives NaN in all its outputs, its neighbours are not affected. A scale
// that is no finite number makes the outputs of its row such.
//
// Threads. Every function may be called by many threads at once, on the same matrix too. A product is computed by the thread
// that calls it; to use several, let each compute its own range of rows. tlk_free ends a matrix: no other call may be using it.
//
// Errors. A call that does not return TLK_OK has changed nothing: neither `out` nor what a pointer would have been set to.
// Pointers that point to too little memory cannot be noticed.
#ifndef TOKENLOG_KERNELS_H
#define TOKENLOG_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Raised whenever something in this file changes its meaning. A program that loads the library with dlopen compares it with
// tlk_info.version; what was added later is found by dlsym or it is not there.
#define TLK_VERSION 1

#define TLK_API __attribute__((visibility("default")))

typedef enum {
  TLK_OK = 0,
  TLK_NOT_INITIALIZED = 1,   // tlk_init was not called, or tlk_cleanup was
  TLK_IN_USE = 2,            // tlk_init with another tier than before; tlk_cleanup while matrices exist
  TLK_NULL_POINTER = 3,      // a pointer is null that may not be
  TLK_OUT_OF_RANGE = 4,      // a size, range of rows, stride or number of tokens does not fit the others
  TLK_UNSUPPORTED_CODE = 5,  // this library has no code of that name
  TLK_MISALIGNED = 6,        // floats that do not begin at a multiple of 4 bytes
  TLK_UNKNOWN_TIER = 7,      // this library has no tier of that name
  TLK_UNSUPPORTED_TIER = 8,  // this processor does not have the instructions of the tier, or of any
  TLK_NO_MEMORY = 9,
  TLK_WRONG_RESULT = 10      // the tier multiplied a known matrix wrongly, and is not used
} tlk_status;

// What an error means, in English; never null. Not to be freed.
TLK_API const char *tlk_message(tlk_status status);

typedef struct {
  int32_t version;  // TLK_VERSION of the library
  const char *tier; // instructions in use, for instance "avx512vnni", "avx2", "neondot"; not to be freed
} tlk_info;

// Chooses the tier of instructions and multiplies known matrices with it.
//   tier  a name, or null for the best one that this processor has
//   info  what was chosen; may be null
// Calling it again with null or the same tier is allowed and changes nothing.
// TLK_UNKNOWN_TIER, TLK_UNSUPPORTED_TIER, TLK_IN_USE, TLK_NO_MEMORY, TLK_WRONG_RESULT
TLK_API tlk_status tlk_init(const char *tier, tlk_info *info);

// Ends the use of the library; it may begin again with tlk_init.
// TLK_NOT_INITIALIZED, TLK_IN_USE
TLK_API tlk_status tlk_cleanup(void);

// The names of the codes, by index from 0; null beyond the last one. Needs no tlk_init. Not to be freed.
TLK_API const char *tlk_code_name(int32_t index);

// Weights in the layout that the kernels read.
typedef struct tlk_matrix tlk_matrix;

// Packs weights. They are copied: codes and scales belong to the caller and may go at once.
//   code         as above; one without zero points
//   rows         at least 1
//   columns      at least 1
//   group_size   columns that share a scale: a multiple of 32, or 0 for one scale per row. The last group of a row may be
//                shorter.
//   codes        rows * ceil(columns / weights per byte) bytes ("qins9-log": and its bits); code_bytes says how many there are,
//                as a check
//   scales       rows * groups F16 numbers, of any alignment, with groups = ceil(columns / group_size), or 1; scale_bytes
//                likewise
//   matrix       gets the packed weights, to be ended by tlk_free: about as large as codes and scales together
// TLK_NOT_INITIALIZED, TLK_NULL_POINTER, TLK_UNSUPPORTED_CODE, TLK_OUT_OF_RANGE, TLK_NO_MEMORY
TLK_API tlk_status tlk_pack(const char *code, int32_t rows, int32_t columns, int32_t group_size, const void *codes,
                            int64_t code_bytes, const void *scales, int64_t scale_bytes, tlk_matrix **matrix);

// The same with zero points, for every code; not in the first libraries of version 1.
//   zeros        one byte per row and group, as scales are; zero_bytes is 0 where the code has none, and zeros may be null then
TLK_API tlk_status tlk_pack_zeros(const char *code, int32_t rows, int32_t columns, int32_t group_size, const void *codes,
                                  int64_t code_bytes, const void *scales, int64_t scale_bytes, const void *zeros,
                                  int64_t zero_bytes, tlk_matrix **matrix);

// Frees packed weights; null is allowed.
TLK_API void tlk_free(tlk_matrix *matrix);

// One token: out[row] = sum over columns of W[row][column] * x[column], as above.
//   x    [columns]
//   out  [rows]; must not overlap x
// TLK_NOT_INITIALIZED, TLK_NULL_POINTER, TLK_MISALIGNED, TLK_NO_MEMORY
TLK_API tlk_status tlk_multiply(const tlk_matrix *matrix, const float *x, float *out);

// Several tokens and a range of rows: out[t * out_stride + row] for t = 0 .. tokens - 1, row = from_row .. to_row - 1. The same
// bits as one token and all rows at a time.
//   tokens      at least 1
//   x           token t begins at x[t * x_stride]; x_stride is at least columns (or anything with one token)
//   out         only what is named above is written; out_stride is at least to_row (or anything with one token)
// TLK_NOT_INITIALIZED, TLK_NULL_POINTER, TLK_OUT_OF_RANGE, TLK_MISALIGNED, TLK_NO_MEMORY
TLK_API tlk_status tlk_multiply_batch(const tlk_matrix *matrix, int32_t from_row, int32_t to_row, const float *x,
                                      int64_t x_stride, int32_t tokens, float *out, int64_t out_stride);

#ifdef __cplusplus
}
#endif
#endif

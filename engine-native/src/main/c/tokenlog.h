// What the Java side calls, through java.lang.foreign. Every function works on whole ranges of a matrix, never on a single
// dot product. Nothing here allocates, keeps what it is given or can fail: the caller has checked sizes and chosen a tier
// that tokenlog_tier_usable() says this processor has. The arithmetic, to the bit, is that of docs/numerics.md.
#ifndef TOKENLOG_H
#define TOKENLOG_H

#include <stdint.h>

// Raised whenever anything in this file changes its meaning. The Java side refuses every other number.
#define TOKENLOG_ABI 10

enum { TOKENLOG_BLOCK = 32, TOKENLOG_TILE = 16, TOKENLOG_PAGE = 32, TOKENLOG_PANEL = 4 };

// How keys and values are kept.
enum { TOKENLOG_KV16 = 0, TOKENLOG_KV32 = 1, TOKENLOG_KV8 = 2 };

// How weights lie in a file.
enum { TOKENLOG_F32 = 0, TOKENLOG_F16 = 1, TOKENLOG_BF16 = 2 };

// What a gate is activated by.
enum { TOKENLOG_SILU = 0, TOKENLOG_GELU_TANH = 1 };

#define TOKENLOG_API __attribute__((visibility("default")))

TOKENLOG_API int32_t tokenlog_abi(void);

// Tiers of instructions that were compiled in, the best first.
TOKENLOG_API int32_t tokenlog_tiers(void);
TOKENLOG_API const char *tokenlog_tier_name(int32_t tier);
TOKENLOG_API int32_t tokenlog_tier_usable(int32_t tier);

// The codes that weights are stored in (kernels.h: CODE_LIST), by number from 0. Names are those of docs/artifacts.md. A code
// meets activations of 8 bits (`bytes` and `offsets`) or of up to 16 (`codes`).
TOKENLOG_API int32_t tokenlog_codes(void);
TOKENLOG_API const char *tokenlog_code_name(int32_t code);
TOKENLOG_API int32_t tokenlog_code_activations(int32_t code);

// Bytes of a packed matrix, which begins at an address that is a multiple of 64.
//   packed = tiles of 16 rows; tile = groups, filled up to a multiple of 64 bytes; group = its scales as F16 [row], zero points
//   [row] if the code has them, then the weights of its blocks of 32 columns: a product reads it all in the order in which it
//   lies. Missing rows have scales of 0.
TOKENLOG_API int64_t tokenlog_packed_bytes(int32_t code, int32_t rows, int32_t columns, int32_t group_size);

// Packs tiles from_tile to to_tile. Codes, scales and zero points (not read where the code has none) are those of the whole matrix, row-major, as artifacts store them
// (docs/artifacts.md).
TOKENLOG_API void tokenlog_pack(int32_t code, int32_t rows, int32_t columns, int32_t group_size, const uint8_t *codes,
                                const uint8_t *scales, const uint8_t *zeros, int32_t from_tile, int32_t to_tile,
                                uint8_t *packed);

// Memory for packed matrices, filled with zeros and in large pages where the system gives them; 0 if there is none.
TOKENLOG_API void *tokenlog_map(int64_t bytes);
TOKENLOG_API void tokenlog_unmap(void *memory, int64_t bytes);

// Bytes of quantized activations: panels of 4 tokens, as kernels.h has them. `bits` are 8 or 16.
TOKENLOG_API int64_t tokenlog_panel_bytes(int32_t bits, int32_t columns, int32_t tokens);

// Quantizes `columns` numbers from x[x_offset] on to codes up to `largest` (127, in panels of 8 bits, or 2047, of 16), as token
// number `token`, all of whose blocks of 32 columns are written, with zeros after the last column. Unless they are 0, `codes`
// gets its codes as well, [token][blocks][32], and `scales` its scales, [token][blocks].
TOKENLOG_API void tokenlog_quantize(int32_t tier, const float *x, int64_t x_offset, int32_t columns, int32_t largest,
                                    int32_t token, int16_t *codes, float *scales, uint8_t *panels);

// Rows from_row to to_row of a packed matrix times `tokens` rows of activations, to out[out_offset + t * out_stride + row]; the
// panels are of as many bits as tokenlog_code_activations says.
TOKENLOG_API void tokenlog_multiply(int32_t tier, int32_t code, const uint8_t *packed, int32_t columns, int32_t group_size,
                                    int32_t from_row, int32_t to_row, const uint8_t *panels, int32_t tokens, float *out,
                                    int64_t out_offset, int64_t out_stride);

// Attention of `heads` query heads that share a key-value head, for `tokens` positions from first_position on. Page i of the
// KV cache, at address pages[i], holds positions 32 i and following: at byte `keys` of it their keys [head_size][32], at byte
// `values` their values [32][head_size], with TOKENLOG_KV8 each followed by the scales of blocks of 32 channels, [block][32] and
// [32][block]. Head h of token t begins at offset + t * stride + h * head_size in `queries` and in
// `out`. Scores are scaled, then capped if soft_cap is not 0; a token sees `window` positions, itself included, or all if it
// is 0. Room: score_stride * heads * tokens floats in `scores`, where score_stride is a multiple of 32 beyond the last
// position; 32 * head_size floats in `wide`.
TOKENLOG_API void tokenlog_attend(int32_t tier, int32_t type, const int64_t *pages, int64_t keys, int64_t values,
                                  int32_t head_size, int32_t heads, float scale, float soft_cap, int32_t window,
                                  int32_t first_position, int32_t tokens, const float *queries, float *out, int64_t offset,
                                  int64_t stride, float *scores, int64_t score_stride, float *wide);

// What lies between products, for one token. Arrays are worked on from their offsets on.

// RMSNorm of `columns` numbers, which may stay where they are.
TOKENLOG_API void tokenlog_rms_norm(int32_t tier, const float *x, int64_t x_offset, const float *weight, int32_t columns,
                                    float epsilon, float *out, int64_t out_offset);

// gate = activation(gate) * up, both from `offset` on.
TOKENLOG_API void tokenlog_gate(int32_t tier, int32_t activation, float *gate, const float *up, int64_t offset, int32_t count);

// x = x + y.
TOKENLOG_API void tokenlog_add(int32_t tier, float *x, int64_t x_offset, const float *y, int64_t y_offset, int32_t count);

// 1 if there is neither a NaN nor an infinity, else 0.
TOKENLOG_API int32_t tokenlog_all_finite(int32_t tier, const float *x, int64_t offset, int32_t count);

// Rotates the first 2 * pairs elements of each head by the angles whose cosines and sines begin at table_offset.
TOKENLOG_API void tokenlog_rotate(int32_t tier, float *x, int64_t offset, int32_t heads, int32_t head_size, int32_t pairs,
                                  const float *cos, const float *sin, int64_t table_offset);

// Stores the keys and values of all heads of one layer in `slot` (0 to 31) of a page, where those of the first head begin at
// bytes `keys` and `values` and the other heads follow. 1 if all numbers are finite as stored, else 0.
TOKENLOG_API int32_t tokenlog_store(int32_t tier, int32_t type, uint8_t *page, int64_t keys, int64_t values, int32_t heads,
                                    int32_t head_size, int32_t slot, const float *key, int64_t key_offset,
                                    const float *value, int64_t value_offset);

// Quantizes `rows` rows of `columns` weights to a code of CODE_LIST, with the scale that the element of largest magnitude
// gives, or, if `search` is 1, the one near it with the least squared error (docs/codes.md): codes and scales (F16) as artifacts
// store them (docs/artifacts.md), where group_size is a multiple of 32, or `columns`. Adds what that costs to sums [7][8]: of
// error^2, x^2, w^2, x w, |error|, |x|, and the largest |error|, column c in lane c % 8. 1 if it did; 0 if a number is not
// finite, a scale does not fit F16, or it has no such code: then codes and scales hold anything, and the sums what they held.
TOKENLOG_API int32_t tokenlog_encode(int32_t tier, int32_t code, int32_t type, const uint8_t *x, int32_t rows,
                                     int32_t columns, int32_t group_size, int32_t search, uint8_t *codes,
                                     uint8_t *scales, double *sums);

// 1 if tokenlog_encode has the code.
TOKENLOG_API int32_t tokenlog_encodes(int32_t code);

// SHA-256 (FIPS 180-4): 1 if this processor has instructions for it.
TOKENLOG_API int32_t tokenlog_sha256_usable(void);

// Takes `count` blocks of 64 bytes into a state of eight words: of one that begins with the initial hash value (5.3.3), and of
// all blocks of a padded message (5.1.1), it leaves the digest, as big-endian words.
TOKENLOG_API void tokenlog_sha256(uint32_t *state, const uint8_t *blocks, int64_t count);

// Asks for memory that is read soon, and does not wait for it.
TOKENLOG_API void tokenlog_prefetch(const uint8_t *memory, int64_t bytes);

// Reads memory as fast as it can be read; `bytes` is a multiple of 64. The result depends on every byte.
TOKENLOG_API int64_t tokenlog_read(int32_t tier, const uint8_t *memory, int64_t bytes);

// A product for measurements alone, see yardstick.c: `tiles` of 16 rows, weights of 4 or 8 bits in groups of 32 columns, each
// group's 256 or 512 bytes of codes followed by its 16 scales, times `tokens` (a multiple of 12) rows of activations. Needs
// what the tier avx512vnni needs; 0 if the library was built without it.
TOKENLOG_API int32_t tokenlog_yardstick(int32_t bits, const uint8_t *weights, int64_t tiles, int32_t columns,
                                        const char *codes, const float *scales, const int32_t *offsets, int32_t tokens,
                                        float *out, int64_t stride);

#endif

// Everything that is not compiled per tier: which tiers this processor has, packing, and the way into the kernels.
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "kernels.h"
#include "tables.h"

#ifdef __x86_64__
#include <cpuid.h>
#else
#include <sys/auxv.h>
#endif

int32_t tokenlog_abi(void) { return TOKENLOG_ABI; }

// --- tiers ---------------------------------------------------------------------------------------------------------

#ifdef __x86_64__

typedef struct {
  uint32_t ecx1, ebx7, ecx7, eax71;
  uint64_t enabled; // register state that the operating system keeps
} Processor;

static Processor processor(void) {
  Processor p = {0};
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return p;
  p.ecx1 = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    p.ebx7 = b;
    p.ecx7 = c;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) p.eax71 = a;
  }
  if (p.ecx1 >> 27 & 1) { // XGETBV may be used
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    p.enabled = (uint64_t)high << 32 | low;
  }
  return p;
}

static int has(uint32_t word, int bit) { return word >> bit & 1; }

// AVX, FMA, F16C, AVX2; XMM and YMM registers.
static int has_avx2(const Processor *p) {
  return has(p->ecx1, 28) && has(p->ecx1, 12) && has(p->ecx1, 29) && has(p->ebx7, 5) && (p->enabled & 0x6) == 0x6;
}

static int has_avxvnni(const Processor *p) { return has_avx2(p) && has(p->eax71, 4); }

// F, DQ, BW, VL, VNNI; mask and ZMM registers.
static int has_avx512vnni(const Processor *p) {
  return has_avx2(p) && has(p->ebx7, 16) && has(p->ebx7, 17) && has(p->ebx7, 30) && has(p->ebx7, 31) && has(p->ecx7, 11) &&
         (p->enabled & 0xe6) == 0xe6;
}

// SSSE3 and SSE4.1 for words in the right order.
static int has_sha(const Processor *p) { return has(p->ebx7, 29) && has(p->ecx1, 9) && has(p->ecx1, 19); }

#else // AArch64: the system knows.

typedef struct {
  unsigned long capabilities;
} Processor;

static Processor processor(void) { return (Processor){getauxval(AT_HWCAP)}; }

static int has_neon(const Processor *p) { return (p->capabilities & HWCAP_ASIMD) != 0; }

static int has_neondot(const Processor *p) { return has_neon(p) && (p->capabilities & HWCAP_ASIMDDP) != 0; }

static int has_sha(const Processor *p) { return has_neon(p) && (p->capabilities & HWCAP_SHA2) != 0; }

#endif

// The build says which tiers its compiler could make: -DTIER_LIST="TIER(avx512vnni) TIER(avxvnni) ...", the best first.
#define TIER(NAME) extern const Kernels kernels_##NAME;
TIER_LIST
#undef TIER

typedef struct {
  const char *name;
  const Kernels *kernels;
  int (*usable)(const Processor *);
} Tier;

#define TIER(NAME) {#NAME, &kernels_##NAME, has_##NAME},
static const Tier tiers[] = {TIER_LIST};
#undef TIER

int32_t tokenlog_tiers(void) { return sizeof tiers / sizeof *tiers; }

const char *tokenlog_tier_name(int32_t tier) { return tiers[tier].name; }

int32_t tokenlog_tier_usable(int32_t tier) {
  const Processor p = processor();
  return tiers[tier].usable(&p);
}

int32_t tokenlog_sha256_usable(void) {
  const Processor p = processor();
  return sha256_compiled && has_sha(&p);
}

// --- codes ---------------------------------------------------------------------------------------------------------

int32_t tokenlog_codes(void) { return CODES; }

const char *tokenlog_code_name(int32_t code) { return codes_of_weights[code].name; }

int32_t tokenlog_code_activations(int32_t code) { return codes_of_weights[code].form->activations; }

// --- packing -------------------------------------------------------------------------------------------------------

int64_t tokenlog_packed_bytes(int32_t code, int32_t rows, int32_t columns, int32_t group_size) {
  int64_t tile_count = rows / TOKENLOG_TILE + (rows % TOKENLOG_TILE != 0);
  return tile_count * (int64_t)tile_bytes(code, columns, group_size);
}

// Four nibbles to four bytes.
static uint32_t spread(uint32_t nibbles) {
  nibbles = (nibbles | nibbles << 8) & 0x00ff00ff;
  return (nibbles | nibbles << 4) & 0x0f0f0f0f;
}

// `count` bytes of a stored row from byte `from` on, or a copy with zeros where the row has ended. What stands in columns that
// do not exist is never seen: activations are 0 there.
static const uint8_t *part(const uint8_t *row, size_t row_bytes, size_t from, size_t count, uint8_t *copy) {
  if (from + count <= row_bytes) return row + from;
  memset(copy, 0, count);
  if (from < row_bytes) memcpy(copy, row + from, row_bytes - from);
  return copy;
}

// Packers bring block `b` of a stored row to its place in a tile.

// Words i of 4, each 64 bytes after the one before: low nibbles are columns 4i to 4i + 3, high nibbles those 16 further on.
static void pack_int4(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  uint8_t copy[16];
  uint16_t quarters[8];
  memcpy(quarters, part(row, row_bytes, 16 * (size_t)b, 16, copy), 16);
  for (int i = 0; i < 4; i++) {
    const uint32_t w = spread(quarters[i]) | spread(quarters[i + 4]) << 4;
    memcpy(to + 64 * i, &w, 4);
  }
}

// 16 pairs, each 32 bytes after the one before.
static void pack_int8(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  uint8_t copy[32];
  const uint8_t *from = part(row, row_bytes, 32 * (size_t)b, 32, copy);
  for (int i = 0; i < 16; i++) memcpy(to + 32 * i, from + 2 * i, 2);
}

// One word: bit i of byte k is column 4i + k.
static void pack_int1(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  uint8_t copy[4];
  const uint8_t *from = part(row, row_bytes, 4 * (size_t)b, 4, copy);
  uint32_t w = 0;
  for (int column = 0; column < TOKENLOG_BLOCK; column++)
    w |= (uint32_t)(from[column / 8] >> column % 8 & 1) << (8 * (column % 4) + column / 4);
  memcpy(to, &w, 4);
}

// Two words: bits 2c and 2c + 1 of byte k of word j are column 16j + 4c + k.
static void put_pairs(const uint8_t *pairs, uint8_t *to) {
  for (int j = 0; j < 2; j++) {
    uint32_t w = 0;
    for (int i = 0; i < 16; i++) w |= (uint32_t)pairs[16 * j + i] << (8 * (i % 4) + 2 * (i / 4));
    memcpy(to + 64 * j, &w, 4);
  }
}

static void pack_int2(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  uint8_t copy[8], pairs[TOKENLOG_BLOCK];
  const uint8_t *from = part(row, row_bytes, 8 * (size_t)b, 8, copy);
  for (int i = 0; i < TOKENLOG_BLOCK; i++) pairs[i] = from[i / 4] >> i % 4 * 2 & 3;
  put_pairs(pairs, to);
}

// Digits 0 to 2 are -1 to 1; 2 stands for 0 in the tile.
static void pack_ternary(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  static const uint8_t powers[] = {1, 3, 9, 27, 81};
  uint8_t pairs[TOKENLOG_BLOCK];
  for (size_t i = 0; i < TOKENLOG_BLOCK; i++) {
    const size_t column = (size_t)b * TOKENLOG_BLOCK + i, at = column / 5;
    pairs[i] = (at < row_bytes ? row[at] : 0) / powers[column % 5] % 3 + 1;
  }
  put_pairs(pairs, to);
}

static void pack_uint4(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) { pack_int4(row, row_bytes, b, to); }
static void pack_uint2(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) { pack_int2(row, row_bytes, b, to); }

static void pack_uint8(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  uint8_t copy[TOKENLOG_BLOCK], shifted[TOKENLOG_BLOCK];
  const uint8_t *from = part(row, row_bytes, 32 * (size_t)b, 32, copy);
  for (int i = 0; i < TOKENLOG_BLOCK; i++) shifted[i] = from[i] ^ 0x80;
  pack_int8(shifted, sizeof shifted, 0, to);
}

static void pack_table_of_16(const int8_t *table, const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  uint8_t copy[16], operands[TOKENLOG_BLOCK];
  const uint8_t *from = part(row, row_bytes, 16 * (size_t)b, 16, copy);
  for (int i = 0; i < TOKENLOG_BLOCK; i++) operands[i] = (uint8_t)table[from[i / 2] >> i % 2 * 4 & 15];
  pack_int8(operands, sizeof operands, 0, to);
}

static void pack_qins4(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  pack_table_of_16(operands_of_qins4, row, row_bytes, b, to);
}

static void pack_fp4(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  pack_table_of_16(operands_of_fp4, row, row_bytes, b, to);
}

// 16 pairs, each 64 bytes after the one before.
static void put_words(const int16_t *words, uint8_t *to) {
  for (int i = 0; i < 16; i++) memcpy(to + 64 * i, words + 2 * i, 4);
}

static void put_fractions(const uint8_t *row, size_t row_bytes, int32_t b, const int16_t *magnitudes, uint8_t *to) {
  uint8_t copy[TOKENLOG_BLOCK];
  int16_t words[TOKENLOG_BLOCK];
  const uint8_t *from = part(row, row_bytes, 32 * (size_t)b, 32, copy);
  for (int i = 0; i < TOKENLOG_BLOCK; i++) words[i] = from[i] < 128 ? magnitudes[from[i]] : -magnitudes[from[i] - 128];
  put_words(words, to);
}

static void pack_qins8_log(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  put_fractions(row, row_bytes, b, magnitudes_of_qins8_log, to);
}

static void pack_qins8_inv(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  put_fractions(row, row_bytes, b, magnitudes_of_qins8_inv, to);
}

static void pack_qins8_proj(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  put_fractions(row, row_bytes, b, magnitudes_of_qins8_proj, to);
}

// A byte for each column, then the bits of their signs.
static void pack_qins9_log(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to) {
  const size_t columns = row_bytes * 8 / 9;
  int16_t words[TOKENLOG_BLOCK] = {0};
  for (size_t i = 0; i < TOKENLOG_BLOCK && (size_t)b * TOKENLOG_BLOCK + i < columns; i++) {
    const size_t column = (size_t)b * TOKENLOG_BLOCK + i;
    const int negative = row[columns + column / 8] >> column % 8 & 1;
    words[i] = negative ? -magnitudes_of_qins9_log[row[column]] : magnitudes_of_qins9_log[row[column]];
  }
  put_words(words, to);
}

// As F16, exactly: |n| is at most 255.
static uint16_t half_of(int32_t n) {
  uint32_t magnitude = n < 0 ? -n : n;
  if (!magnitude) return 0;
  const int exponent = 31 - __builtin_clz(magnitude);
  return (uint16_t)((n < 0) << 15 | (exponent + 15) << 10 | (magnitude << (10 - exponent) & 1023));
}

typedef void Pack(const uint8_t *row, size_t row_bytes, int32_t b, uint8_t *to);

void tokenlog_pack(int32_t code, int32_t rows, int32_t columns, int32_t group_size, const uint8_t *codes,
                   const uint8_t *scales, const uint8_t *zeros, int32_t from_tile, int32_t to_tile, uint8_t *packed) {
#define PACKER(NAME, ...) pack_##NAME,
  static Pack *const packers[] = {CODE_LIST(PACKER)};
#undef PACKER
  const size_t row_bytes = stored_row_bytes(code, columns);
  const Form *form = codes_of_weights[code].form;
  const size_t lane_bytes = form->lane_bytes, block = form->block_bytes, size = tile_bytes(code, columns, group_size);
  const size_t groups = (size_t)columns / group_size + (columns % group_size != 0);
  const int32_t blocks = blocks_of(columns), blocks_of_group = group_size < columns ? group_size / TOKENLOG_BLOCK : blocks;
  for (int32_t tile = from_tile; tile < to_tile; tile++) {
    memset(packed + tile * size, 0, size);
    for (int32_t lane = 0; lane < TOKENLOG_TILE; lane++) {
      const int64_t row = (int64_t)tile * TOKENLOG_TILE + lane;
      const int exists = row < rows;
      uint8_t *to = packed + tile * size;
      for (size_t g = 0; g < groups; g++) {
        if (exists) memcpy(to + 2 * lane, scales + 2 * (row * groups + g), 2);
        if (exists && form->zeros) {
          const uint16_t zero = half_of(codes_of_weights[code].centre - zeros[row * groups + g]);
          memcpy(to + 2 * (TOKENLOG_TILE + lane), &zero, 2);
        }
        to += group_bytes(form);
        const int32_t first = (int32_t)g * blocks_of_group, left = blocks - first;
        for (int32_t b = first; b < first + (left < blocks_of_group ? left : blocks_of_group); b++, to += block)
          packers[code](exists ? codes + row * row_bytes : 0, exists ? row_bytes : 0, b, to + lane * lane_bytes);
      }
    }
  }
}

// --- memory --------------------------------------------------------------------------------------------------------

static const size_t LARGE_PAGE = 2 << 20;

void *tokenlog_map(int64_t bytes) {
  const int large = (size_t)bytes >= LARGE_PAGE;
  const size_t room = bytes + (large ? LARGE_PAGE : 0);
  char *memory = mmap(0, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 0;
  if (!large) return memory;
  // Large pages begin at multiples of their size: what lies before and behind goes back.
  const size_t before = -(uintptr_t)memory & (LARGE_PAGE - 1);
  const size_t page = 4096, used = (bytes + page - 1) / page * page;
  if (before) munmap(memory, before);
  if (room - before > used) munmap(memory + before + used, room - before - used);
  madvise(memory + before, used, MADV_HUGEPAGE);
  return memory + before;
}

void tokenlog_unmap(void *memory, int64_t bytes) { munmap(memory, bytes); }

// --- kernels -------------------------------------------------------------------------------------------------------

int64_t tokenlog_panel_bytes(int32_t bits, int32_t columns, int32_t tokens) {
  const int64_t panels = ((int64_t)tokens + TOKENLOG_PANEL - 1) / TOKENLOG_PANEL;
  return panels * blocks_of(columns) * (int64_t)panel_block_bytes(bits);
}

void tokenlog_quantize(int32_t tier, const float *x, int64_t x_offset, int32_t columns, int32_t largest, int32_t token,
                       int16_t *codes, float *scales, uint8_t *panels) {
  const size_t blocks = blocks_of(columns), panel = blocks * panel_block_bytes(largest <= 127 ? 8 : 16);
  tiers[tier].kernels->quantize(x + x_offset, columns, largest, token % TOKENLOG_PANEL,
                                codes ? codes + token * blocks * TOKENLOG_BLOCK : 0, scales ? scales + token * blocks : 0,
                                panels + token / TOKENLOG_PANEL * panel);
}

void tokenlog_multiply(int32_t tier, int32_t code, const uint8_t *packed, int32_t columns, int32_t group_size,
                       int32_t from_row, int32_t to_row, const uint8_t *panels, int32_t tokens, float *out,
                       int64_t out_offset, int64_t out_stride) {
  const size_t size = tile_bytes(code, columns, group_size);
  const int32_t blocks = blocks_of(columns);
  const Product product = {
      .packed = packed + from_row / TOKENLOG_TILE * size,
      .tile_bytes = size,
      .blocks = blocks,
      .blocks_per_group = group_size < columns ? group_size / TOKENLOG_BLOCK : blocks,
      .from_lane = from_row % TOKENLOG_TILE,
      .rows = to_row - from_row,
      .panels = panels,
      .tokens = tokens,
      .out = out + out_offset + from_row,
      .out_stride = out_stride,
  };
  tiers[tier].kernels->multiply(code, &product);
}

void tokenlog_attend(int32_t tier, int32_t type, const int64_t *pages, int64_t keys, int64_t values, int32_t head_size,
                     int32_t heads, float scale, float soft_cap, int32_t window, int32_t first_position, int32_t tokens,
                     const float *queries, float *out, int64_t offset, int64_t stride, float *scores, int64_t score_stride,
                     float *wide) {
  _Static_assert(sizeof(int64_t) == sizeof(uint8_t *), "addresses of 64 bits");
  const Attention a = {
      .type = type,
      .pages = (const uint8_t *const *)pages,
      .keys = keys,
      .values = values,
      .head_size = head_size,
      .heads = heads,
      .scale = scale,
      .soft_cap = soft_cap,
      .window = window,
      .first_position = first_position,
      .tokens = tokens,
      .queries = queries + offset,
      .out = out + offset,
      .stride = stride,
      .scores = scores,
      .score_stride = score_stride,
      .wide = wide,
  };
  tiers[tier].kernels->attend(&a);
}

void tokenlog_rms_norm(int32_t tier, const float *x, int64_t x_offset, const float *weight, int32_t columns, float epsilon,
                       float *out, int64_t out_offset) {
  tiers[tier].kernels->rms_norm(x + x_offset, weight, columns, epsilon, out + out_offset);
}

void tokenlog_gate(int32_t tier, int32_t activation, float *gate, const float *up, int64_t offset, int32_t count) {
  tiers[tier].kernels->gate(activation, gate + offset, up + offset, count);
}

void tokenlog_add(int32_t tier, float *x, int64_t x_offset, const float *y, int64_t y_offset, int32_t count) {
  tiers[tier].kernels->add(x + x_offset, y + y_offset, count);
}

int32_t tokenlog_all_finite(int32_t tier, const float *x, int64_t offset, int32_t count) {
  int32_t result;
  tiers[tier].kernels->all_finite(x + offset, count, &result);
  return result;
}

void tokenlog_rotate(int32_t tier, float *x, int64_t offset, int32_t heads, int32_t head_size, int32_t pairs,
                     const float *cos, const float *sin, int64_t table_offset) {
  tiers[tier].kernels->rotate(x + offset, heads, head_size, pairs, cos + table_offset, sin + table_offset);
}

int32_t tokenlog_store(int32_t tier, int32_t type, uint8_t *page, int64_t keys, int64_t values, int32_t heads,
                       int32_t head_size, int32_t slot, const float *key, int64_t key_offset, const float *value,
                       int64_t value_offset) {
  const Stored stored = {
      .type = type,
      .heads = heads,
      .head_size = head_size,
      .slot = slot,
      .keys = page + keys,
      .values = page + values,
      .key = key + key_offset,
      .value = value + value_offset,
  };
  int32_t result;
  tiers[tier].kernels->store_position(&stored, &result);
  return result;
}

int32_t tokenlog_encode(int32_t tier, int32_t code, int32_t type, const uint8_t *x, int32_t rows, int32_t columns,
                        int32_t group_size, int32_t search, uint8_t *codes, uint8_t *scales, double *sums) {
  const Encoding encoding = {
      .type = type,
      .x = x,
      .rows = rows,
      .columns = columns,
      .group_size = group_size,
      .search = search,
      .codes = codes,
      .scales = scales,
      .sums = sums,
  };
  int32_t result;
  tiers[tier].kernels->encode(code, &encoding, &result);
  return result;
}

int32_t tokenlog_encodes(int32_t code) { return code == CODE_int8 || code == CODE_int4 || code == CODE_int2; }

void tokenlog_prefetch(const uint8_t *memory, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(memory + i);
}

int64_t tokenlog_read(int32_t tier, const uint8_t *memory, int64_t bytes) {
  int64_t sum;
  tiers[tier].kernels->read_all(memory, bytes, &sum);
  return sum;
}

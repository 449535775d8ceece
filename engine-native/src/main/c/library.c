// Everything that is not compiled per tier: which tiers this processor has, packing, and the way into the kernels.
#define _GNU_SOURCE
#include <cpuid.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels.h"

int32_t tokenlog_abi(void) { return TOKENLOG_ABI; }

// --- tiers ---------------------------------------------------------------------------------------------------------

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

// 16 bytes of row-major codes (32 columns) of one row to 4 words, each 64 bytes after the one before: low nibbles are
// columns 0 to 15, high nibbles columns 16 to 31.
static void pack_int4(const uint8_t *from, uint8_t *to) {
  uint16_t quarters[8];
  memcpy(quarters, from, 16);
  for (int i = 0; i < 4; i++) {
    const uint32_t w = spread(quarters[i]) | spread(quarters[i + 4]) << 4;
    memcpy(to + 64 * i, &w, 4);
  }
}

// 32 codes of one row to 16 pairs, each 32 bytes after the one before.
static void pack_int8(const uint8_t *from, uint8_t *to) {
  for (int i = 0; i < 16; i++) memcpy(to + 32 * i, from + 2 * i, 2);
}

void tokenlog_pack(int32_t code, int32_t rows, int32_t columns, int32_t group_size, const uint8_t *codes,
                   const uint8_t *scales, int32_t from_tile, int32_t to_tile, uint8_t *packed) {
  const int int4 = code == TOKENLOG_INT4;
  const size_t row_bytes = int4 ? ((size_t)columns + 1) / 2 : (size_t)columns;
  const size_t block_row = int4 ? 16 : 32, lane_bytes = int4 ? 4 : 2, block = block_bytes(code);
  const size_t tile_size = tile_bytes(code, columns, group_size);
  const int32_t blocks = blocks_of(columns);
  const size_t groups = (size_t)columns / group_size + (columns % group_size != 0);
  for (int32_t tile = from_tile; tile < to_tile; tile++) {
    uint8_t *to = packed + tile * tile_size;
    uint8_t *to_scales = to + blocks * block;
    memset(to_scales, 0, tile_size - blocks * block);
    for (int32_t lane = 0; lane < TOKENLOG_TILE; lane++) {
      const int64_t row = (int64_t)tile * TOKENLOG_TILE + lane;
      for (int32_t b = 0; b < blocks; b++) {
        uint8_t last[TOKENLOG_BLOCK];
        const uint8_t *from = last;
        if (row < rows && (b + 1) * block_row <= row_bytes) {
          from = codes + row * row_bytes + b * block_row;
        } else {
          memset(last, int4 ? 0x88 : 0, sizeof last);
          if (row < rows) memcpy(last, codes + row * row_bytes + b * block_row, row_bytes - b * block_row);
        }
        (int4 ? pack_int4 : pack_int8)(from, to + b * block + lane * lane_bytes);
      }
      if (row < rows) {
        for (size_t g = 0; g < groups; g++)
          memcpy(to_scales + 2 * (g * TOKENLOG_TILE + lane), scales + 2 * (row * groups + g), 2);
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

void tokenlog_quantize(int32_t tier, const float *x, int64_t x_offset, int32_t columns, int32_t largest, int32_t token,
                       int16_t *codes, int8_t *bytes, float *scales, int32_t *offsets) {
  const size_t block = (size_t)token * blocks_of(columns), code = block * TOKENLOG_BLOCK;
  const int narrow = largest <= 127;
  tiers[tier].kernels->quantize(x + x_offset, columns, largest, codes + code, narrow ? bytes + code : 0, scales + block,
                                narrow ? offsets + block : 0);
}

static Product product(int32_t code, const uint8_t *packed, int32_t columns, int32_t group_size, int32_t from_row,
                       int32_t to_row) {
  const size_t bytes = tile_bytes(code, columns, group_size);
  const int32_t blocks = blocks_of(columns);
  return (Product){
      .packed = packed + from_row / TOKENLOG_TILE * bytes,
      .tile_bytes = bytes,
      .blocks = blocks,
      .blocks_per_group = group_size < columns ? group_size / TOKENLOG_BLOCK : blocks,
      .from_lane = from_row % TOKENLOG_TILE,
      .rows = to_row - from_row,
  };
}

void tokenlog_multiply_int4(int32_t tier, const uint8_t *packed, int32_t columns, int32_t group_size, int32_t from_row,
                            int32_t to_row, const int8_t *bytes, const float *scales, const int32_t *offsets,
                            int32_t tokens, float *out, int64_t out_offset, int64_t out_stride) {
  Product p = product(TOKENLOG_INT4, packed, columns, group_size, from_row, to_row);
  p.codes = bytes;
  p.scales = scales;
  p.offsets = offsets;
  p.tokens = tokens;
  p.out = out + out_offset + from_row;
  p.out_stride = out_stride;
  tiers[tier].kernels->multiply_int4(&p);
}

void tokenlog_multiply_int8(int32_t tier, const uint8_t *packed, int32_t columns, int32_t group_size, int32_t from_row,
                            int32_t to_row, const int16_t *codes, const float *scales, int32_t tokens, float *out,
                            int64_t out_offset, int64_t out_stride) {
  Product p = product(TOKENLOG_INT8, packed, columns, group_size, from_row, to_row);
  p.codes = codes;
  p.scales = scales;
  p.tokens = tokens;
  p.out = out + out_offset + from_row;
  p.out_stride = out_stride;
  tiers[tier].kernels->multiply_int8(&p);
}

int64_t tokenlog_read(int32_t tier, const uint8_t *memory, int64_t bytes) {
  int64_t sum;
  tiers[tier].kernels->read_all(memory, bytes, &sum);
  return sum;
}

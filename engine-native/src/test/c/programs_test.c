// Another program's use of the library: loads it with dlopen, knows tokenlog_kernels.h and nothing else.
//
//   programs_test LIBRARY SEED [memory]
//
// Holds products of every code and tier against plain loops, provokes every error, lets threads share a matrix, and prints what
// a call costs. With `memory` it also runs out of memory, which an emulator does not let it.
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "memory.h"
#include "tokenlog_kernels.h"

#define FUNCTIONS(F) F(message) F(init) F(cleanup) F(code_name) F(pack) F(pack_zeros) F(free) F(multiply) F(multiply_batch)
#define MEMBER(NAME) __typeof__(tlk_##NAME) *NAME;
static struct {
  FUNCTIONS(MEMBER)
} tlk;

static int seen[TLK_WRONG_RESULT + 1];

static void expect(tlk_status expected, tlk_status status, const char *what) {
  seen[status]++;
  if (status == expected) return;
  printf("%s: %d (%s) instead of %d (%s)\n", what, status, tlk.message(status), expected, tlk.message(expected));
  exit(1);
}

static void check(int condition, const char *what) {
  if (condition) return;
  printf("%s\n", what);
  exit(1);
}

static uint64_t state;

static uint32_t random_bits(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return state >> 32;
}

static int below(int limit) { return random_bits() % limit; }

// --- a plain reference, from the text of the header ----------------------------------------------------------------

typedef struct {
  const char *code;
  int rows, columns, group_size, groups;
  int64_t row_bytes, code_bytes, scale_bytes, zero_bytes;
  uint8_t *codes, *scales, *zeros;
} Weights;

static int one_of(const char *code, const char *codes) {
  const char *found = strstr(codes, code);
  return found && found[strlen(code)] == ' ';
}

static int per_byte(const char *code) {
  if (one_of(code, "int8 uint8 qins8-log qins9-log qins8-inv qins8-proj ")) return 1;
  if (one_of(code, "int4 uint4 qins4 fp4 ")) return 2;
  if (one_of(code, "int2 uint2 ")) return 4;
  return !strcmp(code, "ternary") ? 5 : !strcmp(code, "int1") ? 8 : 0;
}

static int has_fractions(const char *code) { return one_of(code, "qins8-log qins9-log qins8-inv qins8-proj "); }

static int fraction(double f) { return lrint(32767 * f); }

static Weights random_weights(const char *code, int rows, int columns, int group_size) {
  check(per_byte(code), "a code that this test does not know");
  Weights w = {.code = code, .rows = rows, .columns = columns, .group_size = group_size};
  w.groups = group_size ? (columns + group_size - 1) / group_size : 1;
  w.row_bytes = (columns + per_byte(code) - 1) / per_byte(code);
  if (!strcmp(code, "qins9-log")) w.row_bytes += (columns + 7) / 8;
  w.code_bytes = rows * w.row_bytes;
  w.scale_bytes = 2 * (int64_t)rows * w.groups;
  w.codes = memory(w.code_bytes);
  w.scales = memory(w.scale_bytes);
  for (int64_t i = 0; i < w.code_bytes; i++) w.codes[i] = random_bits();
  if (*code == 'u') {
    w.zero_bytes = (int64_t)rows * w.groups;
    w.zeros = memory(w.zero_bytes);
    for (int64_t i = 0; i < w.zero_bytes; i++) w.zeros[i] = random_bits();
  }
  for (int64_t i = 0; i < w.scale_bytes; i += 2) {
    const uint16_t half = below(2) << 15 | below(30) << 10 | below(1024);
    memcpy(w.scales + i, &half, 2);
  }
  return w;
}

static float scale_of(const Weights *w, int row, int group) {
  uint16_t half;
  memcpy(&half, w->scales + 2 * ((int64_t)row * w->groups + group), 2);
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  const float magnitude = exponent ? ldexpf(1024 + fraction, exponent - 25) : ldexpf(fraction, -24);
  return (half >> 15 ? -magnitude : magnitude) * (has_fractions(w->code) ? 0x1p-15f : 1);
}

static int weight(const Weights *w, int row, int column) {
  const uint8_t *codes = w->codes + row * w->row_bytes;
  const char *code = w->code;
  if (*code == 'u') {
    const int zero = w->zeros[(int64_t)row * w->groups + (w->group_size ? column / w->group_size : 0)], bits = 8 / per_byte(code);
    return (codes[column * bits / 8] >> column * bits % 8 & ((1 << bits) - 1)) - zero;
  }
  if (!strcmp(code, "int2")) return (codes[column / 4] >> column % 4 * 2 & 3) - 2;
  if (!strcmp(code, "ternary")) {
    int rest = codes[column / 5];
    for (int i = 0; i < column % 5; i++) rest /= 3;
    return rest % 3 - 1;
  }
  if (!strcmp(code, "qins4")) {
    const int table[] = {127, -110, 99, -85, 77, -66, 59, -50, 44, -36, 31, -23, 19, -12, 8, -2};
    return table[codes[column / 2] >> column % 2 * 4 & 15];
  }
  if (!strcmp(code, "fp4")) {
    const int bits = codes[column / 2] >> column % 2 * 4 & 15, exponent = bits >> 1 & 3, mantissa = bits & 1;
    return (bits & 8 ? -1 : 1) * (exponent ? (2 + mantissa) << (exponent - 1) : mantissa);
  }
  if (!strcmp(code, "int4")) return (column % 2 ? codes[column / 2] >> 4 : codes[column / 2] & 15) - 8;
  if (!strcmp(code, "int1")) return codes[column / 8] >> column % 8 & 1 ? 1 : -1;
  if (!strcmp(code, "int8")) return (int8_t)codes[column];
  const int c = codes[column] % 128, sign = codes[column] < 128 ? 1 : -1;
  const double z = (1 + 0.75 * c / 127) / 1.75;
  if (!strcmp(code, "qins8-log")) return sign * fraction(exp(-log(64) * c / 127));
  if (!strcmp(code, "qins8-inv")) return sign * (c ? fraction(1.0 / c) : 0);
  if (!strcmp(code, "qins8-proj")) return sign * fraction((1 - z) / (0.75 * z));
  if (!strcmp(code, "qins9-log"))
    return (codes[w->columns + column / 8] >> column % 8 & 1 ? -1 : 1) * fraction(exp(-log(128) * codes[column] / 255));
  printf("no reference for %s\n", code);
  exit(1);
}

static float product(const Weights *w, int row, const float *x) {
  const float largest = per_byte(w->code) == 1 || one_of(w->code, "qins4 fp4 ") ? 2047 : 127;
  float acc = 0;
  for (int from = 0; from < w->columns; from += 32) {
    const int to = from + 32 < w->columns ? from + 32 : w->columns;
    float amax = 0;
    int finite = 1, sum = 0;
    for (int c = from; c < to; c++) {
      finite &= isfinite(x[c]) != 0;
      if (fabsf(x[c]) > amax) amax = fabsf(x[c]);
    }
    if (!finite) return NAN;
    const int tiny = amax < 0x1p-116f;
    for (int c = from; c < to && !tiny; c++) sum += weight(w, row, c) * (int)nearbyintf(x[c] * (largest / amax));
    const float scale = scale_of(w, row, w->group_size ? from / w->group_size : 0) * (tiny ? 0 : amax / largest);
    acc = fmaf((float)sum, scale, acc);
  }
  return acc;
}

static int same(float a, float b) { return (isnan(a) && isnan(b)) || !memcmp(&a, &b, 4); }

// --- products ------------------------------------------------------------------------------------------------------

static tlk_matrix *packed(const Weights *w) {
  tlk_matrix *matrix = 0;
  expect(TLK_OK,
         w->zeros ? tlk.pack_zeros(w->code, w->rows, w->columns, w->group_size, w->codes, w->code_bytes, w->scales, w->scale_bytes,
                                   w->zeros, w->zero_bytes, &matrix)
                  : tlk.pack(w->code, w->rows, w->columns, w->group_size, w->codes, w->code_bytes, w->scales, w->scale_bytes,
                             &matrix),
         "pack");
  return matrix;
}

static void compare(const char *tier, const char *code, int rows, int columns, int group_size, int tokens) {
  const Weights w = random_weights(code, rows, columns, group_size);
  tlk_matrix *matrix = packed(&w);
  const int x_stride = columns + below(3), from = below(rows), to = from + 1 + below(rows - from), stride = to + below(3);
  const int x_count = (tokens - 1) * x_stride + columns, out_count = (tokens - 1) * stride + to;
  float *x = memory(4 * x_count), *out = memory(4 * out_count), *one = memory(4 * rows);
  for (int i = 0; i < x_count; i++) x[i] = ((int32_t)random_bits() >> 8) * 1e-6f;
  if (!below(4)) x[below(x_count)] = below(2) ? NAN : INFINITY;
  if (!below(4)) memset(x, 0, 4 * columns);
  for (int i = 0; i < out_count; i++) out[i] = -7777;
  expect(TLK_OK, tlk.multiply_batch(matrix, from, to, x, x_stride, tokens, out, stride), "multiply_batch");
  for (int i = 0; i < out_count; i++) {
    const int t = i / stride, row = i % stride;
    const float expected = row >= from && row < to ? product(&w, row, x + t * x_stride) : -7777;
    if (same(expected, out[i])) continue;
    printf("%s %s %dx%d/%d, token %d of %d, row %d: %a instead of %a\n", tier, code, rows, columns, group_size, t, tokens, row,
           out[i], expected);
    exit(1);
  }
  expect(TLK_OK, tlk.multiply(matrix, x, one), "multiply");
  for (int row = 0; row < rows; row++) check(same(product(&w, row, x), one[row]), "one token");
  tlk.free(matrix);
  give_back_all();
}

static int products(const char *tier) {
  const int columns[] = {1, 7, 32, 33, 64, 100, 259, 640}, groups[] = {0, 32, 64, 128};
  int cases = 0;
  for (int code = 0; tlk.code_name(code); code++)
    for (int c = 0; c < 8; c++)
      for (int tokens = 1; tokens < 250; tokens += tokens < 4 ? 1 : below(120) + 1, cases++)
        compare(tier, tlk.code_name(code), 1 + below(40), columns[c], groups[below(4)], tokens);
  return cases;
}

// --- errors --------------------------------------------------------------------------------------------------------

static void before_init(void) {
  float x[32] = {0}, out[1];
  uint8_t bytes[32] = {0};
  tlk_matrix *matrix = 0;
  expect(TLK_NOT_INITIALIZED, tlk.pack("int8", 1, 32, 32, bytes, 32, bytes, 2, &matrix), "pack before init");
  expect(TLK_NOT_INITIALIZED, tlk.multiply((void *)bytes, x, out), "multiply before init");
  expect(TLK_NOT_INITIALIZED, tlk.multiply_batch((void *)bytes, 0, 1, x, 32, 1, out, 1), "batch before init");
  expect(TLK_NOT_INITIALIZED, tlk.cleanup(), "cleanup before init");
  check(!matrix, "a pointer was set");
  tlk.free(0);
}

static void errors_of_pack(void) {
  const Weights w = random_weights("int4", 3, 70, 32);
  tlk_matrix *m = 0;
#define PACK(EXPECTED, CODE, ROWS, COLUMNS, GROUP, CODES, CODE_BYTES, SCALES, SCALE_BYTES, TO) \
  expect(EXPECTED, tlk.pack(CODE, ROWS, COLUMNS, GROUP, CODES, CODE_BYTES, SCALES, SCALE_BYTES, TO), "line " STRING(__LINE__))
#define STRING_(X) #X
#define STRING(X) STRING_(X)
  PACK(TLK_NULL_POINTER, 0, 3, 70, 32, w.codes, 105, w.scales, 18, &m);
  PACK(TLK_NULL_POINTER, "int4", 3, 70, 32, 0, 105, w.scales, 18, &m);
  PACK(TLK_NULL_POINTER, "int4", 3, 70, 32, w.codes, 105, 0, 18, &m);
  PACK(TLK_NULL_POINTER, "int4", 3, 70, 32, w.codes, 105, w.scales, 18, 0);
  PACK(TLK_UNSUPPORTED_CODE, "int5", 3, 70, 32, w.codes, 105, w.scales, 18, &m);
  PACK(TLK_UNSUPPORTED_CODE, "", 3, 70, 32, w.codes, 105, w.scales, 18, &m);
  PACK(TLK_OUT_OF_RANGE, "int4", 0, 70, 32, w.codes, 0, w.scales, 0, &m);
  PACK(TLK_OUT_OF_RANGE, "int4", -3, 70, 32, w.codes, -105, w.scales, -18, &m);
  PACK(TLK_OUT_OF_RANGE, "int4", 3, 0, 32, w.codes, 0, w.scales, 0, &m);
  PACK(TLK_OUT_OF_RANGE, "int4", 3, 70, 33, w.codes, 105, w.scales, 18, &m);
  PACK(TLK_OUT_OF_RANGE, "int4", 3, 70, -32, w.codes, 105, w.scales, 18, &m);
  PACK(TLK_OUT_OF_RANGE, "int4", 3, 70, 32, w.codes, 104, w.scales, 18, &m);
  PACK(TLK_OUT_OF_RANGE, "int4", 3, 70, 32, w.codes, 106, w.scales, 18, &m);
  PACK(TLK_OUT_OF_RANGE, "int4", 3, 70, 32, w.codes, 105, w.scales, 6, &m);
  PACK(TLK_OUT_OF_RANGE, "int8", INT32_MAX, INT32_MAX, 32, w.codes, 105, w.scales, 18, &m);
  PACK(TLK_NULL_POINTER, "uint4", 3, 70, 32, w.codes, 105, w.scales, 18, &m);
  expect(TLK_OUT_OF_RANGE, tlk.pack_zeros("uint4", 3, 70, 32, w.codes, 105, w.scales, 18, w.codes, 8, &m), "too few zeros");
  expect(TLK_OUT_OF_RANGE, tlk.pack_zeros("int4", 3, 70, 32, w.codes, 105, w.scales, 18, w.codes, 9, &m), "zeros of no use");
  check(!m, "a pointer was set");
  give_back_all();
}

static void errors_of_products(void) {
  const Weights w = random_weights("int1", 20, 70, 0);
  tlk_matrix *m = packed(&w);
  float x[211] = {0}, out[81];
  for (int i = 0; i < 81; i++) out[i] = -7777;
#define BATCH(EXPECTED, MATRIX, FROM, TO, X, X_STRIDE, TOKENS, OUT, STRIDE) \
  expect(EXPECTED, tlk.multiply_batch(MATRIX, FROM, TO, X, X_STRIDE, TOKENS, OUT, STRIDE), "line " STRING(__LINE__))
  BATCH(TLK_NULL_POINTER, 0, 0, 20, x, 70, 3, out, 20);
  BATCH(TLK_NULL_POINTER, m, 0, 20, 0, 70, 3, out, 20);
  BATCH(TLK_NULL_POINTER, m, 0, 20, x, 70, 3, 0, 20);
  BATCH(TLK_OUT_OF_RANGE, m, -1, 20, x, 70, 3, out, 20);
  BATCH(TLK_OUT_OF_RANGE, m, 0, 21, x, 70, 3, out, 21);
  BATCH(TLK_OUT_OF_RANGE, m, 5, 5, x, 70, 3, out, 20);
  BATCH(TLK_OUT_OF_RANGE, m, 6, 5, x, 70, 3, out, 20);
  BATCH(TLK_OUT_OF_RANGE, m, 0, 20, x, 70, 0, out, 20);
  BATCH(TLK_OUT_OF_RANGE, m, 0, 20, x, 70, -1, out, 20);
  BATCH(TLK_OUT_OF_RANGE, m, 0, 20, x, 69, 3, out, 20);
  BATCH(TLK_OUT_OF_RANGE, m, 0, 20, x, 70, 3, out, 19);
  BATCH(TLK_OUT_OF_RANGE, m, 0, 20, x, INT64_MAX, 3, out, 20);
  BATCH(TLK_OUT_OF_RANGE, m, 0, 20, x, 70, 3, out, INT64_MAX);
  BATCH(TLK_MISALIGNED, m, 0, 20, (const float *)((uintptr_t)x + 1), 70, 3, out, 20);
  BATCH(TLK_MISALIGNED, m, 0, 20, x, 70, 3, (float *)((uintptr_t)out + 2), 20);
  expect(TLK_NULL_POINTER, tlk.multiply(0, x, out), "no matrix");
  expect(TLK_NULL_POINTER, tlk.multiply(m, 0, out), "no x");
  expect(TLK_NULL_POINTER, tlk.multiply(m, x, 0), "no out");
  expect(TLK_MISALIGNED, tlk.multiply(m, (const float *)((uintptr_t)x + 3), out), "odd x");
  for (int i = 0; i < 81; i++) check(out[i] == -7777, "a refused call wrote something");
  expect(TLK_IN_USE, tlk.cleanup(), "cleanup with a matrix");
  tlk.free(m);
  give_back_all();
}

static void out_of_memory(void) {
  const int columns = 1 << 15, rows = 1 << 12;
  const int64_t bytes = (int64_t)rows * columns;
  void *codes = mmap(0, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(codes != MAP_FAILED, "mmap");
  uint8_t scales[2 << 12] = {0};
  long pages;
  FILE *statm = fopen("/proc/self/statm", "r");
  check(statm && fscanf(statm, "%ld", &pages) == 1 && !fclose(statm), "statm");
  struct rlimit before, limit;
  getrlimit(RLIMIT_AS, &before);
  limit = before;
  limit.rlim_cur = pages * sysconf(_SC_PAGESIZE) + (16 << 20);
  check(!setrlimit(RLIMIT_AS, &limit), "setrlimit");
  tlk_matrix *matrix = 0;
  const tlk_status status = tlk.pack("int8", rows, columns, 0, codes, bytes, scales, sizeof scales, &matrix);
  setrlimit(RLIMIT_AS, &before);
  expect(TLK_NO_MEMORY, status, "pack without memory");
  check(!matrix, "a pointer was set");
  munmap(codes, bytes);
}

// --- threads -------------------------------------------------------------------------------------------------------

enum { THREADS = 4, SHARED_ROWS = 64, SHARED_COLUMNS = 96, SHARED_TOKENS = 5 };

static Weights shared_weights;
static tlk_matrix *shared;
static float shared_x[SHARED_TOKENS * SHARED_COLUMNS], shared_out[SHARED_TOKENS * SHARED_ROWS];

static void *work(void *number) {
  const int from = (int)(intptr_t)number * SHARED_ROWS / THREADS, to = from + SHARED_ROWS / THREADS;
  for (int i = 0; i < 200; i++) {
    tlk_matrix *own = 0;
    tlk_info info;
    const Weights *w = &shared_weights;
    if (tlk.init(0, &info) || tlk.multiply_batch(shared, from, to, shared_x, SHARED_COLUMNS, SHARED_TOKENS, shared_out, SHARED_ROWS) ||
        tlk.pack(w->code, w->rows, w->columns, 0, w->codes, w->code_bytes, w->scales, w->scale_bytes, &own) ||
        tlk.cleanup() != TLK_IN_USE)
      return "a call of a thread failed";
    tlk.free(own);
  }
  return 0;
}

static void threads(void) {
  shared_weights = random_weights("int4", SHARED_ROWS, SHARED_COLUMNS, 0);
  shared = packed(&shared_weights);
  for (int i = 0; i < SHARED_TOKENS * SHARED_COLUMNS; i++) shared_x[i] = below(2000) - 1000;
  pthread_t all[THREADS];
  for (intptr_t i = 0; i < THREADS; i++) check(!pthread_create(all + i, 0, work, (void *)i), "pthread_create");
  for (int i = 0; i < THREADS; i++) {
    void *problem;
    pthread_join(all[i], &problem);
    check(!problem, problem);
  }
  for (int i = 0; i < SHARED_TOKENS * SHARED_ROWS; i++)
    check(same(product(&shared_weights, i % SHARED_ROWS, shared_x + i / SHARED_ROWS * SHARED_COLUMNS), shared_out[i]), "threads");
  tlk.free(shared);
  give_back_all();
}

// --- what a call costs ---------------------------------------------------------------------------------------------

static double nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1e9 + now.tv_nsec;
}

static double cost(const tlk_matrix *matrix, int tokens, const float *x, float *out) {
  enum { CALLS = 2000, ROUNDS = 15 };
  double best = 1e18;
  for (int round = 0; round < ROUNDS; round++) {
    const double begin = nanoseconds();
    for (int i = 0; i < CALLS; i++) tlk.multiply_batch(matrix, 0, 1, x, 32, tokens, out, 1);
    const double took = (nanoseconds() - begin) / CALLS;
    if (took < best) best = took;
  }
  return best;
}

// A product of one row by one block is next to nothing: what remains is the call, its checks and the rounding of one block.
static void overhead(const char *tier) {
  float x[32] = {1, 2, 3}, out[1];
  for (int code = 0; tlk.code_name(code); code++) {
    const Weights w = random_weights(tlk.code_name(code), 1, 32, 32);
    tlk_matrix *matrix = packed(&w);
    printf("%s %s: %.0f ns a call (1 row, 32 columns, 1 token)\n", tier, w.code, cost(matrix, 1, x, out));
    tlk.free(matrix);
    give_back_all();
  }
  printf("%s: %.0f ns a call that is refused\n", tier, cost(0, 1, x, out));
}

int main(int count, char **argument) {
  check(count >= 3, "usage: programs_test LIBRARY SEED [memory]");
  state = strtoull(argument[2], 0, 10);
  void *library = dlopen(argument[1], RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    printf("%s\n", dlerror());
    return 1;
  }
#define FIND(NAME)                              \
  tlk.NAME = dlsym(library, "tlk_" #NAME);      \
  check(tlk.NAME != 0, "no function tlk_" #NAME);
  FUNCTIONS(FIND)

  before_init();
  tlk_info info = {-1, 0};
  expect(TLK_UNKNOWN_TIER, tlk.init("abacus", &info), "unknown tier");
  check(info.version == -1 && !info.tier, "info was changed");
  expect(TLK_OK, tlk.init(0, 0), "init without info");
  expect(TLK_OK, tlk.init(0, &info), "init again");
  check(info.version == TLK_VERSION, "another version");
  const char *best = info.tier;
  expect(TLK_OK, tlk.init(best, &info), "init with the tier in use");
  expect(TLK_UNKNOWN_TIER, tlk.init("abacus", &info), "unknown tier, later");
  errors_of_pack();
  errors_of_products();
  threads();
  if (count > 3) out_of_memory();
  overhead(best);
  expect(TLK_OK, tlk.cleanup(), "cleanup");
  before_init();

  const char *tiers[] = {"avx512vnni", "avxvnni", "avx2", "neondot", "neon"};
  int cases = 0;
  for (int i = 0; i < 5; i++) {
    const tlk_status status = tlk.init(tiers[i], &info);
    seen[status]++;
    check(status == TLK_OK || status == TLK_UNKNOWN_TIER || status == TLK_UNSUPPORTED_TIER, "init with a tier");
    if (status) {
      printf("%s: %s\n", tiers[i], tlk.message(status));
      continue;
    }
    check(!strcmp(info.tier, tiers[i]), "another tier than asked for");
    if (strcmp(tiers[i], best)) expect(TLK_OK, tlk.init(0, 0), "null keeps the tier");
    for (int other = 0; other < 5; other++) {
      const tlk_status refused = tlk.init(tiers[other], 0);
      seen[refused]++;
      check(other == i ? !refused : refused != TLK_OK, "the tier was changed while in use");
    }
    cases += products(tiers[i]);
    expect(TLK_OK, tlk.cleanup(), "cleanup of a tier");
  }
  for (int status = 0; status <= TLK_WRONG_RESULT; status++) {
    check(*tlk.message(status), "an error without a message");
    if (seen[status]) printf("seen %d: %s\n", status, tlk.message(status));
  }
  check(*tlk.message(99), "no message for what is no status");
  printf("%d cases\n", cases);
  return dlclose(library);
}

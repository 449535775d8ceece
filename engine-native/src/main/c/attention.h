// Attention of query heads that share a key-value head:
//
//   score_t = (q . k_t) * scale, then the soft cap      dot product: partial sum c mod 16 of channel c, added by halves
//   e_t = exp(score_t - max), p_t = e_t / sum(e)        sum: partial sum t mod 16 of position t, added by halves
//   out = fma(p_t, v_t, out)                            in ascending t, from +0
//
// Lanes are positions in the first line and channels in the last. A page's keys and values are widened once for all
// queries, and each number loaded meets several queries. Positions of a page that a query does not see may hold anything:
// their scores are thrown away, their values not read.

enum { QUERIES = 4 };

// Queries that are worked on together: where each reads and writes.
typedef struct {
  const float *q;
  float *scores; // of position 0
  float *out;
  int32_t first, last; // positions that it sees
} Query;

INLINE Query query(const Attention *a, int32_t index) {
  const int32_t token = index / a->heads, position = a->first_position + token;
  const int64_t start = token * a->stride + (int64_t)(index % a->heads) * a->head_size;
  const int32_t before = a->window && position >= a->window ? position - a->window + 1 : 0;
  return (Query){a->queries + start, a->scores + index * a->score_stride, a->out + start, before, position};
}

// Scores of some queries for SCORE_PARTS registers of positions, from position `at` on.
INLINE void score_tile(const Attention *a, const Query *query, const int queries, const float *keys, int32_t at) {
  enum { PARTS = SCORE_PARTS };
  floats sums[8][QUERIES][PARTS];
  const int32_t channels = a->head_size;
  UNROLL for (int i = 0; i < 8; i++) {
    floats low[QUERIES][PARTS], high[QUERIES][PARTS];
    UNROLL for (int j = 0; j < queries; j++)
      UNROLL for (int v = 0; v < PARTS; v++) low[j][v] = high[j][v] = zero();
    int32_t c = i;
    for (; c + 8 < channels; c += 16) {
      floats k[PARTS], k8[PARTS];
      UNROLL for (int v = 0; v < PARTS; v++) {
        k[v] = load_floats(keys + c * PAGE + v * LANES);
        k8[v] = load_floats(keys + (c + 8) * PAGE + v * LANES);
      }
      UNROLL for (int j = 0; j < queries; j++) {
        const floats q = all(query[j].q[c]), q8 = all(query[j].q[c + 8]);
        UNROLL for (int v = 0; v < PARTS; v++) {
          low[j][v] = fma_floats(q, k[v], low[j][v]);
          high[j][v] = fma_floats(q8, k8[v], high[j][v]);
        }
      }
    }
    if (c < channels) {
      UNROLL for (int j = 0; j < queries; j++)
        UNROLL for (int v = 0; v < PARTS; v++)
          low[j][v] = fma_floats(all(query[j].q[c]), load_floats(keys + c * PAGE + v * LANES), low[j][v]);
    }
    UNROLL for (int j = 0; j < queries; j++)
      UNROLL for (int v = 0; v < PARTS; v++) sums[i][j][v] = low[j][v] + high[j][v];
  }
  UNROLL for (int j = 0; j < queries; j++)
    UNROLL for (int v = 0; v < PARTS; v++) {
      const floats even = (sums[0][j][v] + sums[4][j][v]) + (sums[2][j][v] + sums[6][j][v]);
      const floats odd = (sums[1][j][v] + sums[5][j][v]) + (sums[3][j][v] + sums[7][j][v]);
      store(query[j].scores + at + v * LANES, (even + odd) * all(a->scale));
    }
}

// Adds the values of positions from `from` to `to` of a page that begins at `start`, for PARTS registers of channels.
INLINE void value_tile(const Query *query, const int queries, const int parts, const float *values, int32_t channels,
                       int32_t channel, int32_t start, int32_t from, int32_t to) {
  floats sums[QUERIES][VALUE_PARTS];
  UNROLL for (int j = 0; j < queries; j++)
    UNROLL for (int v = 0; v < parts; v++) sums[j][v] = load_floats(query[j].out + channel + v * LANES);
  for (int32_t t = from; t < to; t++) {
    const float *row = values + (t - start) * (size_t)channels + channel;
    floats value[VALUE_PARTS];
    UNROLL for (int v = 0; v < parts; v++) value[v] = load_floats(row + v * LANES);
    UNROLL for (int j = 0; j < queries; j++) {
      const floats p = all(query[j].scores[t]);
      UNROLL for (int v = 0; v < parts; v++) sums[j][v] = fma_floats(p, value[v], sums[j][v]);
    }
  }
  UNROLL for (int j = 0; j < queries; j++)
    UNROLL for (int v = 0; v < parts; v++) store(query[j].out + channel + v * LANES, sums[j][v]);
}

INLINE void value_tiles(const Query *query, const int queries, const float *values, int32_t channels, int32_t start,
                        int32_t from, int32_t to) {
  int32_t c = 0;
  for (; c + VALUE_PARTS * LANES <= channels; c += VALUE_PARTS * LANES)
    value_tile(query, queries, VALUE_PARTS, values, channels, c, start, from, to);
  for (; c + LANES <= channels; c += LANES) value_tile(query, queries, 1, values, channels, c, start, from, to);
  for (; c < channels; c++)
    for (int j = 0; j < queries; j++) {
      float sum = query[j].out[c];
      for (int32_t t = from; t < to; t++)
        sum = __builtin_fmaf(query[j].scores[t], values[(t - start) * (size_t)channels + c], sum);
      query[j].out[c] = sum;
    }
}

static void score(const Attention *a, const Query *query, int queries, const float *keys, int32_t at) {
  switch (queries) {
    case 4: return score_tile(a, query, 4, keys, at);
    case 3: return score_tile(a, query, 3, keys, at);
    case 2: return score_tile(a, query, 2, keys, at);
    default: return score_tile(a, query, 1, keys, at);
  }
}

static void add_values(const Query *query, int queries, const float *values, int32_t channels, int32_t start, int32_t from,
                       int32_t to) {
  if (from >= to) return;
  switch (queries) {
    case 4: return value_tiles(query, 4, values, channels, start, from, to);
    case 3: return value_tiles(query, 3, values, channels, start, from, to);
    case 2: return value_tiles(query, 2, values, channels, start, from, to);
    default: return value_tiles(query, 1, values, channels, start, from, to);
  }
}

// Adds the values of a page, positions from `start` to `end`. Queries of several tokens see different positions: together
// what they have in common, each by itself what comes before and after.
static void add_page(const Query *query, int queries, const float *values, int32_t channels, int32_t start, int32_t end) {
  int32_t from[QUERIES], to[QUERIES], most = start, least = end;
  for (int j = 0; j < queries; j++) {
    from[j] = query[j].first > start ? query[j].first : start;
    to[j] = query[j].last + 1 < end ? query[j].last + 1 : end;
    most = from[j] > most ? from[j] : most;
    least = to[j] < least ? to[j] : least;
  }
  if (most >= least) most = least = end;
  for (int j = 0; j < queries; j++)
    add_values(query + j, 1, values, channels, start, from[j], to[j] < most ? to[j] : most);
  add_values(query, queries, values, channels, start, most, least);
  for (int j = 0; j < queries; j++) add_values(query + j, 1, values, channels, start, least, to[j]);
}

static void cap_scores(const Query *q, float cap) {
  for (int32_t i = q->first & -LANES; i <= q->last; i += LANES)
    store(q->scores + i, soft_cap_of(all(cap), load_floats(q->scores + i)));
}

// Scores to probabilities. Positions before and after those that are seen, up to multiples of 16, count as -infinity: they
// add +0 to a partial sum, which changes nothing.
static void softmax(const Query *q) {
  float *const scores = q->scores + (q->first & -PARTIALS);
  const int32_t before = q->first % PARTIALS, seen = q->last + 1 - (q->first & -PARTIALS);
  const int32_t count = (seen + PARTIALS - 1) & -PARTIALS;
  for (int32_t i = 0; i < before; i++) scores[i] = -__builtin_inff();
  for (int32_t i = seen; i < count; i++) scores[i] = -__builtin_inff();

  floats largest[PARTIAL_REGISTERS], sums[PARTIAL_REGISTERS];
  for (int k = 0; k < PARTIAL_REGISTERS; k++) largest[k] = all(-__builtin_inff()), sums[k] = zero();
  for (int32_t i = 0; i < count; i += PARTIALS)
    UNROLL for (int k = 0; k < PARTIAL_REGISTERS; k++)
      largest[k] = larger(load_floats(scores + i + k * LANES), largest[k]);
  const floats maximum = all(largest_of(largest));
  for (int32_t i = 0; i < count; i += PARTIALS)
    UNROLL for (int k = 0; k < PARTIAL_REGISTERS; k++) {
      const floats e = exp_of(load_floats(scores + i + k * LANES) - maximum);
      store(scores + i + k * LANES, e);
      sums[k] = sums[k] + e;
    }
  const floats sum = all(sum_by_halves(sums));
  for (int32_t i = 0; i < count; i += LANES) store(scores + i, load_floats(scores + i) / sum);
}

// Some queries from number `first` on.
//
// @return how many
INLINE int take(const Attention *a, int32_t first, Query *some) {
  const int32_t left = a->tokens * a->heads - first;
  const int count = left < QUERIES ? left : QUERIES;
  for (int j = 0; j < count; j++) some[j] = query(a, first + j);
  return count;
}

static void attend(const Attention *a) {
  const int32_t queries = a->tokens * a->heads, last = a->first_position + a->tokens - 1;
  const int32_t first_page = query(a, 0).first / PAGE, last_page = last / PAGE;
  Query some[QUERIES];
  for (int32_t page = first_page; page <= last_page; page++) {
    const int32_t start = page * PAGE, end = start + PAGE < last + 1 ? start + PAGE : last + 1;
    prefetch_page(a, page, last_page, a->keys);
    const float *keys = keys_of(a, a->pages[page]);
    for (int32_t i = 0, count; i < queries; i += count) {
      count = take(a, i, some);
      for (int32_t at = start; at < end; at += SCORE_PARTS * LANES) score(a, some, count, keys + (at - start), at);
    }
  }
  for (int32_t i = 0; i < queries; i++) {
    const Query one = query(a, i);
    if (a->soft_cap != 0) cap_scores(&one, a->soft_cap);
    softmax(&one);
    memset(one.out, 0, sizeof(float) * a->head_size);
  }
  for (int32_t page = first_page; page <= last_page; page++) {
    const int32_t start = page * PAGE, end = start + PAGE < last + 1 ? start + PAGE : last + 1;
    prefetch_page(a, page, last_page, a->values);
    const float *values = values_of(a, a->pages[page], end - start);
    for (int32_t i = 0, count; i < queries; i += count) {
      count = take(a, i, some);
      add_page(some, count, values, a->head_size, start, end);
    }
  }
}

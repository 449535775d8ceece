// Keys and values of one head in a page of the KV cache: keys [channel][position], so that a register of positions is scored
// at once, and values [position][channel]. In 8 bits their scales stand behind them, one for each block of 32 channels at a
// position, in the same order: [block][position] and [position][block].

enum { PAGE = TOKENLOG_PAGE };

INLINE size_t element_bytes(int32_t type) { return type == TOKENLOG_KV8 ? 1 : type == TOKENLOG_KV16 ? 2 : 4; }

// Bytes of one head's keys, or values, without scales.
INLINE size_t elements_of_head(int32_t type, int32_t head_size) { return PAGE * (size_t)head_size * element_bytes(type); }

INLINE size_t head_bytes(int32_t type, int32_t head_size) {
  const size_t scales = type == TOKENLOG_KV8 ? PAGE * sizeof(float) * (size_t)blocks_of(head_size) : 0;
  return elements_of_head(type, head_size) + scales;
}

// --- storing -------------------------------------------------------------------------------------------------------

// One head at one position: element c goes to `to` + c * stride; in 8 bits the scale of block b to `scales` + b * scale_stride.
//
// @return whether all numbers are finite as stored
INLINE int store_head(int32_t type, const float *x, int32_t channels, uint8_t *to, size_t stride, uint8_t *scales,
                      size_t scale_stride) {
  uint32_t infinite = 0;
  for (int32_t from = 0; from < channels; from += TOKENLOG_BLOCK, scales += scale_stride) {
    const int32_t count = channels - from < TOKENLOG_BLOCK ? channels - from : TOKENLOG_BLOCK;
    float block[TOKENLOG_BLOCK] = {0};
    memcpy(block, x + from, sizeof(float) * count);
    if (type == TOKENLOG_KV32) {
      for (int32_t i = 0; i < count; i++, to += stride) {
        uint32_t pattern;
        memcpy(&pattern, block + i, sizeof pattern);
        infinite |= (pattern & 0x7f800000) == 0x7f800000;
        memcpy(to, &pattern, sizeof pattern);
      }
    } else if (type == TOKENLOG_KV16) {
      uint16_t halves[TOKENLOG_BLOCK];
      UNROLL for (int i = 0; i < TOKENLOG_BLOCK; i += LANES) store_halves((uint8_t *)(halves + i), load_floats(block + i));
      for (int32_t i = 0; i < count; i++, to += stride) {
        infinite |= (halves[i] & 0x7c00) == 0x7c00;
        memcpy(to, halves + i, sizeof *halves);
      }
    } else {
      int32_t codes[TOKENLOG_BLOCK];
      const float scale = round_block(block, 127, codes);
      uint32_t pattern;
      memcpy(&pattern, &scale, sizeof pattern);
      infinite |= (pattern & 0x7f800000) == 0x7f800000;
      for (int32_t i = 0; i < count; i++, to += stride) *to = (uint8_t)codes[i];
      memcpy(scales, &scale, sizeof scale);
    }
  }
  return !infinite;
}

INLINE int store_heads(const int32_t type, const Stored *s) {
  const size_t bytes = head_bytes(type, s->head_size), elements = elements_of_head(type, s->head_size);
  const size_t element = element_bytes(type), blocks = blocks_of(s->head_size);
  int result = 1;
  for (int32_t head = 0; head < s->heads; head++) {
    const size_t channel = (size_t)head * s->head_size;
    uint8_t *const keys = s->keys + head * bytes, *const values = s->values + head * bytes;
    result &= store_head(type, s->key + channel, s->head_size, keys + s->slot * element, PAGE * element,
                             keys + elements + s->slot * sizeof(float), PAGE * sizeof(float));
    result &= store_head(type, s->value + channel, s->head_size, values + s->slot * s->head_size * element, element,
                             values + elements + s->slot * blocks * sizeof(float), sizeof(float));
  }
  return result;
}

static void store_position(const Stored *s, int32_t *result) {
  switch (s->type) {
    case TOKENLOG_KV8: *result = store_heads(TOKENLOG_KV8, s); break;
    case TOKENLOG_KV16: *result = store_heads(TOKENLOG_KV16, s); break;
    default: *result = store_heads(TOKENLOG_KV32, s);
  }
}

// --- reading -------------------------------------------------------------------------------------------------------

INLINE void widen_halves(const uint8_t *halves, int32_t count, float *wide) {
  for (int32_t i = 0; i < count; i += LANES) store(wide + i, load_halves(halves + 2 * (size_t)i));
}

// All keys of a page as floats: the page itself, or `wide` after widening.
INLINE const float *keys_of(const Attention *a, const uint8_t *page) {
  const uint8_t *const keys = page + a->keys;
  if (a->type == TOKENLOG_KV32) return (const float *)keys;
  if (a->type == TOKENLOG_KV16) {
    widen_halves(keys, PAGE * a->head_size, a->wide);
    return a->wide;
  }
  const float *const scales = (const float *)(keys + elements_of_head(a->type, a->head_size));
  for (int32_t c = 0; c < a->head_size; c++)
    for (int32_t i = 0; i < PAGE; i++)
      a->wide[c * PAGE + i] = (float)(int8_t)keys[c * PAGE + i] * scales[c / TOKENLOG_BLOCK * PAGE + i];
  return a->wide;
}

// The values of the first `count` positions of a page, likewise.
INLINE const float *values_of(const Attention *a, const uint8_t *page, int32_t count) {
  const uint8_t *const values = page + a->values;
  if (a->type == TOKENLOG_KV32) return (const float *)values;
  if (a->type == TOKENLOG_KV16) {
    widen_halves(values, count * a->head_size, a->wide); // rounded up to whole registers, which a page always has
    return a->wide;
  }
  const float *const scales = (const float *)(values + elements_of_head(a->type, a->head_size));
  const int32_t blocks = blocks_of(a->head_size);
  for (int32_t i = 0; i < count; i++)
    for (int32_t b = 0; b < blocks; b++) {
      const int32_t from = b * TOKENLOG_BLOCK, left = a->head_size - from;
      const float scale = scales[i * blocks + b];
      const uint8_t *const codes = values + i * (size_t)a->head_size + from;
      float *const wide = a->wide + i * (size_t)a->head_size + from;
      for (int32_t c = 0; c < (left < TOKENLOG_BLOCK ? left : TOKENLOG_BLOCK); c++) wide[c] = (float)(int8_t)codes[c] * scale;
    }
  return a->wide;
}

// The page after the one that is worked on, which lies somewhere else.
INLINE void prefetch_page(const Attention *a, int32_t page, int32_t last, int64_t offset) {
  if (page == last) return;
  const uint8_t *p = a->pages[page + 1] + offset;
  for (size_t i = 0, bytes = head_bytes(a->type, a->head_size); i < bytes; i += 64) __builtin_prefetch(p + i);
}

// What lies between two products of a layer: norms, the gate, rotations, sums. The same operations in the same order as
// ScalarKernels.java. Where a row ends within a register, the rest counts as zeros.

INLINE floats load_some(const float *x, int32_t count) {
  float filled[LANES] = {0};
  memcpy(filled, x, sizeof(float) * count);
  return load_floats(filled);
}

INLINE void store_some(float *x, floats v, int32_t count) {
  float lanes[LANES];
  store(lanes, v);
  memcpy(x, lanes, sizeof(float) * count);
}

// r = 1 / sqrt(sum(x^2) / n + epsilon), the sum by 16 partial sums; out = (x * r) * weight. `out` may be `x`.
static void rms_norm(const float *x, const float *weight, int32_t n, float epsilon, float *out) {
  floats partials[PARTIAL_REGISTERS];
  UNROLL for (int k = 0; k < PARTIAL_REGISTERS; k++) partials[k] = zero();
  for (int32_t i = 0; i < n; i += PARTIALS) {
    float filled[PARTIALS] = {0};
    const float *from = x + i;
    if (n - i < PARTIALS) from = memcpy(filled, from, sizeof(float) * (n - i));
    UNROLL for (int k = 0; k < PARTIAL_REGISTERS; k++) {
      const floats v = load_floats(from + k * LANES);
      partials[k] = fma_floats(v, v, partials[k]);
    }
  }
  const float r = 1.0f / __builtin_sqrtf(sum_by_halves(partials) / (float)n + epsilon);
  int32_t i = 0;
  for (; i + LANES <= n; i += LANES) store(out + i, load_floats(x + i) * all(r) * load_floats(weight + i));
  for (; i < n; i++) out[i] = x[i] * r * weight[i];
}

INLINE floats gated(const int32_t activation, floats gate, floats up) {
  return gate * sigmoid_of(activation == TOKENLOG_SILU ? gate : gelu_argument_of(gate)) * up;
}

INLINE void gate_by(const int32_t activation, float *gate, const float *up, int32_t n) {
  int32_t i = 0;
  for (; i + LANES <= n; i += LANES) store(gate + i, gated(activation, load_floats(gate + i), load_floats(up + i)));
  if (i < n) store_some(gate + i, gated(activation, load_some(gate + i, n - i), load_some(up + i, n - i)), n - i);
}

// gate = activation(gate) * up.
static void gate(int32_t activation, float *gate, const float *up, int32_t n) {
  if (activation == TOKENLOG_SILU)
    gate_by(TOKENLOG_SILU, gate, up, n);
  else
    gate_by(TOKENLOG_GELU_TANH, gate, up, n);
}

static void add(float *x, const float *y, int32_t n) {
  for (int32_t i = 0; i < n; i++) x[i] = x[i] + y[i];
}

static void all_finite(const float *x, int32_t n, int32_t *result) {
  uint32_t largest = 0;
  for (int32_t i = 0; i < n; i++) {
    uint32_t pattern;
    memcpy(&pattern, x + i, sizeof pattern);
    pattern &= 0x7fffffff;
    largest = pattern > largest ? pattern : largest;
  }
  *result = largest < 0x7f800000;
}

// x' = fma(x, cos, -(y * sin)), y' = fma(y, cos, x * sin), where y is `pairs` elements further on than x.
static void rotate(float *values, int32_t heads, int32_t head_size, int32_t pairs, const float *cos, const float *sin) {
  for (int32_t head = 0; head < heads; head++, values += head_size) {
    int32_t i = 0;
    for (; i + LANES <= pairs; i += LANES) {
      const floats x = load_floats(values + i), y = load_floats(values + pairs + i);
      const floats c = load_floats(cos + i), s = load_floats(sin + i);
      store(values + i, fma_floats(x, c, negated(y * s)));
      store(values + pairs + i, fma_floats(y, c, x * s));
    }
    for (; i < pairs; i++) {
      const float x = values[i], y = values[pairs + i];
      values[i] = __builtin_fmaf(x, cos[i], -(y * sin[i]));
      values[pairs + i] = __builtin_fmaf(y, cos[i], x * sin[i]);
    }
  }
}

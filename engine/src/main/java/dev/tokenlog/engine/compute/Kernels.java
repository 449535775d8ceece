package dev.tokenlog.engine.compute;

import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// What [the forward pass][dev.tokenlog.engine.transformer.CpuExecutor] computes with: operations
/// on whole matrices and whole heads, never a single dot product. What each of them computes, to
/// the bit, is written in [ScalarKernels]; every implementation gives the same bits.
///
/// Activations are row-major `float[]`: one row per token, `stride` elements from one token to the
/// next. No method allocates, and none keeps what it is given. Methods with a range of rows, tokens
/// or elements may run at the same time for different ranges, each with its own [Workspace].
public interface Kernels {

    /// The name it is chosen by: `scalar`, `vector`, `native`.
    String name();

    /// For people, for instance `vector 512 bit`.
    String description();

    /// Row `row` of an embedding matrix, widened to float, to `out[outOffset ..]`.
    void embed(Matrix matrix, int row, float[] out, int outOffset, Workspace workspace);

    /// Multiplies `count` elements by one factor.
    void scale(float factor, float[] x, int offset, int count);

    /// RMSNorm of one token: `out = (x · 1/sqrt(mean(x²) + epsilon)) · weight`, over
    /// `weight.length` elements.
    void rmsNorm(
            float[] x,
            int xOffset,
            float[] weight,
            float epsilon,
            float[] out,
            int outOffset,
            Workspace workspace);

    /// Quantizes one token's row into row `token` of `out`, which has been
    /// [reshaped][QuantizedActivations#reshape] to these columns, in the code of `out`.
    void quantize(float[] x, int xOffset, QuantizedActivations out, int token);

    /// Brings weights into the layout that [#multiply] reads fastest; different matrices may be
    /// prepared at the same time.
    ///
    /// @param arena holds what is made, if anything: another copy of the weights at most
    default PreparedMatrix prepare(Matrix.Quantized weights, Arena arena) {
        return new PreparedMatrix.AsStored(weights);
    }

    /// Rows `fromRow` to `toRow` (exclusive) of `weights` times tokens 0 to `tokens` of `x`: output
    /// of row `r` and token `t` goes to `out[outOffset + t * outStride + r]`. Any weights go with
    /// any activations; which do is [ActivationCode#beside].
    void multiply(
            PreparedMatrix weights,
            int fromRow,
            int toRow,
            QuantizedActivations x,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace);

    /// The same for float weights: token `t` of `x` begins at `t * xStride`.
    void multiply(
            Matrix.Float weights,
            int fromRow,
            int toRow,
            float[] x,
            int xStride,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace);

    /// Rotates the first `2 * pairs` elements of each of `heads` heads at one position; pair `i` is
    /// elements `i` and `i + pairs` of a head.
    ///
    /// @param cos `pairs` numbers from `tableOffset` on, likewise `sin`
    void rotate(
            float[] x,
            int offset,
            int heads,
            int headSize,
            int pairs,
            float[] cos,
            float[] sin,
            int tableOffset);

    /// Stores the keys and values of one position of one layer, all key-value heads.
    ///
    /// @param slot position within the page
    /// @return whether all numbers are finite as stored
    boolean store(
            KvLayout layout,
            MemorySegment page,
            int layer,
            int slot,
            float[] keys,
            int keyOffset,
            float[] values,
            int valueOffset);

    /// Attention of all query heads of one key-value head, for `tokens` consecutive positions of
    /// one sequence from `firstPosition` on, at most [Workspace#ATTENTION_TOKENS]. Their keys and
    /// values have been stored.
    ///
    /// Query head `g` of the group and token `i` begins at `offset + i * stride + g * headSize` in
    /// `queries`, and its result likewise in `out`.
    void attend(
            KvCache cache,
            AttentionShape shape,
            int keyValueHead,
            int firstPosition,
            int tokens,
            float[] queries,
            float[] out,
            int offset,
            int stride,
            Workspace workspace);

    /// `gate = silu(gate) · up` for elements `from` to `to`.
    void siluGate(float[] gate, float[] up, int from, int to, Workspace workspace);

    /// `gate = gelu(gate) · up` for elements `from` to `to`, with the tanh form of GELU.
    void geluGate(float[] gate, float[] up, int from, int to, Workspace workspace);

    /// `x = x + y` for `count` elements.
    void add(float[] x, int xOffset, float[] y, int yOffset, int count);

    /// `x = cap · tanh(x / cap)` for elements `from` to `to`.
    void softCap(float cap, float[] x, int from, int to, Workspace workspace);

    /// Whether there is neither a NaN nor an infinity among `count` elements.
    boolean isFinite(float[] x, int offset, int count);

    /// `x = function(x)` for elements `from` to `to`.
    void apply(ElementaryFunction function, float[] x, int from, int to, Workspace workspace);
}

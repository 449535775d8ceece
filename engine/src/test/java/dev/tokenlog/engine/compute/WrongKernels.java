package dev.tokenlog.engine.compute;

import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.MemorySegment;

/// Kernels whose products are off by one.
final class WrongKernels implements Kernels {

    private final ScalarKernels right = new ScalarKernels();

    @Override
    public String name() {
        return "wrong";
    }

    @Override
    public String description() {
        return "off by one";
    }

    @Override
    public void embed(Matrix matrix, int row, float[] out, int outOffset, Workspace workspace) {
        right.embed(matrix, row, out, outOffset, workspace);
    }

    @Override
    public void scale(float factor, float[] x, int offset, int count) {
        right.scale(factor, x, offset, count);
    }

    @Override
    public void rmsNorm(
            float[] x,
            int xOffset,
            float[] weight,
            float epsilon,
            float[] out,
            int outOffset,
            Workspace workspace) {
        right.rmsNorm(x, xOffset, weight, epsilon, out, outOffset, workspace);
    }

    @Override
    public void quantize(float[] x, int xOffset, QuantizedActivations out, int token) {
        right.quantize(x, xOffset, out, token);
    }

    @Override
    public void multiply(
            PreparedMatrix weights,
            int fromRow,
            int toRow,
            QuantizedActivations x,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace) {
        right.multiply(weights, fromRow, toRow, x, tokens, out, outOffset, outStride, workspace);
        out[outOffset] += 1;
    }

    @Override
    public void multiply(
            Matrix.Float weights,
            int fromRow,
            int toRow,
            float[] x,
            int xStride,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace) {
        right.multiply(
                weights, fromRow, toRow, x, xStride, tokens, out, outOffset, outStride, workspace);
    }

    @Override
    public void rotate(
            float[] x,
            int offset,
            int heads,
            int headSize,
            int pairs,
            float[] cos,
            float[] sin,
            int tableOffset) {
        right.rotate(x, offset, heads, headSize, pairs, cos, sin, tableOffset);
    }

    @Override
    public boolean store(
            KvLayout layout,
            MemorySegment page,
            int layer,
            int slot,
            float[] keys,
            int keyOffset,
            float[] values,
            int valueOffset) {
        return right.store(layout, page, layer, slot, keys, keyOffset, values, valueOffset);
    }

    @Override
    public void attend(
            KvCache cache,
            AttentionShape shape,
            int keyValueHead,
            int firstPosition,
            int tokens,
            float[] queries,
            float[] out,
            int offset,
            int stride,
            Workspace workspace) {
        right.attend(
                cache,
                shape,
                keyValueHead,
                firstPosition,
                tokens,
                queries,
                out,
                offset,
                stride,
                workspace);
    }

    @Override
    public void siluGate(float[] gate, float[] up, int from, int to, Workspace workspace) {
        right.siluGate(gate, up, from, to, workspace);
    }

    @Override
    public void geluGate(float[] gate, float[] up, int from, int to, Workspace workspace) {
        right.geluGate(gate, up, from, to, workspace);
    }

    @Override
    public void add(float[] x, int xOffset, float[] y, int yOffset, int count) {
        right.add(x, xOffset, y, yOffset, count);
    }

    @Override
    public void softCap(float cap, float[] x, int from, int to, Workspace workspace) {
        right.softCap(cap, x, from, to, workspace);
    }

    @Override
    public boolean isFinite(float[] x, int offset, int count) {
        return right.isFinite(x, offset, count);
    }

    @Override
    public void apply(
            ElementaryFunction function, float[] x, int from, int to, Workspace workspace) {
        right.apply(function, x, from, to, workspace);
    }
}

package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.InputTap;
import dev.tokenlog.engine.transformer.Sequence;
import java.util.Arrays;

/// One layer reading documents, and what is heard on the way: the inputs of one group of matrices,
/// and the layer's output.
final class LayerPass implements AutoCloseable, InputTap {

    /// Tokens that go through the layer together.
    private static final int TOKENS = 128;

    private final CpuExecutor executor;
    private final Batch batch;
    private final String group;
    private float[] inputs = new float[0];
    private float[] residual = new float[0];
    private int inputCount;
    private boolean enough;
    private int residualCount;
    private float[] output = new float[0];
    private int outputCount;

    /// @param group whose inputs are kept; null: none
    LayerPass(LayerModel layer, int threads, String group) {
        this.group = group;
        CpuOptions options = CpuOptions.automatic().withThreads(threads);
        this.executor =
                CpuExecutor.open(
                        layer,
                        new CpuOptions(
                                options.compute(),
                                options.threads(),
                                options.kv(),
                                TOKENS,
                                options.kvBudget()),
                        this);
        this.batch = executor.newBatch(TOKENS, 0);
    }

    /// Reads one document, whose states are rows `first` to `first + length - 1` of the table.
    void read(int first, int length) {
        inputCount = 0;
        residualCount = 0;
        outputCount = 0;
        try (Sequence sequence = executor.newSequence()) {
            sequence.fit(length);
            sequence.reserve(length);
            for (int from = 0; from < length; from += TOKENS) {
                batch.clear();
                enough = false;
                for (int i = from; i < Math.min(length, from + TOKENS); i++) {
                    batch.add(sequence, first + i, i, false);
                }
                executor.step(batch);
            }
        }
    }

    @Override
    public void input(String tensor, float[] values, int width, int count, float[] added) {
        if (tensor.equals(group)) {
            if (added != null) {
                int hidden = executor.plan().hiddenSize();
                residual = appended(residual, residualCount * hidden, added, count * hidden);
                residualCount += count;
            }
            inputs = appended(inputs, inputCount * width, values, count * width);
            inputCount += count;
            enough = true;
        }
    }

    @Override
    public boolean isEnough() {
        return enough;
    }

    @Override
    public void hidden(float[] values, int width, int count) {
        output = appended(output, outputCount * width, values, count * width);
        outputCount += count;
    }

    private static float[] appended(float[] to, int used, float[] values, int count) {
        float[] room =
                to.length < used + count ? Arrays.copyOf(to, Math.max(2 * used, used + count)) : to;
        System.arraycopy(values, 0, room, used, count);
        return room;
    }

    /// The group's inputs, one row for each of [#inputCount] tokens: of an expert's matrices, of
    /// the tokens that chose it.
    float[] inputs() {
        return inputs;
    }

    /// Whether the group's product is added to the residual stream as it is.
    boolean hasResidual() {
        return residualCount > 0;
    }

    /// What it is added to.
    float[] residual() {
        return residual;
    }

    int inputCount() {
        return inputCount;
    }

    /// The layer's output, one row for each token of the document.
    float[] output() {
        return output;
    }

    @Override
    public void close() {
        executor.close();
    }
}

package dev.tokenlog.engine.transformer;

import static dev.tokenlog.engine.compute.Workspace.ATTENTION_TOKENS;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import dev.tokenlog.engine.compute.Workspace;
import java.util.function.ToIntFunction;

/// Everything that a pass through the layers writes to, made once for the largest pass.
final class StepBuffers {

    private final ModelPlan plan;
    private final int maxTokens;
    private final int queryWidth;
    private final int intermediateSize;

    private final float[] hidden;
    private final Activations normed;
    private final float[] queries;
    private final float[] keys;
    private final float[] values;
    private final Activations attended;
    private final Activations gate;
    private final float[] up;
    private final float[] branch;
    private final ExpertRouting routing;
    private final Activations expertInput;
    private final float[] expertOutput;
    private final int[] tileStarts;
    private int tiles;

    StepBuffers(ModelPlan plan, int maxTokens) {
        this.plan = plan;
        this.maxTokens = maxTokens;
        this.queryWidth = widest(l -> l.attention().queryWidth());
        int keyValueWidth = widest(l -> l.attention().keyValueWidth());
        this.intermediateSize = widest(l -> l.feedForward().intermediateSize());

        this.hidden = new float[Math.multiplyExact(maxTokens, plan.hiddenSize())];
        this.normed = new Activations(maxTokens, plan.hiddenSize());
        this.queries = new float[Math.multiplyExact(maxTokens, queryWidth)];
        this.keys = new float[Math.multiplyExact(maxTokens, keyValueWidth)];
        this.values = new float[Math.multiplyExact(maxTokens, keyValueWidth)];
        this.attended = new Activations(maxTokens, queryWidth);
        this.gate = new Activations(maxTokens, intermediateSize);
        this.up = new float[Math.multiplyExact(maxTokens, intermediateSize)];
        this.branch = new float[Math.multiplyExact(maxTokens, plan.hiddenSize())];
        int experts = widest(l -> isMixture(l) ? l.feedForward().mixture().experts() : 0);
        int chosen = widest(l -> isMixture(l) ? l.feedForward().mixture().chosen() : 0);
        int expertTokens = experts == 0 ? 0 : maxTokens;
        this.routing = new ExpertRouting(maxTokens, experts, chosen);
        this.expertInput = new Activations(expertTokens, plan.hiddenSize());
        this.expertOutput = new float[Math.multiplyExact(expertTokens, plan.hiddenSize())];
        this.tileStarts = new int[maxTokens + 1];
    }

    private int widest(ToIntFunction<LayerPlan> width) {
        return plan.layers().stream().mapToInt(width).max().orElse(0);
    }

    private static boolean isMixture(LayerPlan layer) {
        return layer.feedForward().mixture() != null;
    }

    Workspace newWorkspace() {
        int columns = Math.max(plan.hiddenSize(), Math.max(queryWidth, intermediateSize));
        int group = widest(l -> l.attention().heads() / l.attention().keyValueHeads());
        return new Workspace(columns, group, widest(l -> l.attention().headSize()));
    }

    int maxTokens() {
        return maxTokens;
    }

    /// Cuts the tokens of a pass into tiles for attention: consecutive tokens of one sequence.
    void beginPass(Batch batch, int first, int tokens) {
        tiles = 0;
        for (int i = 0; i < tokens; i++) {
            boolean joins =
                    i > 0
                            && batch.sequence(first + i) == batch.sequence(first + i - 1)
                            && i - tileStarts[tiles - 1] < ATTENTION_TOKENS;
            if (!joins) {
                tileStarts[tiles++] = i;
            }
        }
        tileStarts[tiles] = tokens;
    }

    void beginLayer(Layer layer, int tokens) {
        normed.reshape(tokens, plan.hiddenSize());
        attended.reshape(tokens, layer.queryWidth());
        gate.reshape(tokens, layer.intermediateSize());
    }

    /// Makes room for the tokens of one expert.
    void beginExpert(Layer layer, int tokens) {
        expertInput.reshape(tokens, plan.hiddenSize());
        gate.reshape(tokens, layer.intermediateSize());
    }

    int tiles() {
        return tiles;
    }

    int tileStart(int tile) {
        return tileStarts[tile];
    }

    int tileEnd(int tile) {
        return tileStarts[tile + 1];
    }

    /// The residual stream, `[tokens][hiddenSize]`.
    float[] hidden() {
        return hidden;
    }

    /// After a norm: what the next matrices are multiplied by.
    Activations normed() {
        return normed;
    }

    float[] queries() {
        return queries;
    }

    float[] keys() {
        return keys;
    }

    float[] values() {
        return values;
    }

    /// The result of attention, all heads side by side.
    Activations attended() {
        return attended;
    }

    /// The gate's projection and, once activated and multiplied, what goes down.
    Activations gate() {
        return gate;
    }

    float[] up() {
        return up;
    }

    /// What attention or the feed-forward network adds to the residual stream.
    float[] branch() {
        return branch;
    }

    ExpertRouting routing() {
        return routing;
    }

    /// The normed activations of one expert's tokens, side by side.
    Activations expertInput() {
        return expertInput;
    }

    /// What one expert computes for its tokens.
    float[] expertOutput() {
        return expertOutput;
    }
}

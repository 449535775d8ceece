package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.KvLayout;
import dev.tokenlog.engine.compute.Workspace;

/// Attention of one layer after the other: queries, keys and values of all tokens, rotated; keys
/// and values into the KV cache; each token over what its sequence has there.
final class AttentionBlock {

    private final Pass pass;
    private final Kernels kernels;
    private final StepBuffers buffers;
    private final KvLayout layout;

    private final WorkerTeam.Task normBeforeAttention = this::normBeforeAttention;
    private final WorkerTeam.Task projectQueryKeyValue = this::projectQueryKeyValue;
    private final WorkerTeam.Task rotateAndStore = this::rotateAndStore;
    private final WorkerTeam.Task attend = this::attend;
    private final WorkerTeam.Task quantizeAttended = this::quantizeAttended;
    private final WorkerTeam.Task projectAttended = this::projectAttended;

    private Layer layer;

    AttentionBlock(Pass pass, KvLayout layout) {
        this.pass = pass;
        this.kernels = pass.kernels();
        this.buffers = pass.buffers();
        this.layout = layout;
    }

    /// `x = x + O · attention(Q · norm(x), K · norm(x), V · norm(x))`; some families norm queries
    /// and keys, or what is added.
    void run(Layer current) {
        layer = current;
        pass.forEachToken(normBeforeAttention);
        pass.hear(layer.queryKeyValue(), buffers.normed(), pass.tokens(), false);
        if (pass.hasHeardEnough()) {
            return;
        }
        pass.multiply(
                projectQueryKeyValue,
                layer.queryKeyValue(),
                layer.attentionOutput(),
                pass.tokens());
        pass.forEachToken(rotateAndStore);
        pass.share(
                attend,
                buffers.tiles() * layer.plan().attention().keyValueHeads(),
                attentionProducts());
        if (layer.attentionOutput().isQuantized()) {
            pass.forEachToken(quantizeAttended);
        }
        pass.hear(
                layer.attentionOutput(),
                buffers.attended(),
                pass.tokens(),
                layer.attentionOutputNorm() == null);
        if (pass.hasHeardEnough()) {
            return;
        }
        pass.multiply(
                projectAttended,
                layer.attentionOutput(),
                layer.feedForward().input(),
                pass.tokens());
    }

    /// Multiply-adds of scores and weighted values.
    private long attentionProducts() {
        long positions = 0;
        for (int i = 0; i < pass.tokens(); i++) {
            positions += pass.position(i) + 1;
        }
        return 2 * positions * layer.queryWidth();
    }

    private void normBeforeAttention(int token, Workspace workspace) {
        pass.normBefore(token, layer.inputNorm(), workspace);
        layer.queryKeyValue().quantize(kernels, buffers.normed(), token);
    }

    private void projectQueryKeyValue(int part, Workspace workspace) {
        layer.queryKeyValue().run(kernels, part, buffers.normed(), pass.tokens(), workspace);
    }

    private void rotateAndStore(int token, Workspace workspace) {
        PagedSequence sequence = pass.sequence(token);
        int position = pass.position(token);
        int query = token * layer.queryWidth();
        int keyValue = token * layer.keyValueWidth();
        Attention attention = layer.plan().attention();
        normHeads(buffers.queries(), query, layer.queryNorm(), attention.queryWidth(), workspace);
        normHeads(buffers.keys(), keyValue, layer.keyNorm(), attention.keyValueWidth(), workspace);
        if (attention.rotary() != Attention.NO_ROTARY) {
            RotaryTable table = sequence.rotary(attention.rotary());
            rotate(buffers.queries(), query, attention.heads(), table, position);
            rotate(buffers.keys(), keyValue, attention.keyValueHeads(), table, position);
        }
        // A soft cap would make a number of an infinite score.
        boolean finite =
                attention.softCap() == 0
                        || kernels.isFinite(buffers.queries(), query, attention.queryWidth());
        finite &=
                kernels.store(
                        layout,
                        sequence.page(position / KvLayout.PAGE_POSITIONS),
                        layer.index(),
                        position % KvLayout.PAGE_POSITIONS,
                        buffers.keys(),
                        keyValue,
                        buffers.values(),
                        keyValue);
        if (!finite) {
            sequence.markNonFinite();
        }
    }

    /// Norms in place: of each head, or of all together, as many as the weights are long.
    private void normHeads(float[] x, int offset, float[] weight, int width, Workspace workspace) {
        if (weight == null) {
            return;
        }
        float epsilon = layer.plan().normEpsilon();
        for (int start = offset; start < offset + width; start += weight.length) {
            kernels.rmsNorm(x, start, weight, epsilon, x, start, workspace);
        }
    }

    private void rotate(float[] x, int offset, int heads, RotaryTable table, int position) {
        kernels.rotate(
                x,
                offset,
                heads,
                layer.plan().attention().headSize(),
                table.pairs(),
                table.cos(),
                table.sin(),
                position * table.pairs());
    }

    /// Parts are pairs of a tile of tokens and a key-value head.
    private void attend(int part, Workspace workspace) {
        int keyValueHeads = layer.plan().attention().keyValueHeads();
        int tile = part / keyValueHeads;
        int head = part % keyValueHeads;
        int token = buffers.tileStart(tile);
        int groupWidth = layer.attention().group() * layer.attention().headSize();
        kernels.attend(
                pass.sequence(token),
                layer.attention(),
                head,
                pass.position(token),
                buffers.tileEnd(tile) - token,
                buffers.queries(),
                buffers.attended().values(),
                token * layer.queryWidth() + head * groupWidth,
                layer.queryWidth(),
                workspace);
    }

    private void quantizeAttended(int token, Workspace workspace) {
        layer.attentionOutput().quantize(kernels, buffers.attended(), token);
    }

    private void projectAttended(int part, Workspace workspace) {
        layer.attentionOutput().run(kernels, part, buffers.attended(), pass.tokens(), workspace);
    }
}

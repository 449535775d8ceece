package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.compute.KvLayout;
import dev.tokenlog.engine.compute.Workspace;
import java.util.List;

/// The forward pass of a decoder-only transformer: embedding; per layer attention and a gated
/// feed-forward network, each with an RMSNorm before it, after it or both, and with a residual
/// connection; a last norm and the head. Read on in [AttentionBlock], [FeedForwardBlock] and
/// [OutputHead].
final class ForwardPass {

    private final Pass pass;
    private final ModelWeights weights;
    private final AttentionBlock attention;
    private final FeedForwardBlock feedForward;
    private final OutputHead head;

    private final WorkerTeam.Task embed = this::embed;

    ForwardPass(Pass pass, ModelWeights weights, KvLayout layout) {
        this.pass = pass;
        this.weights = weights;
        this.attention = new AttentionBlock(pass, layout);
        this.feedForward = new FeedForwardBlock(pass);
        this.head = new OutputHead(pass, weights);
    }

    /// All tokens of a batch, some at a time.
    void run(Batch batch, int atOnce) {
        head.beginBatch();
        for (int first = 0; first < batch.size(); first += atOnce) {
            pass.begin(batch, first, Math.min(atOnce, batch.size() - first));
            run();
        }
        pass.end();
    }

    private void run() {
        pass.forEachToken(embed);
        List<Layer> layers = weights.layers();
        for (int i = 0; i < layers.size() && !pass.hasHeardEnough(); i++) {
            pass.beginLayer(layers.get(i));
            attention.run(layers.get(i));
            if (!pass.hasHeardEnough()) {
                feedForward.run(layers.get(i), following(layers, i));
            }
        }
        pass.hearHidden();
        for (int i = 0; i < pass.tokens(); i++) {
            pass.sequence(i).append(pass.batch().token(pass.firstToken() + i));
        }
        head.run(pass.batch());
    }

    /// What is multiplied after layer `index`.
    private Projection following(List<Layer> layers, int index) {
        return index + 1 < layers.size() ? layers.get(index + 1).queryKeyValue() : weights.head();
    }

    private void embed(int token, Workspace workspace) {
        int start = token * pass.plan().hiddenSize();
        pass.kernels()
                .embed(
                        weights.embedding(),
                        pass.batch().token(pass.firstToken() + token),
                        pass.buffers().hidden(),
                        start,
                        workspace);
        if (pass.plan().embeddingScale() != 1f) {
            pass.kernels()
                    .scale(
                            pass.plan().embeddingScale(),
                            pass.buffers().hidden(),
                            start,
                            pass.plan().hiddenSize());
        }
    }
}

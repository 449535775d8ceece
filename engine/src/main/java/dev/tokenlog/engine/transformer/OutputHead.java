package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.Workspace;

/// The last norm and the head: logits of the tokens that asked for them.
final class OutputHead {

    private final Pass pass;
    private final ModelPlan plan;
    private final Kernels kernels;
    private final StepBuffers buffers;
    private final ModelWeights weights;

    private final WorkerTeam.Task normBeforeHead = this::normBeforeHead;
    private final WorkerTeam.Task projectHead = this::projectHead;
    private final WorkerTeam.Task finishLogits = this::finishLogits;

    private Batch batch;
    private int firstRow;
    private int rows;

    OutputHead(Pass pass, ModelWeights weights) {
        this.pass = pass;
        this.plan = pass.plan();
        this.kernels = pass.kernels();
        this.buffers = pass.buffers();
        this.weights = weights;
    }

    /// Logits go to the batch from its first row on.
    void beginBatch() {
        firstRow = 0;
    }

    /// `logits = H · norm(x)`, for the tokens that asked for them.
    ///
    /// @param batch whose tokens these are
    void run(Batch current) {
        batch = current;
        rows = 0;
        for (int i = 0; i < pass.tokens(); i++) {
            if (batch.logitRow(pass.firstToken() + i) >= 0) {
                rows++;
            }
        }
        if (rows == 0) {
            return;
        }
        buffers.normed().reshape(rows, plan.hiddenSize());
        pass.forEach(normBeforeHead, rows);
        int vocabulary = plan.vocabularySize();
        weights.headTarget().set(batch.logits(), firstRow * vocabulary, vocabulary);
        pass.multiply(
                projectHead, weights.head(), weights.layers().getFirst().queryKeyValue(), rows);
        pass.share(finishLogits, rows, (long) rows * vocabulary);
        firstRow += rows;
    }

    private void normBeforeHead(int row, Workspace workspace) {
        int token = batch.logitToken(firstRow + row) - pass.firstToken();
        pass.norm(token, row, weights.finalNorm(), plan.finalNormEpsilon(), workspace);
        weights.head().quantize(kernels, buffers.normed(), row);
    }

    private void projectHead(int part, Workspace workspace) {
        weights.head().run(kernels, part, buffers.normed(), rows, workspace);
    }

    private void finishLogits(int row, Workspace workspace) {
        int vocabulary = plan.vocabularySize();
        int start = (firstRow + row) * vocabulary;
        // Before the cap, which would make a number of an infinity.
        boolean finite = kernels.isFinite(batch.logits(), start, vocabulary);
        if (plan.logitMultiplier() != 0) {
            kernels.scale(plan.logitMultiplier(), batch.logits(), start, vocabulary);
        }
        if (plan.logitSoftCap() != 0) {
            float cap = plan.logitSoftCap();
            kernels.softCap(cap, batch.logits(), start, start + vocabulary, workspace);
        }
        if (!finite) {
            pass.sequence(batch.logitToken(firstRow + row) - pass.firstToken()).markNonFinite();
        }
    }
}

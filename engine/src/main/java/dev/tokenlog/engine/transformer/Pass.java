package dev.tokenlog.engine.transformer;

import static dev.tokenlog.engine.compute.QuantizedActivations.PANEL;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.Workspace;

/// Some tokens of a batch on their way through the layers together: what the blocks of the [forward
/// pass][ForwardPass] share. Work is shared out over ranges of rows, tokens and heads.
final class Pass {

    /// Below this many tokens the calling thread does per-token work itself: a norm costs less than
    /// telling another thread about it.
    private static final int TOKENS_TO_SHARE = 4;

    /// Below this many multiply-adds (some 15 µs) the calling thread multiplies alone. Sharing less
    /// gains little, and on a busy machine every sharing may wait for a thread that was put aside.
    private static final long PRODUCTS_TO_SHARE = 150_000;

    private final ModelPlan plan;
    private final Kernels kernels;
    private final StepBuffers buffers;
    private final WorkerTeam team;
    private final InputTap tap;
    private final WorkerTeam.Task eachOfSome = this::eachOfSome;

    private Batch batch;
    private int firstToken;
    private int tokens;
    private Layer layer;
    private WorkerTeam.Task eachTask;
    private int eachCount;

    /// @param tap null: nobody listens
    Pass(ModelPlan plan, Kernels kernels, StepBuffers buffers, WorkerTeam team, InputTap tap) {
        this.plan = plan;
        this.kernels = kernels;
        this.buffers = buffers;
        this.team = team;
        this.tap = tap;
    }

    /// The tokens of a batch from `first` on.
    void begin(Batch newBatch, int first, int count) {
        batch = newBatch;
        firstToken = first;
        tokens = count;
        buffers.beginPass(batch, firstToken, tokens);
    }

    void beginLayer(Layer newLayer) {
        layer = newLayer;
        buffers.beginLayer(layer, tokens);
    }

    /// Forgets the batch.
    void end() {
        batch = null;
    }

    ModelPlan plan() {
        return plan;
    }

    Kernels kernels() {
        return kernels;
    }

    StepBuffers buffers() {
        return buffers;
    }

    Batch batch() {
        return batch;
    }

    /// Where the tokens of this pass begin in the batch.
    int firstToken() {
        return firstToken;
    }

    int tokens() {
        return tokens;
    }

    /// The sequence of a token of this pass.
    PagedSequence sequence(int token) {
        return (PagedSequence) batch.sequence(firstToken + token);
    }

    int position(int token) {
        return batch.position(firstToken + token);
    }

    // --- sharing out work

    /// @param next what is multiplied next, or null if it depends
    void multiply(WorkerTeam.Task task, Projection projection, Projection next, int count) {
        team.announce(next);
        share(task, projection.parts(), projection.elements() * count);
    }

    void share(WorkerTeam.Task task, int parts, long products) {
        if (products < PRODUCTS_TO_SHARE) {
            team.runAlone(task, parts);
        } else {
            team.run(task, parts);
        }
    }

    void forEachToken(WorkerTeam.Task task) {
        forEach(task, tokens);
    }

    void forEach(WorkerTeam.Task task, int count) {
        if (count < TOKENS_TO_SHARE) {
            team.runAlone(task, count);
        } else {
            eachTask = task;
            eachCount = count;
            team.run(eachOfSome, Math.ceilDiv(count, PANEL));
        }
    }

    /// Tokens of one panel of activations: threads do not write side by side.
    private void eachOfSome(int part, Workspace workspace) {
        int end = Math.min((part + 1) * PANEL, eachCount);
        for (int i = part * PANEL; i < end; i++) {
            eachTask.run(i, workspace);
        }
    }

    // --- what blocks have in common

    /// What attention or the feed-forward network reads of a token.
    ///
    /// @param weight null: the hidden state as it is
    void normBefore(int token, float[] weight, Workspace workspace) {
        if (weight == null) {
            System.arraycopy(
                    buffers.hidden(),
                    token * plan.hiddenSize(),
                    buffers.normed().values(),
                    buffers.normed().row(token),
                    plan.hiddenSize());
        } else {
            norm(token, token, weight, layer.plan().normEpsilon(), workspace);
        }
    }

    /// Norm of row `token` of the hidden states into row `row` of the normed activations.
    void norm(int token, int row, float[] weight, float epsilon, Workspace workspace) {
        kernels.rmsNorm(
                buffers.hidden(),
                token * plan.hiddenSize(),
                weight,
                epsilon,
                buffers.normed().values(),
                buffers.normed().row(row),
                workspace);
    }

    /// `x = x + m · norm(branch)`.
    ///
    /// @param norm null: no norm
    void addResidual(int token, float[] norm, Workspace workspace) {
        int hidden = plan.hiddenSize();
        int start = token * hidden;
        float[] branch = buffers.branch();
        if (norm != null) {
            float epsilon = layer.plan().normEpsilon();
            kernels.rmsNorm(branch, start, norm, epsilon, branch, start, workspace);
        }
        if (plan.residualMultiplier() != 0) {
            kernels.scale(plan.residualMultiplier(), branch, start, hidden);
        }
        kernels.add(buffers.hidden(), start, branch, start, hidden);
    }

    // --- who listens

    boolean hasHeardEnough() {
        return tap != null && tap.isEnough();
    }

    /// @param added whether the product is added to the residual stream as it is
    void hear(Projection projection, Activations input, int count, boolean added) {
        if (tap != null) {
            tap.input(
                    projection.firstTensor(),
                    input.values(),
                    input.width(),
                    count,
                    added && plan.residualMultiplier() == 0 ? buffers.hidden() : null);
        }
    }

    /// After the last layer.
    void hearHidden() {
        if (tap != null && !tap.isEnough()) {
            tap.hidden(buffers.hidden(), plan.hiddenSize(), tokens);
        }
    }
}

package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.architecture.ModelPlan.Mixture;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.Workspace;
import dev.tokenlog.engine.transformer.FeedForwardWeights.Dense;
import dev.tokenlog.engine.transformer.FeedForwardWeights.Experts;
import java.util.Arrays;

/// The feed-forward network of one layer after the other: a gated one, or several of them among
/// which a router chooses for each token.
final class FeedForwardBlock {

    private final Pass pass;
    private final Kernels kernels;
    private final StepBuffers buffers;
    private final int hiddenSize;

    private final WorkerTeam.Task normBeforeFeedForward = this::normBeforeFeedForward;
    private final WorkerTeam.Task projectGateUp = this::projectGateUp;
    private final WorkerTeam.Task activate = this::activate;
    private final WorkerTeam.Task projectDown = this::projectDown;
    private final WorkerTeam.Task projectRouter = this::projectRouter;
    private final WorkerTeam.Task chooseExperts = this::chooseExperts;
    private final WorkerTeam.Task gatherForExpert = this::gatherForExpert;
    private final WorkerTeam.Task addExpert = this::addExpert;
    private final WorkerTeam.Task addFeedForward = this::addFeedForward;

    private Layer layer;
    private Projection afterLayer;
    private Dense network;
    private Activations networkInput;
    private int networkTokens;
    private int expert;

    FeedForwardBlock(Pass pass) {
        this.pass = pass;
        this.kernels = pass.kernels();
        this.buffers = pass.buffers();
        this.hiddenSize = pass.plan().hiddenSize();
    }

    /// `x = x + D · (activation(G · norm(x)) · (U · norm(x)))`.
    ///
    /// @param next what is multiplied after this layer
    void run(Layer current, Projection next) {
        layer = current;
        afterLayer = next;
        pass.forEachToken(normBeforeFeedForward);
        switch (layer.feedForward()) {
            case Dense dense -> run(dense, buffers.normed(), pass.tokens());
            case Experts experts -> mixture(experts);
        }
        pass.forEachToken(addFeedForward);
    }

    private void run(Dense dense, Activations input, int count) {
        network = dense;
        networkInput = input;
        networkTokens = count;
        // Which expert is next depends on the tokens.
        Projection next = layer.feedForward() == dense ? afterLayer : null;
        pass.hear(dense.gateUp(), input, count, false);
        if (pass.hasHeardEnough()) {
            return;
        }
        pass.multiply(projectGateUp, dense.gateUp(), dense.down(), count);
        pass.forEach(activate, count);
        pass.hear(
                dense.down(),
                buffers.gate(),
                count,
                layer.feedForward() == dense && layer.feedForwardOutputNorm() == null);
        if (pass.hasHeardEnough()) {
            return;
        }
        pass.multiply(projectDown, dense.down(), next, count);
    }

    /// `Σ wᵢ · expertᵢ(norm(x))` over the experts that a token has chosen, in ascending order. All
    /// tokens of an expert are computed together.
    private void mixture(Experts experts) {
        Mixture plan = layer.plan().feedForward().mixture();
        ExpertRouting routing = buffers.routing();
        routing.begin(pass.tokens(), plan.experts(), plan.chosen());
        pass.multiply(projectRouter, experts.router(), null, pass.tokens());
        pass.forEachToken(chooseExperts);
        routing.group();
        for (expert = 0; expert < plan.experts(); expert++) {
            int count = routing.tokens(expert);
            if (count > 0) {
                buffers.beginExpert(layer, count);
                network = experts.networks().get(expert);
                pass.forEach(gatherForExpert, count);
                run(network, buffers.expertInput(), count);
                pass.forEach(addExpert, count);
            }
        }
    }

    private void normBeforeFeedForward(int token, Workspace workspace) {
        pass.addResidual(token, layer.attentionOutputNorm(), workspace);
        pass.normBefore(token, layer.feedForwardNorm(), workspace);
        layer.feedForward().input().quantize(kernels, buffers.normed(), token);
    }

    private void projectGateUp(int part, Workspace workspace) {
        network.gateUp().run(kernels, part, networkInput, networkTokens, workspace);
    }

    private void activate(int token, Workspace workspace) {
        int from = token * layer.intermediateSize();
        int to = from + layer.intermediateSize();
        switch (layer.plan().feedForward().activation()) {
            case SILU ->
                    kernels.siluGate(buffers.gate().values(), buffers.up(), from, to, workspace);
            case GELU_TANH ->
                    kernels.geluGate(buffers.gate().values(), buffers.up(), from, to, workspace);
        }
        network.down().quantize(kernels, buffers.gate(), token);
    }

    private void projectDown(int part, Workspace workspace) {
        network.down().run(kernels, part, buffers.gate(), networkTokens, workspace);
    }

    private void projectRouter(int part, Workspace workspace) {
        ((Experts) layer.feedForward())
                .router()
                .run(kernels, part, buffers.normed(), pass.tokens(), workspace);
    }

    private void chooseExperts(int token, Workspace workspace) {
        boolean normalized = layer.plan().feedForward().mixture().normalized();
        if (!buffers.routing().choose(token, normalized, kernels, workspace)) {
            pass.sequence(token).markNonFinite();
        }
        int start = token * hiddenSize;
        Arrays.fill(buffers.branch(), start, start + hiddenSize, 0f);
    }

    private void gatherForExpert(int index, Workspace workspace) {
        int from = buffers.normed().row(buffers.routing().token(expert, index));
        Activations input = buffers.expertInput();
        System.arraycopy(
                buffers.normed().values(), from, input.values(), input.row(index), hiddenSize);
        network.input().quantize(kernels, input, index);
    }

    /// `branch = branch + w · y`, two roundings.
    private void addExpert(int index, Workspace workspace) {
        int hidden = hiddenSize;
        float[] output = buffers.expertOutput();
        int token = buffers.routing().token(expert, index);
        float weight = buffers.routing().weight(expert, index);
        kernels.scale(weight, output, index * hidden, hidden);
        kernels.add(buffers.branch(), token * hidden, output, index * hidden, hidden);
    }

    private void addFeedForward(int token, Workspace workspace) {
        pass.addResidual(token, layer.feedForwardOutputNorm(), workspace);
        if (!kernels.isFinite(buffers.hidden(), token * hiddenSize, hiddenSize)) {
            pass.sequence(token).markNonFinite();
        }
    }
}

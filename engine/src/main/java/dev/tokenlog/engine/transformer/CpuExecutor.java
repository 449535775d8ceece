package dev.tokenlog.engine.transformer;

import static dev.tokenlog.engine.compute.QuantizedActivations.PANEL;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.Mixture;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.compute.KernelSelection;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.KvLayout;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.compute.Numerics;
import dev.tokenlog.engine.compute.Workspace;
import dev.tokenlog.engine.transformer.FeedForwardWeights.Dense;
import dev.tokenlog.engine.transformer.FeedForwardWeights.Experts;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// The forward pass of a decoder-only transformer on the CPU: embedding; per layer attention and a
/// gated feed-forward network, each with an RMSNorm before it, after it or both, and with a
/// residual connection; a last norm and the head. A batch may mix tokens of many sequences, prompts
/// and continuations: each token's numbers depend on its own sequence only, to the bit.
///
/// The arithmetic is that of the kernels (`docs/numerics.md`). Work is shared out over ranges of
/// rows, tokens and heads. All buffers are made when the executor opens; [#step] allocates nothing.
public final class CpuExecutor implements Executor {

    /// Below this many tokens the calling thread does per-token work itself: a norm costs less than
    /// telling another thread about it.
    private static final int TOKENS_TO_SHARE = 4;

    /// Below this many multiply-adds (some 15 µs) the calling thread multiplies alone. Sharing less
    /// gains little, and on a busy machine every sharing may wait for a thread that was put aside.
    private static final long PRODUCTS_TO_SHARE = 150_000;

    /// Elements of one buffer of a pass: 64 tokens of the widest model that is known.
    private static final int MAX_BUFFER = 1 << 22;

    private final ModelPlan plan;
    private final Path folder;
    private final String numericsId;
    private final String description;
    private final Kernels kernels;
    private final List<Workspace> workspaces;
    private final WorkerTeam team;
    private final Arena preparedWeights = Arena.ofShared();
    private final PagePool pages;
    private final RotaryTables rotaries;
    private final ModelWeights weights;
    private final StepBuffers buffers;
    private final InputTap tap;

    private final WorkerTeam.Task eachOfSome = this::eachOfSome;
    private final WorkerTeam.Task embed = this::embed;
    private final WorkerTeam.Task normBeforeAttention = this::normBeforeAttention;
    private final WorkerTeam.Task projectQueryKeyValue = this::projectQueryKeyValue;
    private final WorkerTeam.Task rotateAndStore = this::rotateAndStore;
    private final WorkerTeam.Task attend = this::attend;
    private final WorkerTeam.Task quantizeAttended = this::quantizeAttended;
    private final WorkerTeam.Task projectAttended = this::projectAttended;
    private final WorkerTeam.Task normBeforeFeedForward = this::normBeforeFeedForward;
    private final WorkerTeam.Task projectGateUp = this::projectGateUp;
    private final WorkerTeam.Task activate = this::activate;
    private final WorkerTeam.Task projectDown = this::projectDown;
    private final WorkerTeam.Task projectRouter = this::projectRouter;
    private final WorkerTeam.Task chooseExperts = this::chooseExperts;
    private final WorkerTeam.Task gatherForExpert = this::gatherForExpert;
    private final WorkerTeam.Task addExpert = this::addExpert;
    private final WorkerTeam.Task addFeedForward = this::addFeedForward;
    private final WorkerTeam.Task normBeforeHead = this::normBeforeHead;
    private final WorkerTeam.Task projectHead = this::projectHead;
    private final WorkerTeam.Task finishLogits = this::finishLogits;

    // What the tasks of the pass that is running need to know.
    private Batch batch;
    private int firstToken;
    private int tokens;
    private int firstRow;
    private int rows;
    private Layer layer;
    private Dense network;
    private Activations networkInput;
    private int networkTokens;
    private int expert;
    private WorkerTeam.Task eachTask;
    private int eachCount;

    private CpuExecutor(Model model, CpuOptions options, KernelSelection selection, InputTap tap) {
        this.tap = tap;
        this.plan = model.plan();
        this.folder = model.folder();
        this.kernels = selection.kernels();
        boolean artifact = model.digest().isPresent();
        KvType kv = options.kv().orElse(artifact ? KvType.KV16 : KvType.KV32);
        this.numericsId = artifact ? Numerics.quantized(kv) : Numerics.unquantized(kv);
        this.description =
                kernels.description()
                        + ", "
                        + options.threads()
                        + (options.threads() == 1 ? " thread" : " threads");
        this.buffers = new StepBuffers(plan, tokensOfPass(plan, options));
        this.weights = ModelWeights.load(model, buffers, options.threads());
        this.rotaries = new RotaryTables(plan);
        this.pages =
                new PagePool(
                        new KvLayout(
                                kv,
                                plan.layers().stream()
                                        .map(ModelPlan.LayerPlan::attention)
                                        .map(a ->
                                                new KvLayout.LayerShape(
                                                        a.keyValueHeads(), a.headSize()))
                                        .toList()),
                        options.kvBudget());
        this.workspaces = new ArrayList<>();
        for (int i = 0; i < options.threads(); i++) {
            workspaces.add(buffers.newWorkspace());
        }
        this.team = new WorkerTeam(workspaces);
        try {
            prepareWeights();
        } catch (InternalError mapping) {
            close();
            throw shortened("was loaded", mapping);
        } catch (RuntimeException | Error failure) {
            close();
            throw failure;
        }
    }

    /// What the operating system says about a file that is shorter than its mapping.
    private EngineException shortened(String when, InternalError mapping) {
        return new EngineException(
                EngineException.Reason.MODEL_UNREADABLE,
                folder + ": a weight file became shorter while the model " + when,
                mapping);
    }

    /// All matrices, side by side, each by one thread.
    private void prepareWeights() {
        record Step(Projection projection, int matrix) {}
        List<Step> steps = new ArrayList<>();
        for (Projection projection : weights.projections()) {
            for (int matrix = 0; matrix < projection.matrices(); matrix++) {
                steps.add(new Step(projection, matrix));
            }
        }
        for (int first = 0; first < steps.size(); first += WorkerTeam.MAX_PARTS) {
            List<Step> some =
                    steps.subList(first, Math.min(first + WorkerTeam.MAX_PARTS, steps.size()));
            team.run(
                    (part, workspace) -> {
                        Step step = some.get(part);
                        step.projection().prepare(kernels, step.matrix(), preparedWeights);
                    },
                    some.size());
        }
    }

    /// A model of a few megabytes may have rows of a million numbers: fewer tokens go through the
    /// layers together then, which changes no bit.
    private static int tokensOfPass(ModelPlan plan, CpuOptions options) {
        int widest = plan.hiddenSize();
        for (ModelPlan.LayerPlan layer : plan.layers()) {
            widest = Math.max(widest, layer.attention().queryWidth());
            widest = Math.max(widest, layer.feedForward().intermediateSize());
        }
        return Math.clamp(MAX_BUFFER / widest, 1, options.maxTokens());
    }

    /// Makes an executor for a model that stays open until the executor is closed.
    ///
    /// @throws EngineException if the kernels that were asked for cannot be used, or a tensor has
    ///   another shape than the plan says
    public static CpuExecutor open(Model model, CpuOptions options) {
        return open(model, options, KernelSelection.select(options.compute()));
    }

    /// The same with kernels that have been selected before.
    public static CpuExecutor open(Model model, CpuOptions options, KernelSelection selection) {
        return new CpuExecutor(model, options, selection, null);
    }

    /// The same with somebody who hears the inputs of all matrices but the head.
    public static CpuExecutor open(Model model, CpuOptions options, InputTap tap) {
        return new CpuExecutor(model, options, KernelSelection.select(options.compute()), tap);
    }

    @Override
    public ModelPlan plan() {
        return plan;
    }

    @Override
    public String numericsId() {
        return numericsId;
    }

    @Override
    public String description() {
        return description;
    }

    @Override
    public Sequence newSequence() {
        return new PagedSequence(pages, rotaries, this::reservePositions);
    }

    @Override
    public KvPages kvPages() {
        return pages.pages();
    }

    private void reservePositions(int positions) {
        if (positions > plan.contextLength()) {
            throw new EngineException(
                    EngineException.Reason.CONTEXT_TOO_LONG,
                    positions + " tokens in a context of " + plan.contextLength());
        }
        workspaces.forEach(workspace -> workspace.reservePositions(positions));
    }

    @Override
    public Batch newBatch(int maxTokens, int maxLogits) {
        return new Batch(maxTokens, maxLogits, plan.vocabularySize());
    }

    @Override
    public void step(Batch batch) {
        check(batch);
        this.batch = batch;
        firstRow = 0;
        for (int first = 0; first < batch.size(); first += buffers.maxTokens()) {
            firstToken = first;
            tokens = Math.min(buffers.maxTokens(), batch.size() - first);
            try {
                forward();
            } catch (InternalError mapping) {
                // Nobody knows since when: nothing computed so far is shared any more.
                for (int i = 0; i < batch.size(); i++) {
                    sequence(batch, i).keepToItself();
                }
                pages.known().forget();
                throw shortened("ran", mapping);
            }
        }
        this.batch = null;
    }

    private void check(Batch batch) {
        for (int i = 0; i < batch.size(); i++) {
            if (!(batch.sequence(i) instanceof PagedSequence s && s.belongsTo(pages))) {
                throw new IllegalArgumentException("a sequence of another executor");
            }
            s.beginScheduling();
        }
        for (int i = 0; i < batch.size(); i++) {
            int token = batch.token(i);
            if (token < 0 || token >= plan.vocabularySize()) {
                throw new IllegalArgumentException(
                        "token " + token + " in a vocabulary of " + plan.vocabularySize());
            }
            sequence(batch, i).schedule(batch.position(i));
        }
    }

    /// The tokens from `firstToken` on, through all layers.
    private void forward() {
        buffers.beginPass(batch, firstToken, tokens);
        forEachToken(embed);
        for (int i = 0; i < weights.layers().size(); i++) {
            layer = weights.layers().get(i);
            buffers.beginLayer(layer, tokens);
            attention();
            feedForward();
        }
        if (tap != null && !tap.isEnough()) {
            tap.hidden(buffers.hidden(), plan.hiddenSize(), tokens);
        }
        for (int i = 0; i < tokens; i++) {
            sequence(batch, firstToken + i).append(batch.token(firstToken + i));
        }
        logits();
    }

    private boolean hasHeardEnough() {
        return tap != null && tap.isEnough();
    }

    /// @param added whether the product is added to the residual stream as it is
    private void hear(Projection projection, Activations input, int count, boolean added) {
        if (tap != null) {
            tap.input(
                    projection.firstTensor(),
                    input.values(),
                    input.width(),
                    count,
                    added && plan.residualMultiplier() == 0 ? buffers.hidden() : null);
        }
    }

    /// `x = x + O · attention(Q · norm(x), K · norm(x), V · norm(x))`; some families norm queries
    /// and keys, or what is added.
    private void attention() {
        forEachToken(normBeforeAttention);
        hear(layer.queryKeyValue(), buffers.normed(), tokens, false);
        if (hasHeardEnough()) {
            return;
        }
        multiply(projectQueryKeyValue, layer.queryKeyValue(), layer.attentionOutput(), tokens);
        forEachToken(rotateAndStore);
        share(
                attend,
                buffers.tiles() * layer.plan().attention().keyValueHeads(),
                attentionProducts());
        if (layer.attentionOutput().isQuantized()) {
            forEachToken(quantizeAttended);
        }
        hear(
                layer.attentionOutput(),
                buffers.attended(),
                tokens,
                layer.attentionOutputNorm() == null);
        if (hasHeardEnough()) {
            return;
        }
        multiply(projectAttended, layer.attentionOutput(), layer.feedForward().input(), tokens);
    }

    /// `x = x + D · (activation(G · norm(x)) · (U · norm(x)))`.
    private void feedForward() {
        if (hasHeardEnough()) {
            return;
        }
        forEachToken(normBeforeFeedForward);
        switch (layer.feedForward()) {
            case Dense dense -> run(dense, buffers.normed(), tokens);
            case Experts experts -> mixture(experts);
        }
        forEachToken(addFeedForward);
    }

    /// Of experts, which one is next depends on the tokens.
    private Projection afterFeedForward() {
        int next = layer.index() + 1;
        return layer.feedForward() != network
                ? null
                : next < weights.layers().size()
                        ? weights.layers().get(next).queryKeyValue()
                        : weights.head();
    }

    private void run(Dense dense, Activations input, int count) {
        network = dense;
        networkInput = input;
        networkTokens = count;
        hear(dense.gateUp(), input, count, false);
        if (hasHeardEnough()) {
            return;
        }
        multiply(projectGateUp, dense.gateUp(), dense.down(), count);
        forEach(activate, count);
        hear(
                dense.down(),
                buffers.gate(),
                count,
                layer.feedForward() == dense && layer.feedForwardOutputNorm() == null);
        if (hasHeardEnough()) {
            return;
        }
        multiply(projectDown, dense.down(), afterFeedForward(), count);
    }

    /// `Σ wᵢ · expertᵢ(norm(x))` over the experts that a token has chosen, in ascending order. All
    /// tokens of an expert are computed together.
    private void mixture(Experts experts) {
        Mixture plan = layer.plan().feedForward().mixture();
        ExpertRouting routing = buffers.routing();
        routing.begin(tokens, plan.experts(), plan.chosen());
        multiply(projectRouter, experts.router(), null, tokens);
        forEachToken(chooseExperts);
        routing.group();
        for (expert = 0; expert < plan.experts(); expert++) {
            int count = routing.tokens(expert);
            if (count > 0) {
                buffers.beginExpert(layer, count);
                network = experts.networks().get(expert);
                forEach(gatherForExpert, count);
                run(network, buffers.expertInput(), count);
                forEach(addExpert, count);
            }
        }
    }

    /// `logits = H · norm(x)`, for the tokens that asked for them.
    private void logits() {
        rows = 0;
        for (int i = 0; i < tokens; i++) {
            if (batch.logitRow(firstToken + i) >= 0) {
                rows++;
            }
        }
        if (rows == 0) {
            return;
        }
        buffers.normed().reshape(rows, plan.hiddenSize());
        forEach(normBeforeHead, rows);
        int vocabulary = plan.vocabularySize();
        weights.headTarget().set(batch.logits(), firstRow * vocabulary, vocabulary);
        multiply(projectHead, weights.head(), weights.layers().getFirst().queryKeyValue(), rows);
        share(finishLogits, rows, (long) rows * vocabulary);
        firstRow += rows;
    }

    /// @param next what is multiplied next, or null if it depends
    private void multiply(WorkerTeam.Task task, Projection projection, Projection next, int count) {
        team.announce(next);
        share(task, projection.parts(), projection.elements() * count);
    }

    /// Multiply-adds of scores and weighted values.
    private long attentionProducts() {
        long positions = 0;
        for (int i = 0; i < tokens; i++) {
            positions += batch.position(firstToken + i) + 1;
        }
        return 2 * positions * layer.queryWidth();
    }

    private void share(WorkerTeam.Task task, int parts, long products) {
        if (products < PRODUCTS_TO_SHARE) {
            team.runAlone(task, parts);
        } else {
            team.run(task, parts);
        }
    }

    private void forEachToken(WorkerTeam.Task task) {
        forEach(task, tokens);
    }

    private void forEach(WorkerTeam.Task task, int count) {
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

    private void embed(int token, Workspace workspace) {
        int start = token * plan.hiddenSize();
        kernels.embed(
                weights.embedding(),
                batch.token(firstToken + token),
                buffers.hidden(),
                start,
                workspace);
        if (plan.embeddingScale() != 1f) {
            kernels.scale(plan.embeddingScale(), buffers.hidden(), start, plan.hiddenSize());
        }
    }

    private void normBeforeAttention(int token, Workspace workspace) {
        normBefore(token, layer.inputNorm(), workspace);
        layer.queryKeyValue().quantize(kernels, buffers.normed(), token);
    }

    /// What attention or the feed-forward network reads of a token.
    ///
    /// @param weight null: the hidden state as it is
    private void normBefore(int token, float[] weight, Workspace workspace) {
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
    private void norm(int token, int row, float[] weight, float epsilon, Workspace workspace) {
        kernels.rmsNorm(
                buffers.hidden(),
                token * plan.hiddenSize(),
                weight,
                epsilon,
                buffers.normed().values(),
                buffers.normed().row(row),
                workspace);
    }

    private void projectQueryKeyValue(int part, Workspace workspace) {
        layer.queryKeyValue().run(kernels, part, buffers.normed(), tokens, workspace);
    }

    private void rotateAndStore(int token, Workspace workspace) {
        PagedSequence sequence = sequence(batch, firstToken + token);
        int position = batch.position(firstToken + token);
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
                        pages.layout(),
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
                sequence(batch, firstToken + token),
                layer.attention(),
                head,
                batch.position(firstToken + token),
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
        layer.attentionOutput().run(kernels, part, buffers.attended(), tokens, workspace);
    }

    private void normBeforeFeedForward(int token, Workspace workspace) {
        addResidual(token, layer.attentionOutputNorm(), workspace);
        normBefore(token, layer.feedForwardNorm(), workspace);
        layer.feedForward().input().quantize(kernels, buffers.normed(), token);
    }

    /// `x = x + m · norm(branch)`.
    ///
    /// @param norm null: no norm
    private void addResidual(int token, float[] norm, Workspace workspace) {
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
                .run(kernels, part, buffers.normed(), tokens, workspace);
    }

    private void chooseExperts(int token, Workspace workspace) {
        boolean normalized = layer.plan().feedForward().mixture().normalized();
        if (!buffers.routing().choose(token, normalized, kernels, workspace)) {
            sequence(batch, firstToken + token).markNonFinite();
        }
        int start = token * plan.hiddenSize();
        Arrays.fill(buffers.branch(), start, start + plan.hiddenSize(), 0f);
    }

    private void gatherForExpert(int index, Workspace workspace) {
        int from = buffers.normed().row(buffers.routing().token(expert, index));
        Activations input = buffers.expertInput();
        System.arraycopy(
                buffers.normed().values(),
                from,
                input.values(),
                input.row(index),
                plan.hiddenSize());
        network.input().quantize(kernels, input, index);
    }

    /// `branch = branch + w · y`, two roundings.
    private void addExpert(int index, Workspace workspace) {
        int hidden = plan.hiddenSize();
        float[] output = buffers.expertOutput();
        int token = buffers.routing().token(expert, index);
        float weight = buffers.routing().weight(expert, index);
        kernels.scale(weight, output, index * hidden, hidden);
        kernels.add(buffers.branch(), token * hidden, output, index * hidden, hidden);
    }

    private void addFeedForward(int token, Workspace workspace) {
        addResidual(token, layer.feedForwardOutputNorm(), workspace);
        if (!kernels.isFinite(buffers.hidden(), token * plan.hiddenSize(), plan.hiddenSize())) {
            sequence(batch, firstToken + token).markNonFinite();
        }
    }

    private void normBeforeHead(int row, Workspace workspace) {
        int token = batch.logitToken(firstRow + row) - firstToken;
        norm(token, row, weights.finalNorm(), plan.finalNormEpsilon(), workspace);
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
            sequence(batch, batch.logitToken(firstRow + row)).markNonFinite();
        }
    }

    private static PagedSequence sequence(Batch batch, int index) {
        return (PagedSequence) batch.sequence(index);
    }

    @Override
    public void close() {
        team.close();
        pages.close();
        preparedWeights.close();
    }
}

package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.compute.KernelSelection;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.KvLayout;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.compute.Numerics;
import dev.tokenlog.engine.compute.Workspace;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Runs the [forward pass][ForwardPass] of one model on the CPU. A batch may mix tokens of many
/// sequences, prompts and continuations: each token's numbers depend on its own sequence only, to
/// the bit.
///
/// The arithmetic is that of the kernels (`docs/numerics.md`). All buffers are made when the
/// executor opens; [#step] allocates nothing.
public final class CpuExecutor implements Executor {

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
    private final ForwardPass forwardPass;

    private CpuExecutor(Model model, CpuOptions options, KernelSelection selection, InputTap tap) {
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
        this.forwardPass =
                new ForwardPass(
                        new Pass(plan, kernels, buffers, team, tap), weights, pages.layout());
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
        try {
            forwardPass.run(batch, buffers.maxTokens());
        } catch (InternalError mapping) {
            // Nobody knows since when: nothing computed so far is shared any more.
            for (int i = 0; i < batch.size(); i++) {
                sequence(batch, i).keepToItself();
            }
            pages.known().forget();
            throw shortened("ran", mapping);
        }
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

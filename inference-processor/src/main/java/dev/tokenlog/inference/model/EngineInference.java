package dev.tokenlog.inference.model;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.TokenHash;
import dev.tokenlog.contracts.WorkerEvent.ModelEvent;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.inference.protocol.Inference;
import dev.tokenlog.inference.protocol.Refusal;
import java.time.Instant;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jboss.logging.Logger;

/// Runs generations on loaded models. Loading, rendering and tokenizing happen on threads of its
/// own; whatever is told is told on the protocol thread.
public final class EngineInference implements Inference, AutoCloseable {

    private static final Logger LOG = Logger.getLogger(EngineInference.class);

    /// Models that are loaded at the same time; each load uses all cores for most of its time.
    private static final int LOADS = 2;

    private final ModelLoader loader;
    private final ModelPool models;
    private final ExecutorService preparation;
    private final ExecutorService loading;
    private final Executor protocol;
    private final Outbox outbox;

    /// Without a limit on models.
    EngineInference(ModelLoader loader, Executor protocol) {
        this(loader, protocol, ModelPool.Settings.unlimited());
    }

    /// @param workerId for the events
    /// @param budgetBytes that all models together may take
    /// @param served whether the registry still serves a digest
    /// @param events is told of loads and evictions, on any thread
    public EngineInference(
            ModelLoader loader,
            Executor protocol,
            String workerId,
            long budgetBytes,
            Predicate<String> served,
            Consumer<ModelEvent> events) {
        this(loader, protocol, new ModelPool.Settings(workerId, budgetBytes, served, events));
    }

    private EngineInference(ModelLoader loader, Executor protocol, ModelPool.Settings settings) {
        this.loader = loader;
        this.protocol = protocol;
        this.outbox = new Outbox(protocol);
        this.preparation =
                Executors.newFixedThreadPool(
                        Math.max(2, Runtime.getRuntime().availableProcessors()),
                        Thread.ofPlatform().daemon().name("inference-prepare-", 0).factory());
        // Of its own: prompts for models that are here do not wait behind a load.
        this.loading =
                Executors.newFixedThreadPool(
                        LOADS, Thread.ofPlatform().daemon().name("inference-load-", 0).factory());
        this.models = new ModelPool(loader, loading, settings);
    }

    public ModelPool models() {
        return models;
    }

    @Override
    public String numericsId() {
        return loader.numericsId();
    }

    @Override
    public Preparing prepare(Work work, Consumer<Preparation> done) {
        CompletableFuture<ModelLease> lease =
                models.lease(work.modelId(), work.modelDigest(), work.location());
        lease.thenApplyAsync(model -> prepared(model, work), preparation)
                .exceptionally(EngineInference::refused)
                .thenAccept(preparation -> protocol.execute(() -> done.accept(preparation)));
        return () -> lease.cancel(false);
    }

    /// The lease goes with the prompt, if there is one.
    private Preparation prepared(ModelLease lease, Work work) {
        boolean kept = false;
        try {
            Preparation preparation = tokenized(lease, work);
            kept = preparation instanceof Preparation.Ready;
            return preparation;
        } finally {
            if (!kept) {
                lease.close();
            }
        }
    }

    private Preparation tokenized(ModelLease lease, Work work) {
        LoadedModel model = lease.model();
        int[] ids = model.encode(work.prompt(), Instant.ofEpochMilli(work.promptTime()));
        if (ids.length == 0) {
            return new Preparation.Refused(
                    new Refusal(ErrorCode.PARAMETER_OUT_OF_RANGE, "the prompt has no tokens"));
        }
        if (ids.length >= model.contextLength()) {
            return new Preparation.Refused(
                    new Refusal(
                            ErrorCode.CONTEXT_TOO_LONG,
                            "the prompt has %d tokens, the context %d, and an answer needs one"
                                    .formatted(ids.length, model.contextLength())));
        }
        return new Preparation.Ready(new EnginePrompt(lease, work, ids, TokenHash.of(ids), outbox));
    }

    private static Preparation refused(Throwable failure) {
        Throwable cause =
                failure instanceof CompletionException && failure.getCause() != null
                        ? failure.getCause()
                        : failure;
        if (cause instanceof CancellationException) {
            return new Preparation.Refused(
                    new Refusal(ErrorCode.CANCELLED, "given up before its model was loaded"));
        }
        if (!(cause instanceof EngineException || cause instanceof ModelTooLargeException)) {
            LOG.error("preparing a prompt failed", cause);
        }
        return new Preparation.Refused(EngineFailures.refusal(cause));
    }

    /// Lets running generations go; they belong to the log.
    @Override
    public void close() {
        preparation.shutdownNow();
        models.close();
        loading.shutdown();
    }
}

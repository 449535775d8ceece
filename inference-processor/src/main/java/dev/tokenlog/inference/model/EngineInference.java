package dev.tokenlog.inference.model;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.TokenHash;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.inference.protocol.Inference;
import dev.tokenlog.inference.protocol.Refusal;
import java.time.Instant;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import org.jboss.logging.Logger;

/// Runs generations on loaded models. Loading, rendering and tokenizing happen on threads of its
/// own; whatever is told is told on the protocol thread.
public final class EngineInference implements Inference, AutoCloseable {

    private static final Logger LOG = Logger.getLogger(EngineInference.class);

    private final ModelLoader loader;
    private final ModelPool models;
    private final ExecutorService preparation;
    private final Executor protocol;

    public EngineInference(ModelLoader loader, Executor protocol) {
        this.loader = loader;
        this.protocol = protocol;
        this.preparation =
                Executors.newFixedThreadPool(
                        Math.max(2, Runtime.getRuntime().availableProcessors()),
                        Thread.ofPlatform().daemon().name("inference-prepare-", 0).factory());
        this.models = new ModelPool(loader, preparation);
    }

    public ModelPool models() {
        return models;
    }

    @Override
    public String numericsId() {
        return loader.numericsId();
    }

    @Override
    public void prepare(Work work, Consumer<Preparation> done) {
        models.get(work.modelId(), work.modelDigest(), work.location())
                .thenApplyAsync(model -> prepared(model, work), preparation)
                .exceptionally(EngineInference::refused)
                .thenAccept(preparation -> protocol.execute(() -> done.accept(preparation)));
    }

    private Preparation prepared(LoadedModel model, Work work) {
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
        return new Preparation.Ready(
                new EnginePrompt(model, work, ids, TokenHash.of(ids), protocol));
    }

    private static Preparation refused(Throwable failure) {
        Throwable cause =
                failure instanceof CompletionException && failure.getCause() != null
                        ? failure.getCause()
                        : failure;
        if (!(cause instanceof EngineException)) {
            LOG.error("preparing a prompt failed", cause);
        }
        return new Preparation.Refused(EngineFailures.refusal(cause));
    }

    /// Lets running generations go; they belong to the log.
    @Override
    public void close() {
        preparation.shutdownNow();
        models.close();
    }
}

package dev.tokenlog.inference.model;

import dev.tokenlog.engine.EngineException;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import org.jboss.logging.Logger;

/// The models that this worker has loaded, each once, by digest.
public final class ModelPool implements AutoCloseable {

    private static final Logger LOG = Logger.getLogger(ModelPool.class);

    /// @param modelId the name under which it was first asked for
    public record Entry(String modelId, String modelDigest, long bytes) {}

    private record Slot(String modelId, CompletableFuture<LoadedModel> model) {}

    private final ModelLoader loader;
    private final Executor executor;
    private final Map<String, Slot> slots = new ConcurrentHashMap<>();

    ModelPool(ModelLoader loader, Executor executor) {
        this.loader = loader;
        this.executor = executor;
    }

    /// The model, loaded now if need be. A load that fails is tried again by the next who asks.
    CompletableFuture<LoadedModel> get(String modelId, String digest, String location) {
        Slot slot =
                slots.computeIfAbsent(
                        digest,
                        _ ->
                                new Slot(
                                        modelId,
                                        CompletableFuture.supplyAsync(
                                                () -> load(modelId, digest, location), executor)));
        slot.model()
                .whenComplete((_, failure) -> {
                    if (failure != null) {
                        slots.remove(digest, slot);
                    }
                });
        return slot.model();
    }

    private LoadedModel load(String modelId, String digest, String location) {
        long began = System.nanoTime();
        try {
            LoadedModel model = loader.load(digest, location);
            LOG.infof(
                    "model loaded: model_id=%s digest=%s bytes=%d millis=%d",
                    modelId, digest, model.bytes(), (System.nanoTime() - began) / 1_000_000);
            return model;
        } catch (EngineException e) {
            LOG.warnf(
                    "model not loaded: model_id=%s digest=%s: %s", modelId, digest, e.getMessage());
            throw new CompletionException(e);
        }
    }

    public List<Entry> loaded() {
        return slots.entrySet().stream()
                .filter(e -> e.getValue().model().state() == CompletableFuture.State.SUCCESS)
                .map(e ->
                        new Entry(
                                e.getValue().modelId(),
                                e.getKey(),
                                e.getValue().model().resultNow().bytes()))
                .toList();
    }

    @Override
    public void close() {
        Collection<Slot> all = List.copyOf(slots.values());
        slots.clear();
        for (Slot slot : all) {
            slot.model().thenAccept(LoadedModel::close);
        }
    }
}

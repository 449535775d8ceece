package dev.tokenlog.inference.model;

import dev.tokenlog.contracts.WorkerEvent.EvictionReason;
import dev.tokenlog.contracts.WorkerEvent.LoadReason;
import dev.tokenlog.contracts.WorkerEvent.ModelEvent;
import dev.tokenlog.contracts.WorkerEvent.ModelEvicted;
import dev.tokenlog.contracts.WorkerEvent.ModelLoadFailed;
import dev.tokenlog.contracts.WorkerEvent.ModelLoaded;
import dev.tokenlog.engine.generation.LoopStatistics;
import dev.tokenlog.inference.protocol.Refusal;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jboss.logging.Logger;

/// The models that this worker has loaded, each once, by digest, together never larger than a
/// budget. A model that is being loaded counts from the beginning, one that is being closed until
/// its end.
///
/// Requests wait in the order of their arrival for a model that is not here. The first of them that
/// finds no room chooses who makes it: models that no generation uses, then those that some use,
/// which get no new generations until they have ended; pinned models never. Among each kind go
/// first what the registry does not serve any more, then what was asked for least recently. So a
/// request waits for generations that run, and for nothing else.
public final class ModelPool implements AutoCloseable {

    private static final Logger LOG = Logger.getLogger(ModelPool.class);

    /// @param workerId for the events
    /// @param budgetBytes that all models together may take
    /// @param served whether the registry still serves a digest
    /// @param events is told of loads and evictions, in order for each model; on any thread
    record Settings(
            String workerId,
            long budgetBytes,
            Predicate<String> served,
            Consumer<ModelEvent> events) {

        /// As much as there is, for whoever has one model.
        static Settings unlimited() {
            return new Settings("", Long.MAX_VALUE, _ -> true, _ -> {});
        }
    }

    /// @param modelId the name under which it was first asked for
    /// @param bytes what it counts against the budget
    /// @param loadMillis what loading took
    /// @param generations that use it now
    public record Entry(
            String modelId,
            String modelDigest,
            long bytes,
            long loadMillis,
            boolean pinned,
            int generations) {}

    /// A model that is loaded without being asked for and never evicted.
    public record Pin(String modelId, String modelDigest, String location) {}

    private enum State {
        LOADING,
        READY,
        CLOSING
    }

    private static final class Slot {
        private final Request first;
        private final long bytes;
        private State state = State.LOADING;
        private LoadedModel model;
        private long loadMillis;
        private int leases;
        private long generations;
        private long lastUse;

        Slot(Request first) {
            this.first = first;
            this.bytes = first.bytes;
        }

        String digest() {
            return first.digest;
        }
    }

    private static final class Request {
        private final String modelId;
        private final String digest;
        private final String location;
        private final LoadReason reason;
        private final CompletableFuture<ModelLease> lease = new CompletableFuture<>();
        private long bytes;

        Request(String modelId, String digest, String location, LoadReason reason) {
            this.modelId = modelId;
            this.digest = digest;
            this.location = location;
            this.reason = reason;
        }
    }

    private final ModelLoader loader;
    private final Executor executor;
    private final Settings settings;

    // Guarded by `this`.
    private final Map<String, Slot> slots = new LinkedHashMap<>();
    private final List<Request> waiting = new ArrayList<>();
    private final Set<Pin> pins = new HashSet<>();
    private long uses;
    private boolean closed;

    /// @param executor loads and closes models, and may do nothing else for as long
    ModelPool(ModelLoader loader, Executor executor, Settings settings) {
        this.loader = loader;
        this.executor = executor;
        this.settings = settings;
    }

    /// The model, loaded now if need be, and kept until the lease is closed. A load that fails is
    /// tried again by the next who asks. Cancelling the answer is giving up the request.
    ///
    /// @return fails with an [EngineException], or a [ModelTooLargeException] if the model cannot
    ///   have room whatever is evicted
    CompletableFuture<ModelLease> lease(String modelId, String digest, String location) {
        return ask(new Request(modelId, digest, location, LoadReason.PROMPT));
    }

    /// Pins exactly these, loads what is not here, and lets go of those that were pinned before.
    /// What does not fit is told as an event, and not tried again until it changes.
    public void pin(Set<Pin> wanted) {
        List<Pin> added = new ArrayList<>();
        change(_ -> {
            wanted.stream().filter(pin -> !pins.contains(pin)).forEach(added::add);
            pins.clear();
            pins.addAll(wanted);
        });
        for (Pin pin : added) {
            ask(new Request(pin.modelId(), pin.modelDigest(), pin.location(), LoadReason.PINNED))
                    .whenComplete((lease, _) -> {
                        if (lease != null) {
                            lease.close();
                        }
                    });
        }
    }

    private CompletableFuture<ModelLease> ask(Request request) {
        request.lease.whenComplete((_, _) -> {
            if (request.lease.isCancelled()) {
                change(_ -> {});
            }
        });
        if (sizeIsKnown(request)) {
            arrive(request);
        } else {
            executor.execute(() -> measure(request));
        }
        return request.lease;
    }

    private synchronized boolean sizeIsKnown(Request request) {
        Slot slot = slots.get(request.digest);
        request.bytes = slot == null ? 0 : slot.bytes;
        return slot != null;
    }

    /// Reads a file.
    private void measure(Request request) {
        try {
            request.bytes = loader.bytes(request.digest, request.location);
        } catch (RuntimeException | Error failure) {
            failed(request, null, 0, failure).run();
            request.lease.completeExceptionally(failure);
            return;
        }
        arrive(request);
    }

    private void arrive(Request request) {
        change(actions -> {
            if (closed) {
                actions.add(() -> request.lease.completeExceptionally(ended()));
            } else {
                waiting.add(request);
            }
        });
    }

    private static IllegalStateException ended() {
        return new IllegalStateException("the worker ends");
    }

    /// Changes the state, serves whom it can, and tells about it without the lock.
    private void change(Consumer<List<Runnable>> change) {
        List<Runnable> actions = new ArrayList<>();
        synchronized (this) {
            change.accept(actions);
            if (!closed) {
                serve(actions);
            }
        }
        actions.forEach(Runnable::run);
    }

    /// In the order of arrival.
    private void serve(List<Runnable> actions) {
        Set<Slot> leaving = new HashSet<>();
        boolean roomIsWaitedFor = false;
        for (Iterator<Request> requests = waiting.iterator(); requests.hasNext(); ) {
            Request request = requests.next();
            Slot slot = slots.get(request.digest);
            if (request.lease.isDone()) {
                requests.remove();
            } else if (slot != null) {
                if (slot.state == State.READY && !leaving.contains(slot)) {
                    requests.remove();
                    actions.add(grant(request, slot));
                }
            } else if (request.bytes > settings.budgetBytes() - pinnedBytes()) {
                requests.remove();
                actions.add(refuse(request));
            } else if (!roomIsWaitedFor) {
                if (request.bytes <= settings.budgetBytes() - takenBytes()) {
                    actions.add(load(request));
                } else {
                    makeRoom(request.bytes, leaving, actions);
                    roomIsWaitedFor = true;
                }
            }
        }
    }

    private long takenBytes() {
        return slots.values().stream().mapToLong(slot -> slot.bytes).sum();
    }

    private long pinnedBytes() {
        return slots.values().stream()
                .filter(slot -> slot.state != State.CLOSING && isPinned(slot))
                .mapToLong(slot -> slot.bytes)
                .sum();
    }

    /// A pinned model is loaded because it is pinned, whoever asked first.
    private LoadReason reason(Slot slot) {
        return isPinned(slot) ? LoadReason.PINNED : slot.first.reason;
    }

    private boolean isPinned(Slot slot) {
        return pins.stream().anyMatch(pin -> pin.modelDigest().equals(slot.digest()));
    }

    /// Evicts what nobody uses; what is used is only kept from new generations.
    private void makeRoom(long bytes, Set<Slot> leaving, List<Runnable> actions) {
        long room =
                settings.budgetBytes()
                        - slots.values().stream()
                                .filter(slot -> slot.state != State.CLOSING)
                                .mapToLong(slot -> slot.bytes)
                                .sum();
        List<Slot> candidates =
                slots.values().stream()
                        .filter(slot -> slot.state == State.READY && !isPinned(slot))
                        .sorted(
                                Comparator.comparing((Slot slot) -> slot.leases > 0)
                                        .thenComparing(
                                                slot -> settings.served().test(slot.digest()))
                                        .thenComparing(slot -> slot.lastUse))
                        .toList();
        for (Slot slot : candidates) {
            if (room >= bytes) {
                return;
            }
            room += slot.bytes;
            leaving.add(slot);
            if (slot.leases == 0) {
                actions.add(evict(slot));
            }
        }
    }

    // ---- What is done without the lock

    private Runnable grant(Request request, Slot slot) {
        slot.leases++;
        if (request.reason == LoadReason.PROMPT) {
            slot.generations++;
            slot.lastUse = ++uses;
        }
        ModelLease lease = new ModelLease(slot.model, () -> change(_ -> slot.leases--));
        return () -> {
            if (!request.lease.complete(lease)) {
                lease.close();
            }
        };
    }

    private Runnable refuse(Request request) {
        ModelTooLargeException failure =
                new ModelTooLargeException(
                        request.modelId, request.bytes, settings.budgetBytes(), pinnedBytes());
        return () -> {
            failed(request, request.bytes, 0, failure).run();
            request.lease.completeExceptionally(failure);
        };
    }

    private Runnable load(Request request) {
        Slot slot = new Slot(request);
        slots.put(request.digest, slot);
        return () -> executor.execute(() -> load(slot));
    }

    private void load(Slot slot) {
        long began = System.nanoTime();
        try {
            LoadedModel model = loader.load(slot.digest(), slot.first.location);
            loaded(slot, model, millisSince(began));
        } catch (RuntimeException | Error failure) {
            // An Error, for instance of a heap that is too small, is told to whoever waits.
            notLoaded(slot, failure, millisSince(began));
        }
    }

    private void loaded(Slot slot, LoadedModel model, long millis) {
        change(actions -> {
            slot.model = model;
            slot.loadMillis = millis;
            slot.state = State.READY;
            slot.lastUse = ++uses;
            if (closed) {
                actions.add(model::close);
            } else {
                ModelLoaded event =
                        new ModelLoaded(
                                settings.workerId(),
                                slot.first.modelId,
                                slot.digest(),
                                slot.bytes,
                                millis,
                                reason(slot),
                                loadedBytes(),
                                settings.budgetBytes());
                actions.add(() -> tell(event));
            }
        });
    }

    /// Everybody who waits for it is told; the next who asks tries again.
    private void notLoaded(Slot slot, Throwable failure, long millis) {
        change(actions -> {
            slots.remove(slot.digest());
            actions.add(failed(slot.first, slot.bytes, millis, failure));
            for (Request request : List.copyOf(waiting)) {
                if (request.digest.equals(slot.digest())) {
                    waiting.remove(request);
                    actions.add(() -> request.lease.completeExceptionally(failure));
                }
            }
        });
    }

    private Runnable evict(Slot slot) {
        slot.state = State.CLOSING;
        EvictionReason reason =
                settings.served().test(slot.digest())
                        ? EvictionReason.ROOM
                        : EvictionReason.NOT_SERVED;
        return () -> executor.execute(() -> evict(slot, reason));
    }

    private void evict(Slot slot, EvictionReason reason) {
        long began = System.nanoTime();
        try {
            slot.model.close();
        } catch (RuntimeException | Error e) {
            // Its bytes must not count for ever.
            LOG.errorf(e, "model_id=%s digest=%s not closed", slot.first.modelId, slot.digest());
        }
        change(actions -> {
            slots.remove(slot.digest());
            ModelEvicted event =
                    new ModelEvicted(
                            settings.workerId(),
                            slot.first.modelId,
                            slot.digest(),
                            slot.bytes,
                            millisSince(began),
                            reason,
                            slot.generations,
                            loadedBytes(),
                            settings.budgetBytes());
            actions.add(() -> tell(event));
        });
    }

    private Runnable failed(Request request, Long bytes, long millis, Throwable failure) {
        Refusal refusal = EngineFailures.refusal(failure);
        ModelLoadFailed event =
                new ModelLoadFailed(
                        settings.workerId(),
                        request.modelId,
                        request.digest,
                        bytes,
                        millis,
                        request.reason,
                        refusal.code(),
                        refusal.message());
        return () -> tell(event);
    }

    private static long millisSince(long nanos) {
        return (System.nanoTime() - nanos) / 1_000_000;
    }

    private void tell(ModelEvent event) {
        settings.events().accept(event);
    }

    // ---- What others ask

    private synchronized long loadedBytes() {
        return loaded().stream().mapToLong(Entry::bytes).sum();
    }

    public long budgetBytes() {
        return settings.budgetBytes();
    }

    public synchronized List<Entry> loaded() {
        return slots.values().stream()
                .filter(slot -> slot.state == State.READY)
                .map(slot ->
                        new Entry(
                                slot.first.modelId,
                                slot.digest(),
                                slot.bytes,
                                slot.loadMillis,
                                isPinned(slot),
                                slot.leases))
                .toList();
    }

    /// What the engines of the models that are here have done, by digest.
    public synchronized Map<Entry, LoopStatistics> statistics() {
        Map<Entry, LoopStatistics> all = new LinkedHashMap<>();
        for (Entry entry : loaded()) {
            all.put(entry, slots.get(entry.modelDigest()).model.engine().statistics());
        }
        return all;
    }

    /// Closes every model, used or not, and refuses whoever still waits.
    @Override
    public void close() {
        List<LoadedModel> models;
        List<Request> refused;
        synchronized (this) {
            closed = true;
            refused = List.copyOf(waiting);
            waiting.clear();
            models =
                    slots.values().stream()
                            .filter(slot -> slot.state == State.READY)
                            .map(slot -> slot.model)
                            .toList();
            slots.values().removeIf(slot -> slot.state == State.READY);
        }
        refused.forEach(request -> request.lease.completeExceptionally(ended()));
        models.forEach(LoadedModel::close);
    }
}

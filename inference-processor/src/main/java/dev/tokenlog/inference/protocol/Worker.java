package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.WorkerState;
import dev.tokenlog.inference.protocol.PromptTopic.Commit;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.apache.kafka.common.header.internals.RecordHeaders;

/// One worker of the group that answers prompts. Every method is called on the protocol thread, and
/// returns at once.
public final class Worker {

    private static final long HOUSEKEEPING_MILLIS = 60_000;

    private final WorkerSettings settings;
    private final WorkerPorts ports;
    private final PromptParser parser;
    private final Admission admission;
    private final Cancels cancels;
    private final ModelGate gate;
    private final Map<Integer, Partition> partitions = new TreeMap<>();
    private final Queue<Runnable> unasked = new ArrayDeque<>();
    private final TokenGroups groups;
    private int heldPrompts;
    private long heldBytes;

    public Worker(WorkerSettings settings, WorkerPorts ports) {
        this.settings = settings;
        this.ports = ports;
        this.parser = new PromptParser(settings.defaults());
        this.admission =
                new Admission(settings.tokensInFlight(), settings.generationsInFlight(), this::now);
        this.groups = new TokenGroups(ports.clock(), settings.groupInterval(), admission::active);
        this.cancels = new Cancels(settings.maxAge().toMillis());
        this.gate = new ModelGate(ports.models());
        housekeeping();
    }

    private void housekeeping() {
        cancels.forgetOld(now());
        after(HOUSEKEEPING_MILLIS, this::housekeeping);
    }

    // ---- What happens to a worker

    /// The group has given it a partition.
    public void assigned(Assignment assignment) {
        lost(List.of(assignment.partition()));
        Partition partition = new Partition(this, assignment);
        partitions.put(assignment.partition(), partition);
        partition.open();
    }

    /// The group asks for partitions back, and waits.
    ///
    /// @param done told once, with what may be committed at last
    public void revoked(Collection<Integer> numbers, Consumer<Map<Integer, Commit>> done) {
        List<Partition> leaving = new ArrayList<>();
        for (int number : numbers) {
            if (partitions.containsKey(number)) {
                leaving.add(partitions.get(number));
            }
        }
        Map<Integer, Commit> commits = new TreeMap<>();
        if (leaving.isEmpty()) {
            done.accept(commits);
            return;
        }
        int[] missing = {leaving.size()};
        for (Partition partition : leaving) {
            partition.handOver(commit -> {
                partitions.remove(partition.number(), partition);
                commit.ifPresent(c -> commits.put(partition.number(), c));
                if (--missing[0] == 0) {
                    done.accept(commits);
                }
            });
        }
    }

    /// Partitions are gone; somebody else may have them already.
    public void lost(Collection<Integer> numbers) {
        for (int number : numbers) {
            Optional.ofNullable(partitions.remove(number)).ifPresent(Partition::lost);
        }
    }

    /// A prompt has come.
    ///
    /// @param ready run when this worker has room for another one
    public void prompt(PromptRecord record, Runnable ready) {
        Partition partition = partitions.get(record.partition());
        if (partition != null) {
            partition.offer(record);
        }
        unasked.add(ready);
        askForMore();
    }

    /// Somebody wants a generation to end.
    ///
    /// @param reason may be null
    public void cancelRequested(String generationId, String reason, long at) {
        if (now() - at > settings.maxAge().toMillis()) {
            return;
        }
        String why = reason == null ? "cancelled" : Texts.shortened(reason);
        cancels.add(generationId, why, at);
        for (Partition partition : List.copyOf(partitions.values())) {
            for (Generation generation : partition.live()) {
                if (generation.key().generationId().equals(generationId)) {
                    generation.cancelled(why);
                }
            }
        }
    }

    /// The registry says something new: what runs on a revoked model may have to end.
    public void modelsChanged() {
        for (Partition partition : List.copyOf(partitions.values())) {
            partition.live().forEach(Generation::modelsChanged);
        }
    }

    public List<Integer> partitions() {
        return List.copyOf(partitions.keySet());
    }

    /// Whether everything that the log said about the assigned partitions has been read.
    public boolean isReading() {
        return partitions.values().stream().anyMatch(Partition::isReading);
    }

    public int activeGenerations() {
        return admission.active();
    }

    public int waitingGenerations() {
        return admission.waiting();
    }

    /// Asked for by the prompts that wait for their turn.
    public long waitingTokens() {
        return admission.waitingTokens();
    }

    /// Prompts in memory that are not done, and their bytes.
    public int heldPrompts() {
        return heldPrompts;
    }

    public long heldBytes() {
        return heldBytes;
    }

    /// The first prompts that wait, in the order of their turns if nobody else comes.
    public List<WorkerState.Waiting> queue(int most) {
        return admission.places(most).stream()
                .map(place ->
                        new WorkerState.Waiting(
                                place.generation().key().generationId(),
                                place.generation().prompt().parsed().modelId(),
                                place.position(),
                                place.tokensAhead(),
                                place.estimatedMillis().isPresent()
                                        ? place.estimatedMillis().getAsLong()
                                        : null))
                .toList();
    }

    /// Tokens asked for by prompts that are here and have not ended, by model.
    public Map<String, Long> debt() {
        return admission.debt();
    }

    // ---- For its parts

    WorkerSettings settings() {
        return settings;
    }

    WorkerPorts ports() {
        return ports;
    }

    PromptParser parser() {
        return parser;
    }

    Admission admission() {
        return admission;
    }

    TokenGroups groups() {
        return groups;
    }

    Cancels cancels() {
        return cancels;
    }

    ModelGate gate() {
        return gate;
    }

    long now() {
        return ports.clock().now();
    }

    ProtocolClock.Cancellable after(long millis, Runnable task) {
        return ports.clock().after(millis, task);
    }

    /// @param attempt its own one
    void reached(HaltPoint point, Generation generation, int attempt) {
        ports.halts()
                .reached(
                        point,
                        generation.partition().number(),
                        generation.key().promptOffset(),
                        attempt);
    }

    void send(Generation generation, TokenEvent event, Consumer<SendResult> done) {
        Prompt prompt = generation.prompt();
        ports.tokens()
                .append(
                        generation.partition().number(),
                        event,
                        prompt.parsed().passHeaders()
                                ? prompt.record().headers()
                                : new RecordHeaders(),
                        done);
    }

    void deadLetter(Prompt prompt, Refusal refusal, int attempt, Consumer<SendResult> done) {
        PromptRecord record = prompt.record();
        ports.deadLetters()
                .append(
                        new DeadLetterTopic.Letter(
                                record.partition(),
                                record.offset(),
                                record.key(),
                                record.value(),
                                record.headers(),
                                refusal.code(),
                                refusal.message(),
                                attempt),
                        done);
    }

    void held(long bytes) {
        heldPrompts++;
        heldBytes += bytes;
    }

    void released(long bytes) {
        heldPrompts--;
        heldBytes -= bytes;
        askForMore();
    }

    private void askForMore() {
        while (!unasked.isEmpty()
                && heldPrompts < settings.heldPrompts()
                && heldBytes < settings.heldBytes()) {
            unasked.remove().run();
        }
    }
}

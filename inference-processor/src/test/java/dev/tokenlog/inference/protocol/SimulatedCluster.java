package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.inference.protocol.PromptTopic.Commit;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.common.header.internals.RecordHeaders;

/// A broker, a group and its workers in one thread, where a seeded random number decides what
/// happens next: which send lands, who reads how far, who is killed, who loses a partition without
/// knowing.
final class SimulatedCluster {

    record Appended(long time, TokenEvent event) {}

    static final class PartitionLogs {
        final List<Appended> tokens = new ArrayList<>();
        final List<PromptRecord> prompts = new ArrayList<>();
        SimulatedWorker owner;
        Commit committed;

        /// Prompts before this one have been deleted.
        int start;

        /// Tokens before this one have been deleted.
        int tokensStart;
    }

    /// What may go wrong, and how often in all.
    record Faults(int kills, int moves, int zombies, int lostSends, int cancels, boolean differ) {}

    final Random random;
    final List<PartitionLogs> partitions = new ArrayList<>();
    final List<DeadLetterTopic.Letter> deadLetters = new ArrayList<>();
    final List<SimulatedWorker> workers = new ArrayList<>();
    final List<String> problems = new ArrayList<>();
    final Map<String, ErrorCode> expectedFailures = new TreeMap<>();
    final Set<String> poisonous = new HashSet<>();
    final Set<String> digests = new HashSet<>();
    final boolean differ;
    boolean staleRecords;

    /// How wrong the clocks of the workers are.
    long clockError;

    boolean expectAnyFailure;
    int tooLargeFrom = Integer.MAX_VALUE;
    int lostSends;
    private int kills;
    private int moves;
    private int zombies;
    private int cancels;
    private int born;
    private long time = 1_000_000;
    int deaths;

    /// Innocent prompts whose attempts were ended by faults four times before they had said
    /// anything: by the rule, a poison.
    int unlucky;

    SimulatedCluster(long seed, int partitionCount, int workerCount, Faults faults) {
        random = new Random(seed);
        kills = faults.kills();
        moves = faults.moves();
        zombies = faults.zombies();
        lostSends = faults.lostSends();
        cancels = faults.cancels();
        differ = faults.differ();
        for (int i = 0; i < partitionCount; i++) {
            partitions.add(new PartitionLogs());
        }
        for (int i = 0; i < workerCount; i++) {
            workers.add(newWorker());
        }
    }

    private SimulatedWorker newWorker() {
        born++;
        return new SimulatedWorker(this, "worker-" + born, differ ? "sim-" + born % 3 : "sim-0");
    }

    long now() {
        return time;
    }

    /// What somebody else has written before.
    void append(int partition, TokenEvent event) {
        partitions.get(partition).tokens.add(new Appended(time, event));
    }

    void passes(long millis) {
        time += millis;
    }

    // ---- Prompts

    /// By a client that notes where its tokens will be found.
    void sendNoted(int partition, PromptSubmitted prompt) {
        sendNoted(partition, prompt, partitions.get(partition).tokens.size());
    }

    void sendNoted(int partition, PromptSubmitted prompt, long tokensFrom) {
        EventHeaders.set(
                send(partition, EventJson.write(prompt)).headers(),
                EventHeaders.TOKENS_FROM,
                Long.toString(tokensFrom));
    }

    PromptRecord send(int partition, byte[] value) {
        PartitionLogs logs = partitions.get(partition);
        PromptRecord record =
                new PromptRecord(
                        partition, logs.prompts.size(), time, null, value, new RecordHeaders());
        logs.prompts.add(record);
        return record;
    }

    String send(int partition, PromptSubmitted prompt) {
        return PromptParser.generationId(send(partition, EventJson.write(prompt))).orElseThrow();
    }

    // ---- What happens

    /// Lets the cluster run until nothing is left to do.
    void run(int maxSteps) {
        for (int step = 0; step < maxSteps; step++) {
            if (step > 20 && isQuiet()) {
                return;
            }
            step();
        }
        problems.add("hangs: " + describe());
    }

    /// Lets so much happen and no more.
    void steps(int count) {
        for (int i = 0; i < count; i++) {
            step();
        }
    }

    private void step() {
        time++;
        disturb();
        assignFree();
        if (!act()) {
            time += 50;
        }
    }

    private boolean isQuiet() {
        for (PartitionLogs logs : partitions) {
            long done = logs.committed == null ? 0 : logs.committed.offset();
            if (done < logs.prompts.size()) {
                return false;
            }
        }
        return true;
    }

    private boolean act() {
        List<Runnable> possible = new ArrayList<>();
        for (SimulatedWorker worker : workers) {
            worker.addPossible(possible);
        }
        if (possible.isEmpty()) {
            return false;
        }
        possible.get(random.nextInt(possible.size())).run();
        return true;
    }

    private void disturb() {
        if (random.nextInt(40) != 0) {
            return;
        }
        switch (random.nextInt(4)) {
            case 0 -> {
                if (kills > 0) {
                    kills--;
                    kill(workers.get(random.nextInt(workers.size())));
                }
            }
            case 1 -> {
                if (moves > 0 && workers.size() > 1) {
                    moves--;
                    movePlanned(random.nextInt(partitions.size()));
                }
            }
            case 2 -> {
                if (zombies > 0 && workers.size() > 1) {
                    zombies--;
                    moveUnnoticed(random.nextInt(partitions.size()));
                }
            }
            default -> {
                if (cancels > 0) {
                    cancels--;
                    cancelSome();
                }
            }
        }
    }

    private void cancelSome() {
        PartitionLogs logs = partitions.get(random.nextInt(partitions.size()));
        if (!logs.prompts.isEmpty()) {
            PromptRecord prompt = logs.prompts.get(random.nextInt(logs.prompts.size()));
            PromptParser.generationId(prompt)
                    .ifPresent(id -> workers.forEach(w -> w.cancel(id, time)));
        }
    }

    /// kill -9: what it had on its way lands up to some point.
    void kill(SimulatedWorker worker) {
        if (!workers.contains(worker)) {
            return;
        }
        deaths++;
        workers.remove(worker);
        worker.die();
        for (PartitionLogs logs : partitions) {
            if (logs.owner == worker) {
                logs.owner = null;
            }
        }
        workers.add(newWorker());
    }

    /// The group asks for the partition back and gives it on.
    private void movePlanned(int partition) {
        SimulatedWorker owner = partitions.get(partition).owner;
        if (owner != null) {
            owner.revoke(partition);
        }
    }

    /// The group gives the partition to another, and the owner will notice later.
    private void moveUnnoticed(int partition) {
        PartitionLogs logs = partitions.get(partition);
        SimulatedWorker owner = logs.owner;
        if (owner != null) {
            logs.owner = null;
            owner.willNotice(partition);
            assign(partition, other(owner));
        }
    }

    private SimulatedWorker other(SimulatedWorker not) {
        List<SimulatedWorker> others = workers.stream().filter(w -> w != not).toList();
        return others.get(random.nextInt(others.size()));
    }

    private void assignFree() {
        for (int i = 0; i < partitions.size(); i++) {
            if (partitions.get(i).owner == null && random.nextInt(5) == 0) {
                List<SimulatedWorker> free = new ArrayList<>();
                for (SimulatedWorker worker : workers) {
                    if (!worker.holds(i)) {
                        free.add(worker);
                    }
                }
                if (!free.isEmpty()) {
                    assign(i, free.get(random.nextInt(free.size())));
                }
            }
        }
    }

    private void assign(int partition, SimulatedWorker worker) {
        if (worker.holds(partition)) {
            return;
        }
        PartitionLogs logs = partitions.get(partition);
        logs.owner = worker;
        long next = logs.committed == null ? 0 : logs.committed.offset();
        OptionalLong missing = logs.start > next ? OptionalLong.of(next) : OptionalLong.empty();
        OptionalLong begin =
                logs.committed == null
                        ? OptionalLong.empty()
                        : Commit.safeBeginning(logs.committed.metadata());
        worker.assign(new Assignment(partition, Math.max(next, logs.start), begin, missing));
    }

    boolean commit(SimulatedWorker worker, int partition, Commit commit) {
        PartitionLogs logs = partitions.get(partition);
        if (logs.owner != worker) {
            return false;
        }
        if (logs.committed != null && commit.offset() < logs.committed.offset()) {
            problems.add("commits backwards to " + commit);
        }
        judgeCommit(partition, commit);
        logs.committed = commit;
        return true;
    }

    private void judgeCommit(int partition, Commit commit) {
        PartitionLogs logs = partitions.get(partition);
        Map<GenerationKey, StreamJudge.Stream> streams = streams(partition);
        Set<String> ended = new HashSet<>();
        streams.forEach((key, stream) -> {
            if (stream.end != null) {
                ended.add(key.generationId());
            }
        });
        for (PromptRecord prompt : logs.prompts.subList(logs.start, (int) commit.offset())) {
            boolean done =
                    PromptParser.generationId(prompt)
                            .map(ended::contains)
                            .orElseGet(() -> isDeadLettered(prompt));
            if (!done) {
                problems.add("commits prompt " + prompt.offset() + " before its end");
            }
        }
    }

    private boolean isDeadLettered(PromptRecord prompt) {
        return deadLetters.stream()
                .anyMatch(letter ->
                        letter.partition() == prompt.partition()
                                && letter.offset() == prompt.offset());
    }

    Map<GenerationKey, StreamJudge.Stream> streams(int partition) {
        return StreamJudge.read(
                partitions.get(partition).tokens.stream().map(Appended::event).toList());
    }

    /// Everything that is wrong, after a run.
    List<String> verdict() {
        List<String> found = new ArrayList<>(problems);
        for (int i = 0; i < partitions.size(); i++) {
            Map<GenerationKey, StreamJudge.Stream> streams = streams(i);
            Set<String> names = new HashSet<>();
            streams.forEach((key, stream) -> {
                stream.verdict().forEach(p -> found.add(key + ": " + p));
                if (!names.add(key.generationId())) {
                    found.add(key + ": a second run of the same id");
                }
                if (stream.end instanceof TokenEvent.GenerationFailed failed
                        && !expectAnyFailure
                        && failed.code() != expectedFailures.get(key.generationId())) {
                    if (failed.code() == ErrorCode.POISON
                            && stream.silentBeforeTheLast() >= WorkerSettings.POISON_AFTER) {
                        unlucky++;
                    } else {
                        found.add(key + ": fails with " + failed.code());
                    }
                }
                if (stream.claims > 200) {
                    found.add(key + ": " + stream.claims + " claims");
                }
            });
        }
        return found;
    }

    String describe() {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < partitions.size(); i++) {
            PartitionLogs logs = partitions.get(i);
            text.append("\npartition ")
                    .append(i)
                    .append(": ")
                    .append(logs.prompts.size())
                    .append(" prompts, committed ")
                    .append(logs.committed)
                    .append(", owner ")
                    .append(logs.owner);
            for (int n = 0; n < logs.tokens.size(); n++) {
                text.append("\n  ").append(n).append(' ').append(logs.tokens.get(n).event());
            }
        }
        return text.toString();
    }
}

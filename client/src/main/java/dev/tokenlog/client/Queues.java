package dev.tokenlog.client;

import dev.tokenlog.contracts.WorkerState;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// What the snapshots of workers say about who waits where.
final class Queues {

    /// A worker where prompts wait tells of them every second: what is so much older was told by
    /// one that has died since.
    private static final Duration STALE = Duration.ofSeconds(30);

    private Queues() {}

    /// The place of a prompt, by the latest snapshot that names it and still counts: its worker has
    /// lost none of its partitions to another one since, and has told it about when the newest
    /// snapshot of all was told.
    static Optional<WorkerState.Waiting> place(
            List<LogEvent<WorkerState>> snapshots, String generationId) {
        // In append time: the clock of whoever asks may be wrong.
        Instant newest =
                snapshots.stream()
                        .map(LogEvent::timestamp)
                        .max(Comparator.naturalOrder())
                        .orElse(Instant.EPOCH);
        Map<Integer, Long> owned = new HashMap<>();
        for (LogEvent<WorkerState> snapshot : snapshots) {
            for (int partition : partitions(snapshot.event())) {
                owned.merge(partition, snapshot.offset(), Math::max);
            }
        }
        return snapshots.stream()
                .filter(snapshot -> snapshot.timestamp().isAfter(newest.minus(STALE)))
                .filter(snapshot ->
                        partitions(snapshot.event()).stream()
                                .allMatch(partition -> owned.get(partition) <= snapshot.offset()))
                .filter(snapshot -> snapshot.event().queue() != null)
                .flatMap(snapshot -> snapshot.event().queue().stream())
                .filter(place -> place.generationId().equals(generationId))
                .reduce((_, later) -> later);
    }

    private static List<Integer> partitions(WorkerState worker) {
        return worker.partitions() == null ? List.of() : worker.partitions();
    }
}

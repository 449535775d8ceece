package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.LogEvent;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.WorkerEvent.ModelEvent;
import dev.tokenlog.contracts.WorkerState;
import dev.tokenlog.contracts.WorkerState.LoadedModel;
import dev.tokenlog.contracts.WorkerState.ModelDebt;
import dev.tokenlog.contracts.WorkerState.Waiting;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "workers",
        description =
                "Who runs: compute, numerics id, partitions, work in flight, models loaded and their memory, and"
                        + " the latest loads and evictions.")
final class WorkersCommand implements Callable<Integer> {

    /// Three times what a worker, by default, lets pass between two snapshots.
    private static final long SILENT_SECONDS = 90;

    /// Loads and evictions of a worker that are shown.
    private static final int CHANGES = 5;

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Override
    public Integer call() {
        try (TokenlogClient client = connection.connect()) {
            List<LogEvent<WorkerState>> workers = client.workers();
            List<LogEvent<ModelEvent>> changes = client.modelEvents();
            if (output.json) {
                ArrayNode list = Json.object().putArray("workers");
                workers.forEach(worker -> list.add(tree(worker, of(worker, changes))));
                common.terminal().line(Json.text(Json.object().set("workers", list)));
                return ExitStatus.DONE;
            }
            if (workers.isEmpty()) {
                common.terminal().err("no worker has said that it runs");
            }
            workers.forEach(worker -> {
                show(worker);
                last(of(worker, changes)).forEach(this::showChange);
            });
            return ExitStatus.DONE;
        }
    }

    private static ObjectNode tree(
            LogEvent<WorkerState> entry, List<LogEvent<ModelEvent>> changes) {
        ObjectNode node = (ObjectNode) Json.of(entry.event());
        node.put("last_heard", entry.timestamp().toString());
        ArrayNode events = node.putArray("model_events");
        for (LogEvent<ModelEvent> change : changes) {
            events.add(
                    ((ObjectNode) Json.of(change.event()))
                            .put("time", change.timestamp().toString()));
        }
        return node;
    }

    private static List<LogEvent<ModelEvent>> of(
            LogEvent<WorkerState> worker, List<LogEvent<ModelEvent>> changes) {
        return changes.stream()
                .filter(change -> change.event().workerId().equals(worker.event().workerId()))
                .toList();
    }

    private static List<LogEvent<ModelEvent>> last(List<LogEvent<ModelEvent>> changes) {
        return changes.subList(Math.max(0, changes.size() - CHANGES), changes.size());
    }

    private void showChange(LogEvent<ModelEvent> change) {
        common.terminal()
                .line("  %s %s".formatted(change.timestamp(), EventSummary.of(change.event())));
    }

    private void show(LogEvent<WorkerState> entry) {
        WorkerState worker = entry.event();
        Terminal terminal = common.terminal();
        long silent = Duration.between(entry.timestamp(), Instant.now()).toSeconds();
        terminal.line(
                "%s  %s on %s since %s%s"
                        .formatted(
                                terminal.bold(worker.workerId()),
                                worker.role(),
                                worker.host(),
                                Instant.ofEpochMilli(worker.startedAt()),
                                silent <= SILENT_SECONDS
                                        ? ""
                                        : ", not heard for %d s: it may have been killed"
                                                .formatted(silent)));
        if (worker.compute() != null) {
            terminal.line("  " + worker.compute());
        }
        terminal.line(
                "  numerics %s, partitions %s, %s active, %s queued"
                        .formatted(
                                Objects.requireNonNullElse(worker.numericsId(), "-"),
                                Objects.requireNonNullElse(worker.partitions(), List.of()),
                                Objects.requireNonNullElse(worker.activeGenerations(), 0),
                                Objects.requireNonNullElse(worker.queuedGenerations(), 0)));
        Objects.requireNonNullElse(worker.debt(), List.<ModelDebt>of())
                .forEach(debt ->
                        terminal.line(
                                "  owes %d tokens of %s".formatted(debt.tokens(), debt.modelId())));
        last(worker).ifPresent(place -> terminal.line("  " + describe(place)));
        terminal.line("  " + memory(worker));
        List<LoadedModel> models = Objects.requireNonNullElse(worker.models(), List.of());
        models.forEach(model -> terminal.line("  model " + describe(model)));
    }

    /// Of the places in its queue that it tells, the last.
    private static Optional<Waiting> last(WorkerState worker) {
        return worker.queue() == null || worker.queue().isEmpty()
                ? Optional.empty()
                : Optional.of(worker.queue().getLast());
    }

    private static String describe(Waiting place) {
        return "place %d of its queue: %d tokens ahead%s"
                .formatted(
                        place.position(),
                        place.tokensAhead(),
                        place.estimatedMs() == null
                                ? ""
                                : ", about %.1f s".formatted(place.estimatedMs() / 1000.0));
    }

    private static String memory(WorkerState worker) {
        List<LoadedModel> models = Objects.requireNonNullElse(worker.models(), List.of());
        String used = mebibytes(models.stream().mapToLong(LoadedModel::bytes).sum());
        return "%s, %s%s%s"
                .formatted(
                        models.size() == 1 ? "1 model" : models.size() + " models",
                        used,
                        worker.modelBudgetBytes() == null
                                ? ""
                                : " of " + mebibytes(worker.modelBudgetBytes()),
                        worker.peakMemoryBytes() == null
                                ? ""
                                : ", peak memory " + mebibytes(worker.peakMemoryBytes()));
    }

    private static String describe(LoadedModel model) {
        return "%s %s, %s%s%s%s"
                .formatted(
                        model.modelId(),
                        EventSummary.brief(model.modelDigest()),
                        mebibytes(model.bytes()),
                        model.loadMs() == null ? "" : ", loaded in " + model.loadMs() + " ms",
                        Boolean.TRUE.equals(model.pinned()) ? ", pinned" : "",
                        model.generations() == null || model.generations() == 0
                                ? ""
                                : ", %d running".formatted(model.generations()));
    }

    private static String mebibytes(long bytes) {
        return "%d MiB".formatted(Math.ceilDiv(bytes, 1L << 20));
    }
}

package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.LogEvent;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.WorkerState;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "workers",
        description = "Who runs: compute, numerics id, models loaded, partitions, work in flight.")
final class WorkersCommand implements Callable<Integer> {

    /// Three times what a worker, by default, lets pass between two snapshots.
    private static final long SILENT_SECONDS = 90;

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Override
    public Integer call() {
        try (TokenlogClient client = connection.connect()) {
            List<LogEvent<WorkerState>> workers = client.workers();
            if (output.json) {
                ArrayNode list = Json.object().putArray("workers");
                workers.forEach(worker -> list.add(tree(worker)));
                common.terminal().line(Json.text(Json.object().set("workers", list)));
                return ExitStatus.DONE;
            }
            if (workers.isEmpty()) {
                common.terminal().err("no worker has said that it runs");
            }
            workers.forEach(this::show);
            return ExitStatus.DONE;
        }
    }

    private static ObjectNode tree(LogEvent<WorkerState> entry) {
        return ((ObjectNode) Json.of(entry.event()))
                .put("last_heard", entry.timestamp().toString());
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
        String models =
                worker.models() == null || worker.models().isEmpty()
                        ? "none"
                        : worker.models().stream()
                                .map(m -> m.modelId() + " " + EventSummary.brief(m.modelDigest()))
                                .collect(Collectors.joining(", "));
        terminal.line(
                "  numerics %s, partitions %s, %s active, %s queued, models %s"
                        .formatted(
                                Objects.requireNonNullElse(worker.numericsId(), "-"),
                                Objects.requireNonNullElse(worker.partitions(), List.of()),
                                Objects.requireNonNullElse(worker.activeGenerations(), 0),
                                Objects.requireNonNullElse(worker.queuedGenerations(), 0),
                                models));
    }
}

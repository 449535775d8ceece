package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.Usage;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "usage",
        description =
                "What models did, minute by minute: generations that ended, tokens, latencies of the"
                        + " finished ones, and tokens asked for that are still owed.")
final class UsageCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "MODEL",
            description = "Of this model only.")
    private String model;

    @Option(
            names = "--minutes",
            defaultValue = "60",
            paramLabel = "N",
            description = "How far back (default: ${DEFAULT-VALUE}).")
    private int minutes;

    @Override
    public Integer call() {
        if (minutes < 1) {
            throw CommandFailure.usage("--minutes is %d, expected at least 1".formatted(minutes));
        }
        try (TokenlogClient client = connection.connect()) {
            List<Usage> usage =
                    client.usage(Instant.now().minus(Duration.ofMinutes(minutes)), model);
            if (output.json) {
                ObjectNode document = Json.object();
                ArrayNode list = document.putArray("usage");
                usage.forEach(each -> list.add(Json.of(each)));
                common.terminal().line(Json.text(document));
                return ExitStatus.DONE;
            }
            if (usage.isEmpty()) {
                common.terminal()
                        .err("nothing was asked for in the last %d min".formatted(minutes));
                return ExitStatus.DONE;
            }
            table(usage).print(common.terminal());
            return ExitStatus.DONE;
        }
    }

    private static Table table(List<Usage> usage) {
        Table table =
                new Table(
                        "MINUTE",
                        "MODEL",
                        "GENERATIONS",
                        "PROMPT",
                        "COMPLETION",
                        "FIRST-P50",
                        "FIRST-P99",
                        "TOTAL-P50",
                        "TOTAL-P99",
                        "OWED");
        for (Usage each : usage) {
            table.row(
                    Instant.ofEpochMilli(each.windowStart()).toString(),
                    each.modelId(),
                    Long.toString(each.generations()),
                    Long.toString(each.promptTokens()),
                    Long.toString(each.completionTokens()),
                    millis(each.firstTokenMsP50()),
                    millis(each.firstTokenMsP99()),
                    millis(each.totalMsP50()),
                    millis(each.totalMsP99()),
                    Long.toString(each.debtTokens()));
        }
        return table;
    }

    private static String millis(Long value) {
        return value == null ? "-" : value + "ms";
    }
}

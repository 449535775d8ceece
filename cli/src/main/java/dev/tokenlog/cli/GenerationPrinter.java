package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.GenerationResult;
import dev.tokenlog.client.GenerationStream;
import dev.tokenlog.client.GenerationUpdate;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.TokenEvent.GenerationCancelled;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.Timings;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// Shows a generation while it streams: its text, or one JSON line per update.
final class GenerationPrinter {

    private final Terminal terminal;
    private final boolean json;

    GenerationPrinter(Terminal terminal, boolean json) {
        this.terminal = terminal;
        this.json = json;
    }

    /// Reads to the end, and returns all of it.
    GenerationResult print(GenerationStream stream, Duration silence) {
        boolean[] endsWithNewline = {true};
        GenerationResult result =
                stream.forEach(
                        silence,
                        update -> {
                            if (json) {
                                terminal.line(Json.text(tree(stream.handle().partition(), update)));
                            } else if (update instanceof GenerationUpdate.Tokens tokens
                                    && !tokens.text().isEmpty()) {
                                terminal.text(tokens.text());
                                endsWithNewline[0] = tokens.text().endsWith("\n");
                            } else if (update instanceof GenerationUpdate.Resumed resumed) {
                                terminal.err(
                                        "[attempt %d: another worker goes on]"
                                                .formatted(resumed.event().attempt()));
                            }
                        });
        if (!json && !endsWithNewline[0]) {
            terminal.line("");
        }
        return result;
    }

    private static ObjectNode tree(int partition, GenerationUpdate update) {
        return switch (update) {
            case GenerationUpdate.Started u -> placed(partition, u.offset(), u.event());
            case GenerationUpdate.Resumed u -> placed(partition, u.offset(), u.event());
            case GenerationUpdate.Ended u -> placed(partition, u.offset(), u.event());
            case GenerationUpdate.Tokens u -> {
                ObjectNode node = Json.object().put("type", "TokensGenerated");
                node.put("index", u.index());
                node.set("token_ids", Json.of(u.tokenIds()));
                node.put("text", u.text());
                if (!u.logprobs().isEmpty()) {
                    node.set("logprobs", Json.of(u.logprobs()));
                }
                yield node.put("partition", partition).put("offset", u.offset());
            }
        };
    }

    private static ObjectNode placed(int partition, long offset, Event event) {
        ObjectNode node = (ObjectNode) Json.of(event);
        return node.put("partition", partition).put("offset", offset);
    }

    /// How it ended, in one line on standard error, and as the exit status.
    int conclude(GenerationResult result) {
        return switch (result.end()) {
            case GenerationFinished finished -> {
                terminal.err(terminal.dim(statistics(finished, result.attempts())));
                yield ExitStatus.DONE;
            }
            case GenerationFailed failed -> {
                terminal.err(
                        "tokenlog: %s: %s"
                                .formatted(failed.code(), Terminal.oneLine(failed.message())));
                yield ExitStatus.NO;
            }
            case GenerationCancelled cancelled -> {
                terminal.err(
                        "tokenlog: cancelled after %d tokens".formatted(result.tokenIds().size()));
                yield ExitStatus.NO;
            }
        };
    }

    static String statistics(GenerationFinished finished, int attempts) {
        List<String> parts = new ArrayList<>();
        parts.add(Objects.requireNonNullElse(finished.reason(), "finished"));
        if (finished.usage() != null) {
            parts.add(
                    "%d prompt + %d tokens"
                            .formatted(
                                    finished.usage().promptTokens(),
                                    finished.usage().completionTokens()));
        }
        Timings timings = finished.timings();
        if (timings != null) {
            add(parts, "queue %d ms", timings.queueMs());
            add(parts, "load %d ms", timings.loadMs());
            add(parts, "first token %d ms", timings.firstTokenMs());
            add(parts, "total %d ms", timings.totalMs());
            if (timings.tokensPerSecond() != null) {
                parts.add("%.0f tokens/s".formatted(timings.tokensPerSecond()));
            }
            if (isSome(timings.reusedTokens())) {
                parts.add("%d tokens from the cache".formatted(timings.reusedTokens()));
            }
            if (isSome(timings.draftedTokens()) && timings.acceptedTokens() != null) {
                parts.add(
                        "%d of %d guesses right"
                                .formatted(timings.acceptedTokens(), timings.draftedTokens()));
            }
        }
        if (timings != null && timings.peakMemoryBytes() != null) {
            parts.add("peak memory %d MiB".formatted(timings.peakMemoryBytes() >> 20));
        }
        if (attempts > 1) {
            parts.add(attempts + " attempts");
        }
        return "[" + String.join(", ", parts) + "]";
    }

    private static boolean isSome(Integer count) {
        return count != null && count > 0;
    }

    private static void add(List<String> parts, String format, Long value) {
        if (value != null) {
            parts.add(format.formatted(value));
        }
    }
}

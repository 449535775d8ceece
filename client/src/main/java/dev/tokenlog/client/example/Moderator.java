package dev.tokenlog.client.example;

import dev.tokenlog.client.EventStream;
import dev.tokenlog.client.LogEvent;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.GenerationLog;
import dev.tokenlog.contracts.GenerationLog.Applied;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/// A moderator: reads every answer as it is written, whoever asked for it and whichever worker
/// writes it, and cancels those that break a rule. It needs no word with anybody but the log, may
/// run as often as one likes (a second cancel is harmless), and if it dies, another one reads what
/// it missed.
///
/// `java -cp … dev.tokenlog.client.example.Moderator BOOTSTRAP REGEX`
public final class Moderator implements AutoCloseable {

    /// Generations that began so long ago are known from their beginning.
    private static final Duration BACK = Duration.ofMinutes(10);

    /// Ended ones are remembered for so long, so that a worker that was cut off and still writes
    /// does not make them begin again; others for as long as a prompt may live.
    private static final Duration REMEMBERED = BACK;

    private static final Duration UNFINISHED = Duration.ofHours(24);

    private static final Duration PATIENCE = Duration.ofSeconds(1);

    /// A rule sees the end of a text, not all of it.
    private static final int SEEN_CHARACTERS = 2_000;

    /// A generation that was told to end.
    ///
    /// @param at when the text was appended that broke the rule
    public record Cancelled(String generationId, String text, Instant at) {}

    private record Key(int partition, long promptOffset, String generationId) {}

    private static final class Answer {
        final GenerationLog log;
        final StringBuilder text = new StringBuilder();
        boolean cancelled;
        Instant last;

        Answer(TokenEvent event) {
            log = new GenerationLog(event.generationId(), event.promptOffset());
        }
    }

    private final TokenlogClient client;
    private final Predicate<String> forbidden;
    private final EventStream<TokenEvent> tokens;
    private final Map<Key, Answer> answers = new HashMap<>();
    private Instant swept = Instant.EPOCH;

    /// @param forbidden told the end of an answer's text whenever it has grown
    public Moderator(TokenlogClient client, Predicate<String> forbidden) {
        this.client = client;
        this.forbidden = forbidden;
        this.tokens = client.followTokens(Instant.now().minus(BACK));
    }

    public static void main(String[] arguments) {
        if (arguments.length != 2) {
            System.err.println("usage: Moderator BOOTSTRAP REGEX");
            System.exit(2);
        }
        Predicate<String> rule = Pattern.compile(arguments[1]).asPredicate();
        try (TokenlogClient client =
                        TokenlogClient.connect(Map.of("bootstrap.servers", arguments[0]), "");
                Moderator moderator = new Moderator(client, rule)) {
            while (true) {
                moderator.next(PATIENCE, cancelled -> System.out.println("cancelled " + cancelled));
            }
        }
    }

    /// Takes the next event, if one comes in this time.
    public void next(Duration atMost, Consumer<Cancelled> told) {
        tokens.next(atMost).flatMap(this::judge).ifPresent(told);
    }

    private Optional<Cancelled> judge(LogEvent<TokenEvent> record) {
        forget(record.timestamp());
        TokenEvent event = record.event();
        Key key = new Key(record.partition(), event.promptOffset(), event.generationId());
        if (event instanceof GenerationStarted) {
            answers.computeIfAbsent(key, _ -> new Answer(event));
        }
        Answer answer = answers.get(key);
        if (answer == null) {
            // It began before this moderator reads: nothing of it can be told true from false.
            return Optional.empty();
        }
        answer.last = record.timestamp();
        // Only what every reader takes for true: a worker that was cut off may still write.
        switch (answer.log.apply(record.offset(), event)) {
            case Applied.Extended(var generated) -> {
                if (generated.text() != null) {
                    answer.text.append(generated.text());
                }
            }
            case Applied.Ended _, Applied.Claimed _, Applied.Void _ -> {}
        }
        int tooMany = answer.text.length() - SEEN_CHARACTERS;
        answer.text.delete(0, Math.max(0, tooMany));
        if (answer.log.ended() || answer.cancelled || !forbidden.test(answer.text.toString())) {
            return Optional.empty();
        }
        answer.cancelled = true;
        client.cancel(event.generationId(), "moderated");
        return Optional.of(
                new Cancelled(event.generationId(), answer.text.toString(), record.timestamp()));
    }

    /// By the log's own time.
    private void forget(Instant now) {
        if (now.isBefore(swept.plus(Duration.ofMinutes(1)))) {
            return;
        }
        swept = now;
        answers.values()
                .removeIf(answer ->
                        answer.last
                                .plus(answer.log.ended() ? REMEMBERED : UNFINISHED)
                                .isBefore(now));
    }

    /// Answers that it keeps in mind.
    public int known() {
        return answers.size();
    }

    @Override
    public void close() {
        tokens.close();
    }
}

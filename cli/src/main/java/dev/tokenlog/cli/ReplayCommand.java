package dev.tokenlog.cli;

import dev.tokenlog.client.EventStream;
import dev.tokenlog.client.LogEvent;
import dev.tokenlog.client.PastGeneration;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.client.TokenlogException;
import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.AccuracyEvent.AccuracyMeasured;
import dev.tokenlog.contracts.AccuracyEvent.CandidateReplayed;
import dev.tokenlog.contracts.AccuracyEvent.ReplayDiverged;
import dev.tokenlog.contracts.AccuracyEvent.ReplayFailed;
import dev.tokenlog.contracts.AccuracyEvent.ReplayVerified;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.ValidationRequest.CandidateReplayRequested;
import dev.tokenlog.contracts.ValidationRequest.ReplayRequested;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "replay",
        description = {
            "Computes past generations again, from the log and the weights alone.",
            "With GENERATION: equal to the last bit of its tokens and its end (exit status 0), or the"
                    + " first difference (1).",
            "With --candidate: what another model would have made of the logged prompts, reading the"
                    + " logged tokens; one line for each generation."
        })
final class ReplayCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Parameters(
            paramLabel = "GENERATION",
            arity = "0..1",
            description = "A generation's id; without it, --since says which.")
    private String id;

    @Option(
            names = "--since",
            paramLabel = "TIME",
            description =
                    "All generations that began since: 2026-11-21T08:00:00Z, or a duration before now"
                            + " (PT1H, P7D).")
    private String since;

    @Option(names = "--model", paramLabel = "MODEL", description = "With --since: of this model.")
    private String model;

    @Option(
            names = "--limit",
            paramLabel = "N",
            defaultValue = "1000",
            description = "With --since: at most the N latest (default: 1000).")
    private int limit;

    @Option(
            names = "--candidate",
            paramLabel = "MODEL",
            description = "A model id whose latest version is compared.")
    private String candidate;

    @Option(
            names = "--candidate-digest",
            paramLabel = "DIGEST",
            description = "Another version of the candidate.")
    private String candidateDigest;

    @Option(
            names = "--compute",
            paramLabel = "KERNELS",
            description =
                    "Kernels to compute with: scalar, vector, native, ... (not with --candidate).")
    private String compute;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Threads to compute with (not with --candidate).")
    private Integer threads;

    @Option(
            names = "--answer-timeout",
            paramLabel = "SECONDS",
            defaultValue = "1800",
            description = "How long one answer may take (default: 1800).")
    private int answerTimeout;

    @Override
    public Integer call() {
        checkOptions();
        try (TokenlogClient client = connection.connect()) {
            List<PastGeneration> generations = generations(client);
            List<AccuracyEvent> answers = new ArrayList<>();
            for (PastGeneration generation : generations) {
                AccuracyEvent answer = ask(client, generation);
                answers.add(answer);
                if (output.json) {
                    common.terminal().line(Json.text(Json.of(answer)));
                } else {
                    common.terminal().line(line(answer, generation));
                }
            }
            if (!output.json && id == null) {
                common.terminal().line(summary(answers));
            }
            return answers.stream().allMatch(ReplayCommand::isYes)
                    ? ExitStatus.DONE
                    : ExitStatus.NO;
        }
    }

    private void checkOptions() {
        if ((id == null) == (since == null)) {
            throw CommandFailure.usage("either GENERATION or --since says what to replay");
        }
        if (candidate != null && (compute != null || threads != null)) {
            throw CommandFailure.usage("--compute and --threads do not go with --candidate");
        }
        if (candidate == null && candidateDigest != null) {
            throw CommandFailure.usage("--candidate-digest needs --candidate");
        }
        if (limit < 1) {
            throw CommandFailure.usage("--limit must be at least 1, is " + limit);
        }
    }

    private List<PastGeneration> generations(TokenlogClient client) {
        if (id != null) {
            return List.of(
                    client.pastGeneration(id)
                            .orElseThrow(
                                    () -> CommandFailure.no("the log holds no generation " + id)));
        }
        List<PastGeneration> found =
                client.generationsSince(time(since, Instant.now()), model).stream()
                        .filter(each -> each.modelDigest() != null && each.tokens() > 0)
                        .toList();
        if (found.isEmpty()) {
            throw CommandFailure.no("no generation with tokens began since " + since);
        }
        return found.subList(Math.max(0, found.size() - limit), found.size());
    }

    /// An instant, or a duration before now.
    static Instant time(String text, Instant now) {
        Supplier<CommandFailure> refused =
                () ->
                        CommandFailure.usage(
                                "--since '%s': expected a time (2026-11-21T08:00:00Z) or a duration (PT1H, P7D)"
                                        .formatted(text));
        try {
            return text.startsWith("P") ? now.minus(Duration.parse(text)) : Instant.parse(text);
        } catch (DateTimeException | ArithmeticException e) {
            throw refused.get();
        }
    }

    private AccuracyEvent ask(TokenlogClient client, PastGeneration generation) {
        try (EventStream<AccuracyEvent> stream =
                candidate == null
                        ? client.replay(
                                new ReplayRequested(
                                        null,
                                        generation.modelId(),
                                        generation.generationId(),
                                        generation.partition(),
                                        generation.promptOffset(),
                                        null,
                                        compute,
                                        threads))
                        : client.replay(
                                new CandidateReplayRequested(
                                        null,
                                        candidate,
                                        candidateDigest,
                                        generation.generationId(),
                                        generation.partition(),
                                        generation.promptOffset(),
                                        null))) {
            return stream.next(Duration.ofSeconds(answerTimeout))
                    .map(LogEvent::event)
                    .orElseThrow(() ->
                            new TokenlogException(
                                    TokenlogException.Kind.TIMEOUT,
                                    "no validation processor has answered within %d s"
                                            .formatted(answerTimeout)));
        }
    }

    private static boolean isYes(AccuracyEvent answer) {
        return answer instanceof ReplayVerified || answer instanceof CandidateReplayed;
    }

    private String line(AccuracyEvent answer, PastGeneration generation) {
        String name = generation.generationId();
        return switch (answer) {
            case ReplayVerified e ->
                    common.terminal()
                            .green(
                                    "%s: equal, %d tokens and the end; %s, computed by %s in %d ms"
                                            .formatted(
                                                    name,
                                                    e.tokens(),
                                                    e.numericsId(),
                                                    e.compute(),
                                                    e.totalMs()));
            case ReplayDiverged e ->
                    common.terminal().red("%s: DIFFERS: %s".formatted(name, e.message()));
            case ReplayFailed e ->
                    common.terminal()
                            .red("%s: not replayed: %s %s".formatted(name, e.code(), e.message()));
            case CandidateReplayed e ->
                    "%s: %d tokens, same choice %s, first other %s, top-1 %s, KL mean %s max %s nats, perplexity %s (%s)"
                            .formatted(
                                    name,
                                    e.tokens(),
                                    EventSummary.percent(e.sameChoices()),
                                    e.firstDifference() == null ? "none" : e.firstDifference(),
                                    EventSummary.percent(e.top1Agreement()),
                                    EventSummary.number(e.meanKlDivergence()),
                                    EventSummary.number(e.maxKlDivergence()),
                                    EventSummary.number(e.perplexity()),
                                    EventSummary.number(e.baselinePerplexity()));
            case AccuracyMeasured _, ValidationFinished _ ->
                    throw new IllegalStateException(answer.type() + " answers no replay");
        };
    }

    private String summary(List<AccuracyEvent> answers) {
        long failed = answers.stream().filter(ReplayFailed.class::isInstance).count();
        if (candidate == null) {
            long equal = answers.stream().filter(ReplayVerified.class::isInstance).count();
            return "%d generations: %d equal, %d differ, %d not replayed"
                    .formatted(answers.size(), equal, answers.size() - equal - failed, failed);
        }
        List<CandidateReplayed> compared =
                answers.stream()
                        .filter(CandidateReplayed.class::isInstance)
                        .map(CandidateReplayed.class::cast)
                        .toList();
        double tokens = compared.stream().mapToInt(CandidateReplayed::tokens).sum();
        double same = compared.stream().mapToDouble(e -> e.sameChoices() * e.tokens()).sum();
        double kl = compared.stream().mapToDouble(e -> e.meanKlDivergence() * e.tokens()).sum();
        return "%d generations, %.0f tokens: same choice %s, KL mean %s nats; %d not replayed"
                .formatted(
                        answers.size(),
                        tokens,
                        EventSummary.percent(tokens == 0 ? null : same / tokens),
                        EventSummary.number(tokens == 0 ? null : kl / tokens),
                        failed);
    }
}

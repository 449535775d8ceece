package dev.tokenlog.validation;

import dev.tokenlog.contracts.GenerationLog;
import dev.tokenlog.contracts.GenerationLog.ValidClaim;
import dev.tokenlog.contracts.TokenEvent.GenerationCancelled;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenHash;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.compute.Numerics;
import dev.tokenlog.engine.evaluate.CandidateComparison;
import dev.tokenlog.engine.evaluate.CandidateReport;
import dev.tokenlog.engine.generation.GenerationListener.Finish;
import dev.tokenlog.engine.generation.GenerationRequest;
import dev.tokenlog.engine.generation.Replay;
import dev.tokenlog.engine.generation.Replay.Difference;
import dev.tokenlog.engine.generation.SamplingParameters;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;

/// [Replays] on the CPU. Keeps the two models that it used last, since requests come in rows.
final class EngineReplays implements Replays {

    private static final int MOST_OPEN = 2;

    private record Key(Path folder, String digest, CpuOptions options) {}

    private final CpuOptions configured;
    private final LinkedHashMap<Key, ReplayedModel> open = new LinkedHashMap<>();

    EngineReplays(CpuOptions configured) {
        this.configured = configured;
    }

    @Override
    public Outcome verify(
            LoggedGeneration generation, Path artifact, Settings settings, BooleanSupplier stop) {
        GenerationStarted started = generation.log().started().orElseThrow();
        ReplayedModel model = model(artifact, started.modelDigest(), options(settings));
        GenerationRequest request = request(generation, model);
        String prompt = TokenHash.of(request.promptIds());
        Optional<String> logged = generation.log().promptHash();
        if (logged.isPresent() && !logged.get().equals(prompt)) {
            return new Outcome(
                    false,
                    -1,
                    "the prompt's ids have the hash %s in the log, %s when rendered again"
                            .formatted(logged.get(), prompt),
                    null);
        }
        String compute = null;
        for (Stretch stretch : stretches(generation.log())) {
            CpuExecutor executor = model.executor(stretch.kv());
            compute = executor.description();
            Optional<Difference> difference =
                    Replay.firstDifference(executor, request, stretch.from(), stretch.to(), stop);
            if (difference.isPresent()) {
                return new Outcome(
                        false,
                        difference.get().index(),
                        describe(difference.get(), stretch, model),
                        compute);
            }
        }
        String end = differenceOfEnds(generation.log(), request, model);
        return new Outcome(end == null, request.doneIds().length, end, compute);
    }

    @Override
    public Compared compare(
            LoggedGeneration generation,
            Path candidate,
            String candidateDigest,
            Path artifact,
            BooleanSupplier stop) {
        GenerationStarted started = generation.log().started().orElseThrow();
        ReplayedModel baseline = model(artifact, started.modelDigest(), configured);
        ReplayedModel other = model(candidate, candidateDigest, configured);
        GenerationRequest ofBaseline = request(generation, baseline);
        if (ofBaseline.doneIds().length == 0) {
            throw new EngineException(Reason.UNSUPPORTED, "the generation has no tokens");
        }
        for (int id : ofBaseline.doneIds()) {
            requireSameToken(id, baseline, other);
        }
        CpuExecutor executor = other.executor(KvType.KV16);
        CandidateReport report =
                CandidateComparison.compare(
                        executor,
                        request(generation, other),
                        baseline.executor(stretches(generation.log()).getLast().kv()),
                        ofBaseline,
                        stop);
        return new Compared(report, executor.numericsId());
    }

    private static void requireSameToken(int id, ReplayedModel baseline, ReplayedModel other) {
        Optional<String> ours = baseline.tokenizer().token(id);
        Optional<String> theirs = other.tokenizer().token(id);
        if (!ours.equals(theirs)) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "token %d is %s to the generation's model and %s to the candidate"
                            .formatted(id, quoted(ours), quoted(theirs)));
        }
    }

    private static String quoted(Optional<String> token) {
        return token.map(text -> "'" + text + "'").orElse("unknown");
    }

    /// The tokens that one attempt has made.
    private record Stretch(int from, int to, int attempt, KvType kv) {}

    /// At least one, even of no tokens.
    private static List<Stretch> stretches(GenerationLog log) {
        List<ValidClaim> claims = log.claims();
        List<Stretch> stretches = new ArrayList<>();
        for (int i = 0; i < claims.size(); i++) {
            boolean last = i + 1 == claims.size();
            int from = claims.get(i).index();
            int to = last ? log.tokenCount() : claims.get(i + 1).index();
            if (from < to || last && stretches.isEmpty()) {
                stretches.add(
                        new Stretch(
                                from, to, i + 1, kv(claims.get(i).claim().numericsId(), i + 1)));
            }
        }
        return stretches;
    }

    private static KvType kv(String numericsId, int attempt) {
        return Arrays.stream(KvType.values())
                .filter(kv -> Numerics.quantized(kv).equals(numericsId))
                .findFirst()
                .orElseThrow(() ->
                        new EngineException(
                                Reason.UNSUPPORTED,
                                "attempt %d computed under %s; this processor computes %s"
                                        .formatted(
                                                attempt,
                                                numericsId,
                                                Arrays.stream(KvType.values())
                                                        .map(Numerics::quantized)
                                                        .collect(Collectors.joining(", ")))));
    }

    private static String describe(Difference difference, Stretch stretch, ReplayedModel model) {
        return "token %d, by attempt %d: the log holds %d %s, computed again it is %d %s"
                .formatted(
                        difference.index(),
                        stretch.attempt(),
                        difference.logged(),
                        quoted(model.tokenizer().token(difference.logged())),
                        difference.computed(),
                        quoted(model.tokenizer().token(difference.computed())));
    }

    /// Whether the tokens end where the log says, for the reason that it says, and have the hash
    /// that it says. Cancels, deadlines and failures come from outside of the model.
    ///
    /// @return what differs, or null
    private static String differenceOfEnds(
            GenerationLog log, GenerationRequest request, ReplayedModel model) {
        String hash =
                switch (log.end().orElse(null)) {
                    case GenerationFinished finished -> finished.tokenHash();
                    case GenerationFailed failed -> failed.tokenHash();
                    case GenerationCancelled cancelled -> cancelled.tokenHash();
                    case null -> null;
                };
        if (hash != null && !hash.equals(log.tokenHash())) {
            return "the tokens have the hash %s, the terminal event says %s"
                    .formatted(log.tokenHash(), hash);
        }
        Optional<Finish> computed = Replay.end(request, model.plan(), model.tokenizer());
        int tokens = request.doneIds().length;
        boolean early =
                computed.map(finish -> finish.statistics().completionTokens() < tokens)
                        .orElse(false);
        if (early) {
            return "the generation ends with token %d, the log goes on to %d"
                    .formatted(computed.get().statistics().completionTokens() - 1, tokens - 1);
        }
        if (log.end().orElse(null) instanceof GenerationFinished finished) {
            String reason =
                    computed.map(finish -> finish.reason().name().toLowerCase(Locale.ROOT))
                            .orElse("none");
            String stop = computed.map(Finish::stopSequence).orElse(null);
            if (!reason.equals(finished.reason())
                    || !Objects.equals(stop, finished.stopSequence())) {
                return "the log says that it ended by %s%s, computed again it is %s%s"
                        .formatted(
                                finished.reason(),
                                stopText(finished.stopSequence()),
                                reason,
                                stopText(stop));
            }
        }
        return null;
    }

    private static String stopText(String stop) {
        return stop == null ? "" : " '" + stop + "'";
    }

    private static GenerationRequest request(LoggedGeneration generation, ReplayedModel model) {
        GenerationStarted started = generation.log().started().orElseThrow();
        Parameters p = started.parameters();
        return new GenerationRequest(
                started.generationId(),
                model.encode(generation.prompt().orElseThrow(), generation.promptTime()),
                generation.log().tokens(),
                new SamplingParameters(
                        p.temperature(),
                        p.topK(),
                        p.topP(),
                        p.minP(),
                        p.repetitionPenalty(),
                        p.presencePenalty(),
                        p.frequencyPenalty(),
                        started.seed().bits()),
                p.maxTokens(),
                p.stop(),
                -1,
                0,
                false);
    }

    private CpuOptions options(Settings settings) {
        CpuOptions options = configured;
        if (settings.compute() != null) {
            options = options.withCompute(settings.compute());
        }
        if (settings.threads() == null) {
            return options;
        }
        try {
            return options.withThreads(settings.threads());
        } catch (IllegalArgumentException e) {
            throw new EngineException(Reason.PARAMETER_OUT_OF_RANGE, e.getMessage(), e);
        }
    }

    private ReplayedModel model(Path folder, String digest, CpuOptions options) {
        Key key = new Key(folder, digest, options);
        ReplayedModel model = open.remove(key);
        if (model == null) {
            while (open.size() >= MOST_OPEN) {
                open.pollFirstEntry().getValue().close();
            }
            model = ReplayedModel.open(folder, digest, options);
        }
        open.putLast(key, model);
        return model;
    }

    @Override
    public void release() {
        open.values().forEach(ReplayedModel::close);
        open.clear();
    }
}

package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.GenerationId;
import dev.tokenlog.contracts.ModelId;
import dev.tokenlog.contracts.PromptEvent;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenHash;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.contracts.UnsignedSeed;
import dev.tokenlog.engine.generation.GenerationSeed;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/// Reads prompts: what they ask for, under which name they are answered, or why they are refused. A
/// pure function of the record.
public final class PromptParser {

    /// Keys that begin alike for so long take turns as one.
    static final int MAX_FAIRNESS_KEY = 200;

    /// Stop texts, and characters in each.
    static final int MAX_STOPS = 16;

    static final int MAX_STOP_LENGTH = 256;

    /// Alternatives per token.
    static final int MAX_LOGPROBS = 20;

    /// Callers' headers are repeated with every token event: in bytes, all together.
    static final int MAX_CALLER_HEADERS = 8 << 10;

    private final WorkerSettings.PromptDefaults defaults;

    public PromptParser(WorkerSettings.PromptDefaults defaults) {
        this.defaults = defaults;
    }

    /// The name under which this record is answered, if it can be.
    public static Optional<String> generationId(PromptRecord record) {
        Optional<String> chosen = EventJson.textField(record.value(), "generation_id");
        if (chosen.isPresent() && GenerationId.refusal(chosen.get()).isEmpty()) {
            return chosen;
        }
        // A refused name never stands on the topic, where it could be taken for somebody else's.
        return isObject(record.value())
                ? Optional.of(GenerationId.assigned(record.partition(), record.offset()))
                : Optional.empty();
    }

    /// The hash by which a client knows whether the answer is to its own prompt.
    public static String bodyHash(PromptRecord record) {
        return TokenHash.ofBytes(record.value() == null ? new byte[0] : record.value());
    }

    private static boolean isObject(byte[] value) {
        try {
            EventJson.read(value, PromptEvent.class);
            return true;
        } catch (UnreadableEventException e) {
            return e.code() != ErrorCode.UNREADABLE;
        }
    }

    ParsedPrompt parse(PromptRecord record) {
        String hash = bodyHash(record);
        String id = generationId(record).orElse(null);
        PromptSubmitted prompt;
        try {
            prompt =
                    switch (EventJson.read(record.headers(), record.value(), PromptEvent.class)) {
                        case PromptSubmitted submitted -> submitted;
                    };
        } catch (UnreadableEventException e) {
            String modelId =
                    EventJson.textField(record.value(), "model_id")
                            .filter(ModelId::isValid)
                            .orElse(null);
            Refusal refusal = new Refusal(e.code(), e.getMessage(), true);
            return new ParsedPrompt(
                    id, hash, modelId, null, null, null, Optional.of(refusal), "", false);
        }
        Optional<Refusal> refusal =
                callersHeaders(record.headers())
                        .or(() -> chosenId(prompt))
                        .or(() -> modelId(prompt))
                        .or(() -> parameters(prompt));
        UnsignedSeed seed =
                prompt.seed() != null ? prompt.seed() : new UnsignedSeed(GenerationSeed.of(id));
        return new ParsedPrompt(
                id,
                hash,
                ModelId.isValid(prompt.modelId()) ? prompt.modelId() : null,
                prompt,
                refusal.isPresent() ? null : filledIn(prompt),
                seed,
                refusal,
                fairnessKey(prompt, record, id),
                callersHeaders(record.headers()).isEmpty());
    }

    /// The user, else the record's key, as far as it groups prompts: a key that is the generation's
    /// own id says nothing about who asks, and neither does none.
    private static String fairnessKey(PromptSubmitted prompt, PromptRecord record, String id) {
        String key = prompt.user();
        if (key == null && record.key() != null) {
            String ofRecord = new String(record.key(), StandardCharsets.UTF_8);
            key = ofRecord.equals(id) ? null : ofRecord;
        }
        return key == null ? "" : key.substring(0, Math.min(key.length(), MAX_FAIRNESS_KEY));
    }

    private static Optional<Refusal> callersHeaders(Headers headers) {
        long bytes = 0;
        for (Header header : headers) {
            if (EventHeaders.isPassed(header.key())) {
                bytes +=
                        header.key().length()
                                + (header.value() == null ? 0 : header.value().length);
            }
        }
        return bytes <= MAX_CALLER_HEADERS
                ? Optional.empty()
                : Optional.of(
                        new Refusal(
                                ErrorCode.TOO_LARGE,
                                "headers to be passed on have %d bytes, at most %d are allowed"
                                        .formatted(bytes, MAX_CALLER_HEADERS)));
    }

    private static Optional<Refusal> chosenId(PromptSubmitted prompt) {
        return Optional.ofNullable(prompt.generationId())
                .flatMap(GenerationId::refusal)
                .map(reason -> new Refusal(ErrorCode.INVALID_ID, reason, true));
    }

    private static Optional<Refusal> modelId(PromptSubmitted prompt) {
        return ModelId.isValid(prompt.modelId())
                ? Optional.empty()
                : Optional.of(
                        new Refusal(
                                ErrorCode.MODEL_UNKNOWN,
                                "model_id is empty, holds control characters or has more than %d characters"
                                        .formatted(ModelId.MAX_LENGTH)));
    }

    private static Optional<Refusal> parameters(PromptSubmitted p) {
        return outside("max_tokens", p.maxTokens(), 1, Integer.MAX_VALUE)
                .or(() -> outside("temperature", p.temperature(), 0, 2))
                .or(() -> outside("top_k", p.topK(), 0, Integer.MAX_VALUE))
                .or(() -> outside("top_p", p.topP(), Double.MIN_VALUE, 1))
                .or(() -> outside("min_p", p.minP(), 0, 1))
                .or(() -> outside("repetition_penalty", p.repetitionPenalty(), 0.1, 10))
                .or(() -> outside("presence_penalty", p.presencePenalty(), -2, 2))
                .or(() -> outside("frequency_penalty", p.frequencyPenalty(), -2, 2))
                .or(() -> outside("logprobs", p.logprobs(), 0, MAX_LOGPROBS))
                .or(() -> outside("deadline_ms", p.deadlineMs(), 1, Long.MAX_VALUE))
                .or(() -> stops(p.stop()));
    }

    private static Optional<Refusal> outside(String field, Number value, double from, double to) {
        if (value == null || (value.doubleValue() >= from && value.doubleValue() <= to)) {
            return Optional.empty();
        }
        return outOfRange(
                "%s is %s, allowed are %s to %s".formatted(field, value, plain(from), plain(to)));
    }

    /// A bound as a person writes it: `1`, not `1.0`.
    private static String plain(double bound) {
        if (bound == Double.MIN_VALUE) {
            return "more than 0";
        }
        return bound == Math.rint(bound) ? "%.0f".formatted(bound) : Double.toString(bound);
    }

    private static Optional<Refusal> stops(List<String> stops) {
        if (stops == null) {
            return Optional.empty();
        }
        if (stops.size() > MAX_STOPS) {
            return outOfRange(
                    "stop has %d texts, at most %d are allowed".formatted(stops.size(), MAX_STOPS));
        }
        for (String stop : stops) {
            if (stop == null || stop.isEmpty() || stop.length() > MAX_STOP_LENGTH) {
                return outOfRange(
                        "a text of stop is empty or has more than %d characters"
                                .formatted(MAX_STOP_LENGTH));
            }
        }
        return Optional.empty();
    }

    private static Optional<Refusal> outOfRange(String message) {
        return Optional.of(new Refusal(ErrorCode.PARAMETER_OUT_OF_RANGE, message));
    }

    private Parameters filledIn(PromptSubmitted p) {
        return new Parameters(
                or(p.maxTokens(), defaults.maxTokens()),
                or(p.temperature(), defaults.temperature()),
                or(p.topK(), defaults.topK()),
                or(p.topP(), defaults.topP()),
                or(p.minP(), 0.0),
                or(p.repetitionPenalty(), 1.0),
                or(p.presencePenalty(), 0.0),
                or(p.frequencyPenalty(), 0.0),
                or(p.stop(), List.of()),
                p.logprobs(),
                p.deadlineMs(),
                or(p.priority(), 0));
    }

    /// The parameters of a start that somebody else wrote: an older worker does not know every
    /// field, and what it did not know did nothing. Only a limit there must be.
    Parameters completed(Parameters logged) {
        return new Parameters(
                or(logged.maxTokens(), defaults.maxTokens()),
                or(logged.temperature(), 0.0),
                or(logged.topK(), 0),
                or(logged.topP(), 1.0),
                or(logged.minP(), 0.0),
                or(logged.repetitionPenalty(), 1.0),
                or(logged.presencePenalty(), 0.0),
                or(logged.frequencyPenalty(), 0.0),
                or(logged.stop(), List.of()),
                logged.logprobs(),
                logged.deadlineMs(),
                or(logged.priority(), 0));
    }

    private static <T> T or(T value, T otherwise) {
        return value != null ? value : otherwise;
    }
}

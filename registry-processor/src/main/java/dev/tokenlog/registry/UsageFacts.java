package dev.tokenlog.registry;

import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.GenerationId;
import dev.tokenlog.contracts.ModelId;
import dev.tokenlog.contracts.PromptEvent;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.Claim;
import dev.tokenlog.contracts.TokenEvent.GenerationCancelled;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.Terminal;
import dev.tokenlog.contracts.TokenEvent.Timings;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Reads the prompts and tokens of one partition and says what they mean for usage. Which claims
/// and ends count is decided as every reader decides it; the tokens themselves are passed over, by
/// their header. Prompts and tokens may come in any order of each other.
final class UsageFacts implements Processor<byte[], byte[], String, UsageFact> {

    private static final Logger LOG = LoggerFactory.getLogger(UsageFacts.class);

    /// As long as the same id means the same generation.
    static final Duration DEDUPE_WINDOW = Duration.ofHours(1);

    /// Longer than a worker would still begin it.
    static final Duration GIVEN_UP = Duration.ofHours(25);

    /// Of a partition that are kept: a prompt that is repeated after so many others is owed until
    /// it is given up.
    static final int MOST_ENDED = 20_000;

    private static final Duration FORGET_INTERVAL = Duration.ofMinutes(1);

    /// Where neither prompt nor start says: the worker's default.
    private static final int DEFAULT_TOKENS = 256;

    private static final int BYTES_PER_TOKEN = 3;

    private final String promptTopic;
    private ProcessorContext<String, UsageFact> context;
    private KeyValueStore<String, AskedGeneration> asked;

    UsageFacts(String prefix) {
        this.promptTopic = Topic.PROMPTS.name(prefix);
    }

    @Override
    public void init(ProcessorContext<String, UsageFact> processorContext) {
        context = processorContext;
        asked = context.getStateStore(UsageTopology.ASKED_STORE);
        context.schedule(FORGET_INTERVAL, PunctuationType.WALL_CLOCK_TIME, this::forget);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        RecordMetadata place =
                context.recordMetadata()
                        .orElseThrow(() -> new IllegalStateException("a record without a place"));
        try {
            if (place.topic().equals(promptTopic)) {
                prompt(record, place);
            } else if (!isTokens(record)) {
                token(record);
            }
        } catch (UnreadableEventException e) {
            // The worker answers it, with a dead letter; nothing is owed for it.
            LOG.debug(
                    "no usage topic={} partition={} offset={}: {}",
                    place.topic(),
                    place.partition(),
                    place.offset(),
                    e.getMessage());
        }
    }

    private static boolean isTokens(Record<byte[], byte[]> record) {
        return EventHeaders.text(record.headers(), EventHeaders.TYPE)
                .filter(TokensGenerated.class.getSimpleName()::equals)
                .isPresent();
    }

    private void prompt(Record<byte[], byte[]> record, RecordMetadata place)
            throws UnreadableEventException {
        PromptSubmitted prompt =
                switch (EventJson.read(record.headers(), record.value(), PromptEvent.class)) {
                    case PromptSubmitted submitted -> submitted;
                };
        if (!ModelId.isValid(prompt.modelId())) {
            // The worker refuses it. A name without limit would not fit into a record of usage.
            return;
        }
        String id =
                Objects.requireNonNullElseGet(
                        prompt.generationId(),
                        () -> GenerationId.assigned(place.partition(), place.offset()));
        AskedGeneration known = asked.get(id);
        boolean repeated =
                known != null
                        && !(known.ended()
                                && record.timestamp() - known.at() > DEDUPE_WINDOW.toMillis());
        if (repeated) {
            return;
        }
        long tokens =
                record.value().length / BYTES_PER_TOKEN
                        + (long) Objects.requireNonNullElse(prompt.maxTokens(), DEFAULT_TOKENS);
        asked.put(id, new AskedGeneration(prompt.modelId(), tokens, record.timestamp(), 0, false));
        tell(prompt.modelId(), UsageFact.debt(tokens), record.timestamp());
    }

    private void token(Record<byte[], byte[]> record) throws UnreadableEventException {
        TokenEvent event = EventJson.read(record.headers(), record.value(), TokenEvent.class);
        AskedGeneration known =
                Objects.requireNonNullElseGet(
                        asked.get(event.generationId()),
                        () -> new AskedGeneration(null, 0, record.timestamp(), 0, false));
        switch (event) {
            case Claim claim -> claimed(known, claim, record.timestamp());
            case Terminal end -> ended(known, end, record.timestamp());
            case TokensGenerated _ -> {}
        }
    }

    private void claimed(AskedGeneration known, Claim claim, long now) {
        if (known.ended() || claim.attempt() != known.attempt() + 1) {
            return;
        }
        String model = known.modelId();
        long tokens = known.tokens();
        if (model == null && claim instanceof GenerationStarted started) {
            // Its prompt has not been read here yet, and will not count when it is.
            model = started.modelId();
            tokens =
                    started.parameters() == null || started.parameters().maxTokens() == null
                            ? 0
                            : started.parameters().maxTokens();
            tell(model, UsageFact.debt(tokens), now);
        }
        asked.put(claim.generationId(), known.claimed(model, tokens, now));
    }

    private void ended(AskedGeneration known, Terminal end, long now) {
        if (known.ended() || end.attempt() != known.attempt() || end.attempt() < 1) {
            return;
        }
        asked.put(end.generationId(), known.end(now));
        tell(known.modelId(), UsageFact.ended(known.tokens(), end, timings(end)), now);
    }

    private static Timings timings(Terminal end) {
        return switch (end) {
            case GenerationFinished finished -> finished.timings();
            // Latencies are those of answers.
            case GenerationFailed _, GenerationCancelled _ -> null;
        };
    }

    private void tell(String modelId, UsageFact fact, long time) {
        if (modelId != null) {
            context.forward(new Record<>(modelId, fact, time));
        }
    }

    private void forget(long now) {
        List<KeyValue<String, AskedGeneration>> old = new ArrayList<>();
        List<KeyValue<String, AskedGeneration>> ended = new ArrayList<>();
        try (KeyValueIterator<String, AskedGeneration> all = asked.all()) {
            all.forEachRemaining(entry -> {
                Duration kept = entry.value.ended() ? DEDUPE_WINDOW : GIVEN_UP;
                if (now - entry.value.at() > kept.toMillis()) {
                    old.add(entry);
                } else if (entry.value.ended()) {
                    ended.add(entry);
                }
            });
        }
        if (ended.size() > MOST_ENDED) {
            ended.sort(Comparator.comparingLong(entry -> entry.value.at()));
            old.addAll(ended.subList(0, ended.size() - MOST_ENDED));
        }
        for (KeyValue<String, AskedGeneration> entry : old) {
            asked.delete(entry.key);
            if (!entry.value.ended()) {
                tell(entry.value.modelId(), UsageFact.debt(-entry.value.tokens()), now);
            }
        }
    }
}

package dev.tokenlog.contracts;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/// Every topic: the one place for names, keys, payloads, partitions, retention and limits.
///
/// Records of all topics are stamped by the broker (`LogAppendTime`): deadlines, `max-age` and
/// look-ups by time are meant in append time, and a client's wrong clock must not decide what is
/// kept.
public enum Topic {
    CONVERSION_REQUESTS(
            "conversion-requests",
            "conversion id",
            ConversionRequest.class,
            Spread.ONE_PARTITION,
            Kept.DAYS_7),
    CONVERSION_EVENTS(
            "conversion-events",
            "conversion id",
            ConversionEvent.class,
            Spread.ONE_PARTITION,
            Kept.FOR_EVER),
    MODEL_MANIFESTS(
            "model-manifests",
            "model id",
            ModelManifest.class,
            Spread.ONE_PARTITION,
            Kept.LATEST_PER_KEY),
    VALIDATION_REQUESTS(
            "validation-requests",
            "model id",
            ValidationRequest.class,
            Spread.ONE_PARTITION,
            Kept.DAYS_7),
    ACCURACY_METRICS(
            "accuracy-metrics",
            "model id",
            AccuracyEvent.class,
            Spread.ONE_PARTITION,
            Kept.FOR_EVER),
    REGISTRY_COMMANDS(
            "registry-commands",
            "model id",
            RegistryCommand.class,
            Spread.ONE_PARTITION,
            Kept.FOR_EVER),
    MODEL_REGISTRY(
            "model-registry",
            "model id",
            ModelServing.class,
            Spread.ONE_PARTITION,
            Kept.LATEST_PER_KEY),
    USAGE(
            "usage",
            "model id and window",
            Usage.class,
            Spread.ONE_PARTITION,
            Kept.LATEST_PER_KEY_DAYS_30),
    PROMPTS(
            "prompts",
            "conversation id, else generation id",
            PromptEvent.class,
            Spread.CONFIGURED,
            Kept.DAYS_7),
    GENERATION_CONTROLS(
            "generation-controls",
            "generation id",
            ControlEvent.class,
            Spread.ONE_PARTITION,
            Kept.DAYS_7),
    TOKENS("tokens", "generation id", TokenEvent.class, Spread.CONFIGURED, Kept.DAYS_7),
    WORKER_EVENTS(
            "worker-events",
            "worker id",
            WorkerEvent.class,
            Spread.ONE_PARTITION,
            Kept.LATEST_PER_KEY_DAY),
    /// Holds the original bytes, not an event: see [DeadLetter].
    DEAD_LETTERS("dead-letters", "original key", null, Spread.ONE_PARTITION, Kept.DAYS_30);

    /// The largest record that [#PROMPTS] takes, in bytes.
    public static final int PROMPT_LIMIT = 1 << 20;

    /// The largest record that [#DEAD_LETTERS] takes, in bytes: a whole prompt and what is said
    /// about it.
    public static final int DEAD_LETTER_LIMIT = 2 << 20;

    /// How a topic is cut into partitions. Clients hash keys differently (Java murmur2, librdkafka
    /// CRC32), so order among a key's records holds only where there is one partition, or where the
    /// writer names the partition, as it does on `tokens`.
    public enum Spread {
        ONE_PARTITION,
        /// As many as the operator asks for; `prompts` and `tokens` always alike.
        CONFIGURED
    }

    /// What the broker deletes, and when.
    public enum Kept {
        DAYS_7("delete", Duration.ofDays(7)),
        DAYS_30("delete", Duration.ofDays(30)),
        FOR_EVER("delete", null),
        LATEST_PER_KEY("compact", null),
        /// Who says nothing for a day is forgotten: keys are those of processes, and some die.
        LATEST_PER_KEY_DAY("compact,delete", Duration.ofDays(1)),
        LATEST_PER_KEY_DAYS_30("compact,delete", Duration.ofDays(30));

        private final String cleanupPolicy;
        private final Duration retention;

        Kept(String cleanupPolicy, Duration retention) {
            this.cleanupPolicy = cleanupPolicy;
            this.retention = retention;
        }

        public String cleanupPolicy() {
            return cleanupPolicy;
        }

        /// Empty: not limited by age.
        public Optional<Duration> retention() {
            return Optional.ofNullable(retention);
        }
    }

    private final String baseName;
    private final String key;
    private final Class<? extends Event> payload;
    private final Spread spread;
    private final Kept kept;

    Topic(String baseName, String key, Class<? extends Event> payload, Spread spread, Kept kept) {
        this.baseName = baseName;
        this.key = key;
        this.payload = payload;
        this.spread = spread;
        this.kept = kept;
    }

    /// The name on a cluster where topics have this prefix (which may be empty).
    public String name(String prefix) {
        return prefix + baseName;
    }

    /// The name without a prefix.
    public String baseName() {
        return baseName;
    }

    /// What stands as key, in words.
    public String key() {
        return key;
    }

    /// The sealed interface, or the record, of its events; empty on [#DEAD_LETTERS].
    public Optional<Class<? extends Event>> payload() {
        return Optional.ofNullable(payload);
    }

    public Spread spread() {
        return spread;
    }

    /// The number of partitions on a cluster for which the operator chose `configured`.
    public int partitions(int configured) {
        return switch (spread) {
            case ONE_PARTITION -> 1;
            case CONFIGURED -> configured;
        };
    }

    public Kept kept() {
        return kept;
    }

    /// `max.message.bytes`; empty where the broker's own limit will do.
    public OptionalInt recordLimit() {
        return switch (this) {
            case PROMPTS -> OptionalInt.of(PROMPT_LIMIT);
            case DEAD_LETTERS -> OptionalInt.of(DEAD_LETTER_LIMIT);
            case CONVERSION_REQUESTS,
                    CONVERSION_EVENTS,
                    MODEL_MANIFESTS,
                    VALIDATION_REQUESTS,
                    ACCURACY_METRICS,
                    REGISTRY_COMMANDS,
                    MODEL_REGISTRY,
                    USAGE,
                    GENERATION_CONTROLS,
                    TOKENS,
                    WORKER_EVENTS ->
                    OptionalInt.empty();
        };
    }

    /// The topic's settings, by the names that Kafka gives them.
    public Map<String, String> settings() {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("cleanup.policy", kept.cleanupPolicy());
        kept.retention()
                .ifPresentOrElse(
                        age -> settings.put("retention.ms", Long.toString(age.toMillis())),
                        () -> settings.put("retention.ms", "-1"));
        if (kept == Kept.LATEST_PER_KEY_DAY) {
            // Nothing is deleted from the segment that is written to, and somebody always writes.
            settings.put("segment.ms", Long.toString(Duration.ofHours(6).toMillis()));
        }
        settings.put("message.timestamp.type", "LogAppendTime");
        recordLimit()
                .ifPresent(limit -> settings.put("max.message.bytes", Integer.toString(limit)));
        return settings;
    }
}

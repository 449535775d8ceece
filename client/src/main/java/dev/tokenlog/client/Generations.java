package dev.tokenlog.client;

import dev.tokenlog.contracts.ControlEvent.CancelRequested;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.GenerationId;
import dev.tokenlog.contracts.GenerationLog;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.Claim;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenHash;
import dev.tokenlog.contracts.Topic;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.utils.Utils;

/// Prompts out, tokens in.
final class Generations {

    /// What a batch of one record adds to key, value and headers, at most, in bytes.
    private static final int RECORD_OVERHEAD = 128;

    /// A stream that is further behind than this many records gets a consumer of its own, so that
    /// live streams do not wait while it catches up.
    private static final long NEAR = 1_000;

    private final Cluster cluster;

    Generations(Cluster cluster) {
        this.cluster = cluster;
    }

    /// A prompt that is ready to be sent, and where its generation will be found.
    private record Ready(
            ProducerRecord<byte[], byte[]> record, GenerationHandle handle, boolean near) {}

    GenerationHandle submit(PromptSubmitted prompt, Map<String, String> headers) {
        Ready ready = prepare(prompt, headers);
        cluster.append(ready.record());
        return ready.handle();
    }

    /// Begins to read before the prompt is sent, so that its first token finds the reader waiting.
    GenerationStream generate(PromptSubmitted prompt, Map<String, String> headers) {
        Ready ready = prepare(prompt, headers);
        GenerationStream stream = open(ready.handle(), ready.near());
        try {
            cluster.append(ready.record());
        } catch (TokenlogException e) {
            stream.close();
            throw e;
        }
        return stream;
    }

    private Ready prepare(PromptSubmitted asked, Map<String, String> headers) {
        boolean chosen = asked.generationId() != null;
        PromptSubmitted prompt = chosen ? asked : asked.withGenerationId(GenerationId.random());
        String id = prompt.generationId();
        GenerationId.refusal(id)
                .ifPresent(reason -> {
                    throw TokenlogException.refused(ErrorCode.INVALID_ID, reason);
                });
        byte[] key = bytes(prompt.conversationId() == null ? id : prompt.conversationId());
        byte[] body = EventJson.write(prompt);
        int partition = Utils.toPositive(Utils.murmur2(key)) % cluster.partitionsOf(Topic.PROMPTS);
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(cluster.name(Topic.PROMPTS), partition, key, body);
        EventHeaders.describe(prompt, record.headers());
        headers.forEach((name, text) -> EventHeaders.set(record.headers(), name, text));

        // Noted before the prompt is sent: its first claim cannot stand before it. An id that the
        // caller chose may have been sent before, so its beginning is looked for further back.
        TopicPartition tokens = tokens(partition);
        Map<TopicPartition, Long> from =
                chosen
                        ? cluster.since(
                                List.of(tokens), Instant.now().minus(cluster.options().lookBack()))
                        : cluster.ends(List.of(tokens));
        EventHeaders.set(record.headers(), EventHeaders.TOKENS_FROM, from.get(tokens).toString());
        refuseTooLarge(record);
        GenerationHandle handle =
                new GenerationHandle(
                        id, partition, from.get(tokens), Optional.of(TokenHash.ofBytes(body)));
        return new Ready(record, handle, !chosen || isNear(handle));
    }

    private TopicPartition tokens(int partition) {
        return new TopicPartition(cluster.name(Topic.TOKENS), partition);
    }

    private boolean isNear(GenerationHandle handle) {
        TopicPartition tokens = tokens(handle.partition());
        return cluster.ends(List.of(tokens)).get(tokens) - handle.tokensOffset() <= NEAR;
    }

    private static void refuseTooLarge(ProducerRecord<byte[], byte[]> record) {
        long size = RECORD_OVERHEAD + (long) record.key().length + record.value().length;
        for (Header header : record.headers()) {
            size += header.key().length() + header.value().length + 16L;
        }
        if (size > Topic.PROMPT_LIMIT) {
            throw TokenlogException.refused(
                    ErrorCode.TOO_LARGE,
                    "the prompt takes %d bytes with its headers, at most %d are allowed"
                            .formatted(size, Topic.PROMPT_LIMIT));
        }
    }

    GenerationStream stream(GenerationHandle handle) {
        if (handle.partition() < 0 || handle.partition() >= cluster.partitionsOf(Topic.TOKENS)) {
            throw new IllegalArgumentException(
                    "%s has no partition %d"
                            .formatted(cluster.name(Topic.TOKENS), handle.partition()));
        }
        return open(handle, isNear(handle));
    }

    private GenerationStream open(GenerationHandle handle, boolean near) {
        Feed<GenerationUpdate> feed = new Feed<>();
        Map<TopicPartition, Long> from = Map.of(tokens(handle.partition()), handle.tokensOffset());
        GenerationFollower follower = new GenerationFollower(handle, feed);
        Source source =
                near ? cluster.followLive(from, follower) : cluster.followAlone(from, follower);
        return new GenerationStream(handle, feed, source);
    }

    /// Searches for a generation that somebody else asked for: first its claim in `tokens`, then
    /// its prompt in `prompts`.
    Optional<GenerationHandle> find(String id) {
        List<TopicPartition> everywhere = cluster.all(Topic.TOKENS);
        Map<TopicPartition, Long> ends = cluster.ends(everywhere);
        Map<Integer, GenerationHandle> claimed = new HashMap<>();
        cluster.scan(
                cluster.beginnings(everywhere),
                ends,
                record ->
                        record.event(TokenEvent.class)
                                .filter(event -> event.generationId().equals(id))
                                .filter(event -> event instanceof Claim && event.attempt() == 1)
                                .ifPresent(_ ->
                                        claimed.putIfAbsent(record.partition(), at(id, record))));
        if (!claimed.isEmpty()) {
            return first(claimed.values());
        }
        Map<Integer, GenerationHandle> asked = new HashMap<>();
        cluster.scan(
                List.of(Topic.PROMPTS),
                record -> {
                    if (isPrompt(record, id)) {
                        TopicPartition tokens =
                                new TopicPartition(cluster.name(Topic.TOKENS), record.partition());
                        asked.putIfAbsent(
                                record.partition(),
                                new GenerationHandle(
                                        id,
                                        record.partition(),
                                        ends.get(tokens),
                                        Optional.empty()));
                    }
                });
        return first(asked.values());
    }

    /// The generations whose first claim was appended at or after this time, in the order of their
    /// claims.
    ///
    /// @param wanted which ids
    List<PastGeneration> past(Instant since, Predicate<String> wanted) {
        List<TopicPartition> everywhere = cluster.all(Topic.TOKENS);
        Map<List<Object>, Folded> folded = new LinkedHashMap<>();
        cluster.scan(
                cluster.since(everywhere, since),
                cluster.ends(everywhere),
                record ->
                        record.event(TokenEvent.class)
                                .filter(event -> wanted.test(event.generationId()))
                                .ifPresent(event ->
                                        folded.computeIfAbsent(
                                                        List.of(
                                                                event.generationId(),
                                                                record.partition(),
                                                                event.promptOffset()),
                                                        _ -> new Folded(event))
                                                .apply(record, event)));
        return folded.values().stream()
                .filter(each -> each.log.started().isPresent())
                .map(Folded::generation)
                .sorted(Comparator.comparing(PastGeneration::startedAt))
                .toList();
    }

    private static final class Folded {
        private final GenerationLog log;
        private int partition;
        private Instant startedAt;

        Folded(TokenEvent event) {
            log = new GenerationLog(event.generationId(), event.promptOffset());
        }

        void apply(LogRecord record, TokenEvent event) {
            partition = record.partition();
            log.apply(record.offset(), event);
            if (startedAt == null && log.started().isPresent()) {
                startedAt = record.timestamp();
            }
        }

        PastGeneration generation() {
            GenerationStarted started = log.started().orElseThrow();
            return new PastGeneration(
                    started.generationId(),
                    partition,
                    log.promptOffset(),
                    started.modelId(),
                    started.modelDigest(),
                    startedAt,
                    log.tokenCount(),
                    log.ended());
        }
    }

    private static GenerationHandle at(String id, LogRecord claim) {
        return new GenerationHandle(id, claim.partition(), claim.offset(), Optional.empty());
    }

    private static Optional<GenerationHandle> first(Collection<GenerationHandle> found) {
        return found.stream().findFirst();
    }

    /// Whether a record of `prompts` asks for the generation of this id.
    static boolean isPrompt(LogRecord record, String id) {
        return isPrompt(record.raw().value(), record.partition(), record.offset(), id);
    }

    /// @param partition of the prompt
    /// @param offset of the prompt
    static boolean isPrompt(byte[] value, int partition, long offset, String id) {
        Optional<String> chosen = EventJson.textField(value, "generation_id");
        return id.equals(chosen.orElseGet(() -> GenerationId.assigned(partition, offset)));
    }

    void cancel(String id, String reason) {
        cluster.append(
                Topic.GENERATION_CONTROLS,
                id,
                new CancelRequested(id, reason, cluster.options().requestedBy()));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}

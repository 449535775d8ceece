package dev.tokenlog.contracts;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/// A record of [Topic#DEAD_LETTERS]: key and value are the original's, byte for byte; what is said
/// about it stands in headers. The original's other headers are kept.
///
/// @param topic the original's topic, with its prefix
/// @param reason why it was given up
/// @param message the reason in words; may be empty
/// @param attempt how many attempts there were; 0 where there was none
public record DeadLetter(
        String topic, int partition, long offset, ErrorCode reason, String message, int attempt) {

    public static final String TOPIC = "topic";
    public static final String PARTITION = "partition";
    public static final String OFFSET = "offset";
    public static final String REASON = "reason";
    public static final String MESSAGE = "message";
    public static final String ATTEMPT = "attempt";

    /// Header of a record that was sent again: partition and offset of its dead letter, with a
    /// dash. Begins like callers' headers, so that token events carry it too.
    public static final String RESENT = "x-tokenlog-resent";

    private static final Set<String> OURS =
            Set.of(TOPIC, PARTITION, OFFSET, REASON, MESSAGE, ATTEMPT);

    public static DeadLetter of(
            ConsumerRecord<?, ?> original, ErrorCode reason, String message, int attempt) {
        return new DeadLetter(
                original.topic(),
                original.partition(),
                original.offset(),
                reason,
                message,
                attempt);
    }

    /// The record that reports it.
    ///
    /// @param key of the original, or null
    /// @param value of the original, or null where there is none (a gap in the log)
    /// @param headers of the original
    public ProducerRecord<byte[], byte[]> record(
            String prefix, byte[] key, byte[] value, Headers headers) {
        ProducerRecord<byte[], byte[]> letter =
                new ProducerRecord<>(Topic.DEAD_LETTERS.name(prefix), key, value);
        for (Header header : headers) {
            if (!OURS.contains(header.key())) {
                letter.headers().add(header);
            }
        }
        set(letter.headers(), TOPIC, topic);
        set(letter.headers(), PARTITION, Integer.toString(partition));
        set(letter.headers(), OFFSET, Long.toString(offset));
        set(letter.headers(), REASON, reason.name());
        set(letter.headers(), MESSAGE, message);
        set(letter.headers(), ATTEMPT, Integer.toString(attempt));
        return letter;
    }

    /// The headers of a dead letter that are its original's.
    public static List<Header> original(Headers headers) {
        return Arrays.stream(headers.toArray())
                .filter(header -> !OURS.contains(header.key()))
                .toList();
    }

    /// What a record of the topic says; empty if its headers are not those of a dead letter.
    public static Optional<DeadLetter> of(Headers headers) {
        try {
            return Optional.of(
                    new DeadLetter(
                            text(headers, TOPIC),
                            Integer.parseInt(text(headers, PARTITION)),
                            Long.parseLong(text(headers, OFFSET)),
                            reason(text(headers, REASON)),
                            EventHeaders.text(headers, MESSAGE).orElse(""),
                            Integer.parseInt(EventHeaders.text(headers, ATTEMPT).orElse("0"))));
        } catch (IllegalArgumentException otherwise) {
            return Optional.empty();
        }
    }

    private static ErrorCode reason(String name) {
        for (ErrorCode code : ErrorCode.values()) {
            if (code.name().equals(name)) {
                return code;
            }
        }
        return ErrorCode.UNRECOGNIZED;
    }

    private static String text(Headers headers, String name) {
        return EventHeaders.text(headers, name)
                .orElseThrow(() -> new IllegalArgumentException("no header " + name));
    }

    private static void set(Headers headers, String name, String text) {
        headers.add(name, text.getBytes(StandardCharsets.UTF_8));
    }
}

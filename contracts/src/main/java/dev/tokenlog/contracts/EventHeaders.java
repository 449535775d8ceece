package dev.tokenlog.contracts;

import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/// The record headers that every event carries, and those of callers that are passed on.
public final class EventHeaders {

    /// The event's type, as in the body.
    public static final String TYPE = "type";

    /// The version of the type's schema, a decimal number.
    public static final String SCHEMA_VERSION = "schema-version";

    /// W3C trace context.
    public static final String TRACEPARENT = "traceparent";

    /// What callers' own headers begin with: passed from a prompt to its tokens.
    public static final String CALLER_PREFIX = "x-";

    /// Of a prompt: the offset in its partition of `tokens` before which none of its events stands,
    /// noted before it was sent. Where the log has been cut behind a prompt that waited, a worker
    /// knows by it that nothing is missing.
    public static final String TOKENS_FROM = "tokens-from";

    private EventHeaders() {}

    /// Sets `type` and `schema-version` of an event.
    public static void describe(Event event, Headers headers) {
        set(headers, TYPE, event.type());
        set(headers, SCHEMA_VERSION, Integer.toString(EventJson.SCHEMA_VERSION));
    }

    /// Passes `traceparent` and the caller's `x-` headers on.
    public static void pass(Headers from, Headers to) {
        for (Header header : from) {
            if (isPassed(header.key())) {
                to.add(header);
            }
        }
    }

    public static boolean isPassed(String name) {
        return name.equals(TRACEPARENT) || name.toLowerCase(Locale.ROOT).startsWith(CALLER_PREFIX);
    }

    /// The text of the last header of this name.
    public static Optional<String> text(Headers headers, String name) {
        Header header = headers.lastHeader(name);
        return header == null || header.value() == null
                ? Optional.empty()
                : Optional.of(new String(header.value(), StandardCharsets.UTF_8));
    }

    /// The number in the last header of this name; empty where it is none.
    public static OptionalLong number(Headers headers, String name) {
        return text(headers, name)
                .filter(text -> text.matches("\\d{1,18}"))
                .map(text -> OptionalLong.of(Long.parseLong(text)))
                .orElse(OptionalLong.empty());
    }

    public static void set(Headers headers, String name, String text) {
        headers.remove(name);
        headers.add(name, text.getBytes(StandardCharsets.UTF_8));
    }
}

package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.InputCoercionException;
import com.fasterxml.jackson.core.exc.StreamReadException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.cfg.CoercionAction;
import com.fasterxml.jackson.databind.cfg.CoercionInputShape;
import com.fasterxml.jackson.databind.exc.InvalidTypeIdException;
import com.fasterxml.jackson.databind.exc.MismatchedInputException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.type.LogicalType;
import java.io.IOException;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.kafka.common.header.Headers;

/// Events as JSON: UTF-8, snake_case names, `type` first, absent in place of null.
///
/// Reading is strict about what is there (a string is no number, a fraction no integer, a required
/// field is required) and ignores what it does not know, so that older readers survive newer
/// writers. Whatever the bytes are, reading ends in an event or in an [UnreadableEventException].
public final class EventJson {

    /// The version that stands in the header `schema-version`. Fields that are added do not change
    /// it: readers ignore what they do not know, and a breaking change is a new topic.
    public static final int SCHEMA_VERSION = 1;

    /// How deep arrays and objects may nest.
    public static final int MAX_DEPTH = 64;

    /// The longest value that is read, in bytes: no topic takes more.
    public static final int MAX_BYTES = Topic.DEAD_LETTER_LIMIT;

    private static final ObjectMapper MAPPER = mapper();

    private EventJson() {}

    private static ObjectMapper mapper() {
        JsonFactory factory =
                JsonFactory.builder()
                        .streamReadConstraints(
                                StreamReadConstraints.builder()
                                        .maxNestingDepth(MAX_DEPTH)
                                        .maxNumberLength(100)
                                        .maxNameLength(1_000)
                                        .maxStringLength(MAX_BYTES)
                                        .build())
                        .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                        .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                        // Field names come from strangers: interning them would fill a global
                        // table.
                        .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                        .build();
        JsonMapper.Builder builder =
                JsonMapper.builder(factory)
                        .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                        .serializationInclusion(JsonInclude.Include.NON_NULL)
                        .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
                        .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                        .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
                        .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                        .enable(DeserializationFeature.FAIL_ON_NUMBERS_FOR_ENUMS)
                        .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                        .enable(DeserializationFeature.READ_UNKNOWN_ENUM_VALUES_USING_DEFAULT_VALUE)
                        .addModule(new StrictScalars());
        for (CoercionInputShape shape :
                List.of(
                        CoercionInputShape.Boolean,
                        CoercionInputShape.Integer,
                        CoercionInputShape.Float)) {
            builder.withCoercionConfig(
                    LogicalType.Textual, config -> config.setCoercion(shape, CoercionAction.Fail));
        }
        builder.withCoercionConfigDefaults(config ->
                config.setCoercion(CoercionInputShape.EmptyString, CoercionAction.Fail)
                        .setCoercion(CoercionInputShape.EmptyArray, CoercionAction.Fail));
        return builder.build();
    }

    /// The event as the value of a record.
    ///
    /// @throws IllegalArgumentException if it lacks a required field, or holds a number that is not
    ///   finite or half of a surrogate pair, none of which JSON can carry
    public static byte[] write(Event event) {
        RequiredFields.firstMissing((Record) event)
                .ifPresent(field -> {
                    throw new IllegalArgumentException(
                            event.type() + " lacks the required field " + field);
                });
        try {
            return MAPPER.writeValueAsBytes(event);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(
                    event.type() + " cannot be written: " + e.getOriginalMessage(), e);
        }
    }

    /// The event in a record's value.
    ///
    /// @param payload the sealed interface of a topic, or the record of a topic that has only one
    public static <E extends Event> E read(byte[] value, Class<E> payload)
            throws UnreadableEventException {
        if (value == null) {
            throw new UnreadableEventException(
                    ErrorCode.UNREADABLE, "the record has no value (a tombstone)");
        }
        if (value.length > MAX_BYTES) {
            throw new UnreadableEventException(
                    ErrorCode.UNREADABLE,
                    "%d bytes, at most %d are read".formatted(value.length, MAX_BYTES));
        }
        requireUtf8(value);
        E event;
        try {
            requireObject(value);
            event = parse(value, payload);
        } catch (IOException e) {
            throw refusal(e, payload);
        }
        Optional<String> missing = RequiredFields.firstMissing((Record) event);
        if (missing.isPresent()) {
            throw new UnreadableEventException(
                    ErrorCode.INVALID_SHAPE,
                    event.type() + " lacks the required field " + missing.get());
        }
        return event;
    }

    /// A missing `type` on `prompts` is that of the one thing that people type by hand.
    private static <E extends Event> E parse(byte[] value, Class<E> payload) throws IOException {
        try {
            return MAPPER.readValue(value, payload);
        } catch (InvalidTypeIdException e) {
            if (e.getTypeId() == null && payload == PromptEvent.class) {
                return payload.cast(MAPPER.readValue(value, PromptEvent.PromptSubmitted.class));
            }
            throw e;
        }
    }

    /// The same, held against the record's headers where they are present: a `schema-version` from
    /// the future and a `type` other than the body's are refused.
    public static <E extends Event> E read(Headers headers, byte[] value, Class<E> payload)
            throws UnreadableEventException {
        Optional<String> version = EventHeaders.text(headers, EventHeaders.SCHEMA_VERSION);
        if (version.isPresent() && !version.get().equals(Integer.toString(SCHEMA_VERSION))) {
            throw new UnreadableEventException(
                    ErrorCode.UNKNOWN_VERSION,
                    "header schema-version is %s, this reader knows %d"
                            .formatted(shortened(version.get()), SCHEMA_VERSION));
        }
        E event = read(value, payload);
        Optional<String> type = EventHeaders.text(headers, EventHeaders.TYPE);
        if (type.isPresent() && !type.get().equals(event.type())) {
            throw new UnreadableEventException(
                    ErrorCode.INVALID_SHAPE,
                    "header type is %s, the body's type is %s"
                            .formatted(shortened(type.get()), event.type()));
        }
        return event;
    }

    /// The text of a top-level field, if the value is an object that has it: how a refusal finds
    /// the id to answer under when the rest has another shape. Never throws.
    public static Optional<String> textField(byte[] value, String field) {
        if (value == null || value.length > MAX_BYTES) {
            return Optional.empty();
        }
        Optional<String> found = Optional.empty();
        try (JsonParser parser = MAPPER.createParser(value)) {
            requireUtf8(value);
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return Optional.empty();
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean wanted = parser.currentName().equals(field);
                if (parser.nextToken() == JsonToken.VALUE_STRING && wanted) {
                    found = Optional.of(parser.getText());
                }
                parser.skipChildren();
            }
            // To the end: an id out of broken JSON is not to be trusted.
            return parser.nextToken() == null
                    ? found.filter(StrictScalars::isWhole)
                    : Optional.empty();
        } catch (IOException | UnreadableEventException unreadable) {
            return Optional.empty();
        }
    }

    /// JSON also comes in UTF-16 and UTF-32, which the parser would detect and read; events do not.
    private static void requireUtf8(byte[] value) throws UnreadableEventException {
        for (int i = 0; i < Math.min(4, value.length); i++) {
            int b = value[i] & 0xff;
            if (b == 0 || b >= 0xef) {
                throw new UnreadableEventException(
                        ErrorCode.UNREADABLE, "no UTF-8 JSON: byte %d is 0x%02x".formatted(i, b));
            }
        }
    }

    private static void requireObject(byte[] value) throws IOException, UnreadableEventException {
        try (JsonParser parser = MAPPER.createParser(value)) {
            JsonToken first = parser.nextToken();
            if (first == null) {
                throw new UnreadableEventException(ErrorCode.UNREADABLE, "the value is empty");
            }
            if (first != JsonToken.START_OBJECT) {
                throw new UnreadableEventException(
                        ErrorCode.INVALID_SHAPE, "a JSON object is expected, found " + first);
            }
        }
    }

    private static UnreadableEventException refusal(IOException e, Class<?> payload) {
        return switch (e) {
            case InvalidTypeIdException unknown when unknown.getTypeId() != null ->
                    new UnreadableEventException(
                            ErrorCode.UNKNOWN_VERSION,
                            "unknown type %s, expected one of %s"
                                    .formatted(shortened(unknown.getTypeId()), typesOf(payload)),
                            unknown);
            case InvalidTypeIdException missing ->
                    new UnreadableEventException(
                            ErrorCode.INVALID_SHAPE,
                            "the field type is missing, expected one of " + typesOf(payload),
                            missing);
            case InputCoercionException beyond ->
                    new UnreadableEventException(
                            ErrorCode.PARAMETER_OUT_OF_RANGE,
                            shortened(beyond.getOriginalMessage()),
                            beyond);
            case StreamReadException broken ->
                    new UnreadableEventException(
                            ErrorCode.UNREADABLE,
                            "no JSON: " + shortened(broken.getOriginalMessage()),
                            broken);
            case JsonMappingException shape -> shapeRefusal(shape);
            default -> new UnreadableEventException(ErrorCode.UNREADABLE, "no JSON: " + e, e);
        };
    }

    /// Databind wraps what the parser or a record's constructor throws in the middle of a value.
    private static UnreadableEventException shapeRefusal(JsonMappingException shape) {
        String where = path(shape);
        return switch (shape.getCause()) {
            case InputCoercionException beyond ->
                    new UnreadableEventException(
                            ErrorCode.PARAMETER_OUT_OF_RANGE,
                            where + shortened(beyond.getOriginalMessage()),
                            shape);
            case StreamReadException broken ->
                    new UnreadableEventException(
                            ErrorCode.UNREADABLE,
                            "no JSON: " + where + shortened(broken.getOriginalMessage()),
                            shape);
            case NumberOutOfRangeException beyond ->
                    new UnreadableEventException(
                            ErrorCode.PARAMETER_OUT_OF_RANGE, where + beyond.getMessage(), shape);
            case IllegalArgumentException refused ->
                    new UnreadableEventException(
                            ErrorCode.INVALID_SHAPE, where + refused.getMessage(), shape);
            case null, default ->
                    new UnreadableEventException(
                            ErrorCode.INVALID_SHAPE, where + expectation(shape), shape);
        };
    }

    /// What the sender of an event understands: databind speaks of Java classes and constructors.
    private static String expectation(JsonMappingException shape) {
        Class<?> target =
                shape instanceof MismatchedInputException mismatch
                        ? mismatch.getTargetType()
                        : null;
        String expected = target == null ? null : jsonNameOf(target);
        return expected == null ? shortened(shape.getOriginalMessage()) : expected + " is expected";
    }

    private static String jsonNameOf(Class<?> type) {
        if (Collection.class.isAssignableFrom(type)) {
            return "a list";
        }
        if (Map.class.isAssignableFrom(type) || type.isRecord()) {
            return "an object";
        }
        return switch (type.getName()) {
            case "java.lang.String" -> "a text";
            case "int", "long", "java.lang.Integer", "java.lang.Long" -> "a whole number";
            case "double", "java.lang.Double" -> "a number";
            case "boolean", "java.lang.Boolean" -> "true or false";
            default -> null;
        };
    }

    private static String path(JsonMappingException e) {
        String path =
                e.getPath().stream()
                        .map(step ->
                                step.getFieldName() != null
                                        ? "." + shortened(step.getFieldName())
                                        : "[" + step.getIndex() + "]")
                        .collect(Collectors.joining());
        return path.isEmpty() ? "" : "field " + path.substring(1) + ": ";
    }

    private static String typesOf(Class<?> payload) {
        return EventTypes.of(payload).stream()
                .map(Class::getSimpleName)
                .collect(Collectors.joining(", "));
    }

    /// What is quoted from strangers' bytes must not fill a log, and must be fit to be written
    /// again.
    private static String shortened(String text) {
        String printable = text.replaceAll("[\\p{Cntrl}\\p{Cs}]", "?");
        return printable.length() <= 200 ? printable : printable.substring(0, 200) + "…";
    }
}

package dev.tokenlog.engine.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/// The fields of a JSON object, read by name and type, with a record of which have been read: what
/// remains can then be refused. A field that is not there has its default, if there is one; `null`
/// means that there is no value.
final class ConfigFields {

    private static final JsonNode NO_DEFAULTS = JsonNodeFactory.instance.objectNode();

    private final JsonNode object;
    private final JsonNode defaults;
    private final String file;
    private final String prefix;
    private final Set<String> read;

    ConfigFields(JsonNode object, String file) {
        this(object, NO_DEFAULTS, file, "", new TreeSet<>());
    }

    private ConfigFields(
            JsonNode object, JsonNode defaults, String file, String prefix, Set<String> read) {
        this.object = object;
        this.defaults = defaults;
        this.file = file;
        this.prefix = prefix;
        this.read = read;
    }

    /// The same fields, read so far alike, with values for those that are not there.
    ConfigFields withDefaults(JsonNode newDefaults) {
        return new ConfigFields(object, newDefaults, file, prefix, read);
    }

    /// Whether there is a value, be it a default.
    boolean has(String field) {
        return (object.has(field) ? object : defaults).hasNonNull(field);
    }

    /// Whether the object itself says something, be it `null`.
    boolean states(String field) {
        return object.has(field);
    }

    /// Whether the object itself has a value for it.
    boolean gives(String field) {
        return object.hasNonNull(field);
    }

    /// A whole number that must be there.
    int integer(String field, int min, int max) {
        if (!has(field)) {
            throw unreadable(field, "is missing");
        }
        return integer(field, min, max, 0);
    }

    int integer(String field, int min, int max, int missing) {
        JsonNode value = take(field);
        if (value == null) {
            return missing;
        }
        if (!value.isIntegralNumber()) {
            throw unreadable(field, "expected a whole number, found " + shown(value));
        }
        if (!value.canConvertToInt() || value.intValue() < min || value.intValue() > max) {
            throw unreadable(
                    field,
                    "expected a number from " + min + " to " + max + ", found " + shown(value));
        }
        return value.intValue();
    }

    /// A finite number above 0.
    double positive(String field, double missing) {
        JsonNode value = take(field);
        if (value == null) {
            return missing;
        }
        if (!value.isNumber()
                || !Double.isFinite(value.doubleValue())
                || value.doubleValue() <= 0) {
            throw unreadable(field, "expected a number above 0, found " + shown(value));
        }
        return value.doubleValue();
    }

    double positive(String field) {
        if (!has(field)) {
            throw unreadable(field, "is missing");
        }
        return positive(field, 0);
    }

    boolean flag(String field, boolean missing) {
        JsonNode value = take(field);
        if (value == null) {
            return missing;
        }
        if (!value.isBoolean()) {
            throw unreadable(field, "expected true or false, found " + shown(value));
        }
        return value.booleanValue();
    }

    Optional<String> text(String field) {
        JsonNode value = take(field);
        if (value == null) {
            return Optional.empty();
        }
        if (!value.isTextual()) {
            throw unreadable(field, "expected a string, found " + shown(value));
        }
        return Optional.of(value.textValue());
    }

    /// A field that is looked at as it is.
    Optional<JsonNode> any(String field) {
        return Optional.ofNullable(take(field));
    }

    Optional<ConfigFields> object(String field) {
        JsonNode value = take(field);
        if (value == null) {
            return Optional.empty();
        }
        if (!value.isObject()) {
            throw unreadable(field, "expected an object, found " + shown(value));
        }
        return Optional.of(
                new ConfigFields(value, NO_DEFAULTS, file, prefix + field + ".", new TreeSet<>()));
    }

    /// Fields that nobody has asked for, in the order of the file.
    Iterable<String> unread() {
        return object.properties().stream()
                .map(Map.Entry::getKey)
                .filter(name -> !read.contains(name))
                .toList();
    }

    JsonNode value(String field) {
        return object.get(field);
    }

    private JsonNode take(String field) {
        read.add(field);
        JsonNode value = object.has(field) ? object.get(field) : defaults.get(field);
        return value == null || value.isNull() ? null : value;
    }

    /// The configuration is broken.
    EngineException unreadable(String field, String what) {
        return new EngineException(
                Reason.SOURCE_UNREADABLE, file + ": field '" + prefix + field + "': " + what);
    }

    /// The configuration is well, but the engine does not do what it asks for.
    EngineException unsupported(String field, String what) {
        return new EngineException(
                Reason.UNSUPPORTED, file + ": field '" + prefix + field + "': " + what);
    }

    static String shown(JsonNode value) {
        String text = value.toString();
        return text.length() > 80 ? text.substring(0, 80) + "…" : text;
    }
}

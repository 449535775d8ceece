package dev.tokenlog.engine.format.gguf;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.gguf.GgufValue.ElementType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/// The keys of a GGUF file by name and type, with a record of which have been asked for: what
/// remains can then be refused.
public final class GgufMetadata {

    private final String file;
    private final Map<String, GgufValue> values;
    private final Set<String> read = new TreeSet<>();

    GgufMetadata(String file, Map<String, GgufValue> values) {
        this.file = file;
        this.values = values;
    }

    /// Everything, in the order of the file.
    public Map<String, GgufValue> values() {
        return Collections.unmodifiableMap(new LinkedHashMap<>(values));
    }

    /// Keys that nobody has asked for.
    public List<String> unread() {
        return values.keySet().stream().filter(key -> !read.contains(key)).toList();
    }

    /// Whether the value of a key asks for nothing: 0, false, an empty string or array.
    public boolean isOff(String key) {
        return switch (values.get(key)) {
            case GgufValue.Whole whole -> whole.value() == 0;
            case GgufValue.Real real -> real.value() == 0;
            case GgufValue.Flag flag -> !flag.value();
            case GgufValue.Text text -> text.value().isEmpty();
            case GgufValue.Array array -> array.count() == 0;
            case null -> true;
        };
    }

    public boolean has(String key) {
        return values.containsKey(key);
    }

    /// A key that is looked at as it is.
    public Optional<GgufValue> any(String key) {
        read.add(key);
        return Optional.ofNullable(values.get(key));
    }

    /// A string; empty where the key is missing.
    ///
    /// @throws EngineException `SOURCE_UNREADABLE` naming the key: it is of another type. So do all
    ///   methods here.
    public Optional<String> text(String key) {
        return any(key).map(value -> {
            if (value instanceof GgufValue.Text text) {
                return text.value();
            }
            throw expected(key, "a string", value);
        });
    }

    /// A whole number of any width.
    public Optional<Integer> integer(String key, int min, int max) {
        return any(key).map(value -> {
            if (!(value instanceof GgufValue.Whole whole)) {
                throw expected(key, "a whole number", value);
            }
            if (whole.value() < min || whole.value() > max) {
                throw unreadable(
                        key,
                        "expected a number from %d to %d, found %d"
                                .formatted(min, max, whole.value()));
            }
            return (int) whole.value();
        });
    }

    int integer(String key, int min, int max, int missing) {
        return integer(key, min, max).orElse(missing);
    }

    /// A finite float or whole number.
    public Optional<Double> number(String key) {
        return any(key).map(value -> {
            double number =
                    switch (value) {
                        case GgufValue.Real real -> decimal(real);
                        case GgufValue.Whole whole -> (double) whole.value();
                        case GgufValue.Flag _, GgufValue.Text _, GgufValue.Array _ ->
                                throw expected(key, "a number", value);
                    };
            if (!Double.isFinite(number)) {
                throw unreadable(key, "expected a finite number, found " + number);
            }
            return number;
        });
    }

    /// The shortest decimal that names the same float: files hold in 32 bits what a configuration
    /// said in decimal, `1e-5` for instance.
    private static double decimal(GgufValue.Real real) {
        return real.single()
                ? Double.parseDouble(Float.toString((float) real.value()))
                : real.value();
    }

    public Optional<Boolean> flag(String key) {
        return any(key).map(value -> {
            if (value instanceof GgufValue.Flag flag) {
                return flag.value();
            }
            throw expected(key, "true or false", value);
        });
    }

    /// The strings of an array; empty where the key is missing.
    ///
    /// @param limit how many there may be
    public Optional<List<String>> texts(String key, int limit) {
        return array(key, limit, "strings", Set.of(ElementType.STRING))
                .map(array -> {
                    GgufCursor cursor = new GgufCursor(array.bytes(), file, 0);
                    List<String> texts = new ArrayList<>((int) array.count());
                    for (long i = 0; i < array.count(); i++) {
                        texts.add(cursor.string(1 << 20, "key '" + key + "': element " + i));
                    }
                    return texts;
                });
    }

    /// The floats of an array.
    public Optional<float[]> floats(String key, int limit) {
        return array(key, limit, "floats", Set.of(ElementType.FLOAT32))
                .map(array -> {
                    GgufCursor cursor = new GgufCursor(array.bytes(), file, 0);
                    float[] floats = new float[(int) array.count()];
                    for (int i = 0; i < floats.length; i++) {
                        floats[i] = Float.intBitsToFloat(cursor.int32(key));
                    }
                    return floats;
                });
    }

    /// The whole numbers of an array, or flags as 0 and 1.
    public Optional<int[]> integers(String key, int limit) {
        Set<ElementType> types =
                Set.of(ElementType.INT32, ElementType.UINT32, ElementType.BOOL, ElementType.UINT8);
        return array(key, limit, "whole numbers", types)
                .map(array -> {
                    GgufCursor cursor = new GgufCursor(array.bytes(), file, 0);
                    int[] numbers = new int[(int) array.count()];
                    for (int i = 0; i < numbers.length; i++) {
                        numbers[i] =
                                array.type().leastBytes() == 4
                                        ? cursor.int32(key)
                                        : cursor.int8(key) & 0xff;
                        if (array.type() == ElementType.UINT32 && numbers[i] < 0) {
                            throw unreadable(key, "element " + i + " is too large");
                        }
                    }
                    return numbers;
                });
    }

    private Optional<GgufValue.Array> array(
            String key, int limit, String what, Set<ElementType> types) {
        return any(key).map(value -> {
            if (!(value instanceof GgufValue.Array array) || !types.contains(array.type())) {
                throw expected(key, "an array of " + what, value);
            }
            if (array.count() > limit) {
                throw unreadable(key, array.count() + " elements; the limit is " + limit);
            }
            return array;
        });
    }

    private EngineException expected(String key, String what, GgufValue found) {
        return unreadable(key, "expected " + what + ", found " + shown(found));
    }

    /// A value in one short line.
    public static String shown(GgufValue value) {
        return switch (value) {
            case GgufValue.Whole whole -> Long.toString(whole.value());
            case GgufValue.Real real ->
                    real.single()
                            ? Float.toString((float) real.value())
                            : Double.toString(real.value());
            case GgufValue.Flag flag -> Boolean.toString(flag.value());
            case GgufValue.Text text -> '"' + GgufText.printable(text.value()) + '"';
            case GgufValue.Array array -> array.count() + " x " + array.type();
        };
    }

    /// The key is missing or broken.
    public EngineException unreadable(String key, String what) {
        return new EngineException(
                Reason.SOURCE_UNREADABLE,
                file + ": key '" + GgufText.printable(key) + "': " + what);
    }

    /// The key is well, but asks for what the engine does not do.
    public EngineException unsupported(String key, String what) {
        return new EngineException(
                Reason.UNSUPPORTED, file + ": key '" + GgufText.printable(key) + "': " + what);
    }
}

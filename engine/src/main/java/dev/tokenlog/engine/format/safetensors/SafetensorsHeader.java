package dev.tokenlog.engine.format.safetensors;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.tensor.DataType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The header of a safetensors file, validated by the rules of the reference library
/// (github.com/huggingface/safetensors): eight bytes of length, little-endian, at most
/// [#MAX_BYTES]; a JSON object that begins with `{`; offsets that cover the data from its first
/// byte to the end of the file without hole or overlap, and agree with type and shape.
///
/// @param metadata the strings under `__metadata__`
/// @param tensors in the order of their offsets
public record SafetensorsHeader(Map<String, String> metadata, List<TensorInfo> tensors) {

    /// Of the JSON text, as in the reference library.
    public static final int MAX_BYTES = 100_000_000;

    /// A mixture of experts has some 20,000.
    public static final int MAX_TENSORS = 1 << 18;

    static final int MAX_DIMENSIONS = 16;
    static final String METADATA = "__metadata__";

    public SafetensorsHeader {
        metadata = Map.copyOf(metadata);
        tensors = List.copyOf(tensors);
    }

    /// @param json the bytes between the length and the data
    /// @param dataBytes of the file after the header
    /// @param file names the file in errors
    static SafetensorsHeader parse(byte[] json, long dataBytes, String file) {
        if (json.length == 0 || json[0] != '{') {
            throw unreadable(file, "offset 8: the header does not begin with '{'");
        }
        Map<String, String> metadata = new LinkedHashMap<>();
        List<TensorInfo> tensors = new ArrayList<>();
        try (JsonParser parser = StrictJson.parser(json)) {
            expect(parser.nextToken(), JsonToken.START_OBJECT, parser, file);
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                if (name.equals(METADATA)) {
                    readMetadata(parser, metadata, file);
                } else if (tensors.size() == MAX_TENSORS) {
                    throw unreadable(file, "more than " + MAX_TENSORS + " tensors");
                } else {
                    tensors.add(readTensor(parser, checkedName(name, file), file));
                }
            }
            if (parser.nextToken() != null) {
                throw unreadable(file, "something follows the header's JSON object");
            }
        } catch (IOException e) {
            throw StrictJson.unreadable(file + ": header", e);
        }
        tensors.sort(Comparator.comparingLong(TensorInfo::begin).thenComparing(TensorInfo::end));
        checkCover(tensors, dataBytes, 8L + json.length, file);
        return new SafetensorsHeader(metadata, tensors);
    }

    private static void readMetadata(JsonParser parser, Map<String, String> metadata, String file)
            throws IOException {
        expect(parser.nextToken(), JsonToken.START_OBJECT, parser, file);
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            expect(parser.nextToken(), JsonToken.VALUE_STRING, parser, file);
            metadata.put(key, parser.getText());
        }
    }

    private static TensorInfo readTensor(JsonParser parser, String name, String file)
            throws IOException {
        String where = file + ": tensor '" + name + "'";
        expect(parser.nextToken(), JsonToken.START_OBJECT, parser, where);
        DataType type = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String field = parser.currentName();
            switch (field) {
                case "dtype" -> {
                    expect(parser.nextToken(), JsonToken.VALUE_STRING, parser, where);
                    type = typeOf(parser.getText(), where);
                }
                case "shape" -> shape = readLongs(parser, MAX_DIMENSIONS, where + ": shape");
                case "data_offsets" -> offsets = readLongs(parser, 2, where + ": data_offsets");
                default -> throw unreadable(where, "unknown field '" + field + "'");
            }
        }
        if (type == null || shape == null || offsets == null || offsets.size() != 2) {
            throw unreadable(where, "expected dtype, shape and data_offsets of two numbers");
        }
        long begin = offsets.get(0);
        long end = offsets.get(1);
        checkSize(type, shape, begin, end, where);
        return new TensorInfo(name, type, shape, begin, end);
    }

    private static void checkSize(
            DataType type, List<Long> shape, long begin, long end, String where) {
        long bytes;
        try {
            bytes = Math.multiplyExact(TensorInfo.elements(shape), type.bytes());
        } catch (ArithmeticException e) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, where + ": shape " + shape + " overflows", e);
        }
        if (end < begin || end - begin != bytes) {
            throw unreadable(
                    where,
                    "data_offsets [%d, %d] do not hold the %d bytes of %s %s"
                            .formatted(begin, end, bytes, type, shape));
        }
    }

    /// Without hole, without overlap, to the end of the file.
    private static void checkCover(
            List<TensorInfo> sorted, long dataBytes, long dataBegin, String file) {
        long expected = 0;
        String before = "the header";
        for (TensorInfo tensor : sorted) {
            String where = file + ": tensor '" + tensor.name() + "'";
            if (tensor.begin() != expected) {
                throw unreadable(
                        where,
                        "begins at offset %d of the data, but %s ends at %d"
                                .formatted(tensor.begin(), before, expected));
            }
            if (tensor.end() > dataBytes) {
                throw unreadable(
                        where,
                        "ends at offset %d of the file, which has only %d bytes: it is truncated"
                                .formatted(dataBegin + tensor.end(), dataBegin + dataBytes));
            }
            expected = tensor.end();
            before = "'" + tensor.name() + "'";
        }
        if (expected != dataBytes) {
            throw unreadable(
                    file,
                    "%d bytes follow the last tensor at offset %d"
                            .formatted(dataBytes - expected, dataBegin + expected));
        }
    }

    private static List<Long> readLongs(JsonParser parser, int limit, String where)
            throws IOException {
        expect(parser.nextToken(), JsonToken.START_ARRAY, parser, where);
        List<Long> numbers = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            expect(parser.currentToken(), JsonToken.VALUE_NUMBER_INT, parser, where);
            long number = parser.getLongValue();
            if (number < 0 || numbers.size() == limit) {
                throw unreadable(where, "expected at most " + limit + " numbers from 0 up");
            }
            numbers.add(number);
        }
        return numbers;
    }

    private static DataType typeOf(String name, String where) {
        for (DataType type : DataType.values()) {
            if (type.name().equals(name)) {
                return type;
            }
        }
        throw new EngineException(
                Reason.UNSUPPORTED, where + ": dtype '" + printable(name) + "' is not supported");
    }

    /// Names become lines of a digest and of error messages.
    static String checkedName(String name, String file) {
        if (name.isEmpty() || name.chars().anyMatch(Character::isISOControl)) {
            throw unreadable(
                    file,
                    "the tensor name '" + printable(name) + "' is empty or has control characters");
        }
        return name;
    }

    private static String printable(String text) {
        String shown = text.length() > 80 ? text.substring(0, 80) + "…" : text;
        return shown.replaceAll("\\p{Cntrl}", "?");
    }

    private static void expect(JsonToken found, JsonToken wanted, JsonParser parser, String where) {
        if (found != wanted) {
            throw unreadable(
                    where,
                    "offset %d: expected %s, found %s"
                            .formatted(
                                    8 + parser.currentTokenLocation().getCharOffset(),
                                    wanted,
                                    found));
        }
    }

    private static EngineException unreadable(String where, String what) {
        return new EngineException(Reason.SOURCE_UNREADABLE, where + ": " + what);
    }
}

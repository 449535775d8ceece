package dev.tokenlog.engine.format.npy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.tensor.DataType;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What stands before the numbers of a numpy array: magic, version, the text of a Python dictionary
/// (numpy.lib.format, versions 1 to 3).
///
/// @param fortranOrder whether the numbers are column-major
/// @param shape empty for a single number
/// @param bytes of the header: where the numbers begin
public record NpyHeader(DataType type, boolean fortranOrder, List<Long> shape, int bytes) {

    static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};

    private static final int MAX_HEADER = 1 << 16;

    /// No two runs of blanks without something between them: a header of 64 KiB of blanks would
    /// otherwise be cut in two at each of them.
    private static final Pattern HEADER =
            Pattern.compile(
                    "\\s*\\{\\s*'descr'\\s*:\\s*(?:'(?<descr>[^']{1,32})'|(?<fields>\\[.*\\]))\\s*,"
                            + "\\s*'fortran_order'\\s*:\\s*(?<fortran>True|False)\\s*,"
                            + "\\s*'shape'\\s*:\\s*\\((?<shape>[0-9, ]*)\\)\\s*(?:,\\s*)?\\}\\s*");

    public NpyHeader {
        shape = List.copyOf(shape);
    }

    /// @param what names file and entry in errors
    /// @throws EngineException `SOURCE_UNREADABLE` naming the offset; `UNSUPPORTED` for a type that
    ///   is no plain number of little-endian bytes, pickled objects among them
    /// @throws IOException from the stream
    public static NpyHeader read(InputStream in, String what) throws IOException {
        byte[] start = in.readNBytes(8);
        for (int i = 0; i < MAGIC.length; i++) {
            if (start.length < 8 || start[i] != MAGIC[i]) {
                throw unreadable(what, "offset 0: no numpy file");
            }
        }
        int version = start[6];
        if (version < 1 || version > 3) {
            throw unreadable(what, "offset 6: version " + version + ", expected 1 to 3");
        }
        int lengthBytes = version == 1 ? 2 : 4;
        long length = 0;
        byte[] lengths = in.readNBytes(lengthBytes);
        for (int i = lengths.length - 1; i >= 0; i--) {
            length = length << 8 | Byte.toUnsignedInt(lengths[i]);
        }
        if (lengths.length < lengthBytes || length > MAX_HEADER) {
            throw unreadable(what, "offset 8: a header of " + length + " bytes");
        }
        byte[] text = in.readNBytes((int) length);
        if (text.length < length) {
            throw unreadable(what, "offset " + (8 + lengthBytes + text.length) + ": it ends");
        }
        return parse(
                new String(text, StandardCharsets.ISO_8859_1), 8 + lengthBytes + text.length, what);
    }

    private static NpyHeader parse(String text, int bytes, String what) {
        Matcher matcher = HEADER.matcher(text);
        if (!matcher.matches()) {
            throw unreadable(what, "the header is not the expected dictionary");
        }
        if (matcher.group("fields") != null) {
            throw new EngineException(
                    Reason.UNSUPPORTED, what + ": dtype with named fields, expected numbers");
        }
        NpyHeader header =
                new NpyHeader(
                        type(matcher.group("descr"), what),
                        matcher.group("fortran").equals("True"),
                        shape(matcher.group("shape"), what),
                        bytes);
        header.dataBytes(what); // refuses what no file can hold
        return header;
    }

    private static DataType type(String descr, String what) {
        return switch (descr) {
            case "<f8" -> DataType.F64;
            case "<f4" -> DataType.F32;
            case "<f2" -> DataType.F16;
            case "<i8" -> DataType.I64;
            case "<i4" -> DataType.I32;
            case "<i2" -> DataType.I16;
            case "|i1" -> DataType.I8;
            case "|u1" -> DataType.U8;
            case "|b1" -> DataType.BOOL;
            case "|O", "O" ->
                    throw new EngineException(
                            Reason.UNSUPPORTED,
                            what
                                    + ": dtype '|O': pickled Python objects can run code when they are"
                                    + " read, and are refused");
            default ->
                    throw new EngineException(
                            Reason.UNSUPPORTED,
                            what
                                    + ": dtype '"
                                    + descr
                                    + "', expected a little-endian float, a signed integer, uint8 or"
                                    + " bool");
        };
    }

    /// As numpy writes the type.
    static String descr(DataType type) {
        return switch (type) {
            case F64 -> "<f8";
            case F32 -> "<f4";
            case F16 -> "<f2";
            case I64 -> "<i8";
            case I32 -> "<i4";
            case I16 -> "<i2";
            case I8 -> "|i1";
            case U8 -> "|u1";
            case BOOL -> "|b1";
            case BF16, F8_E4M3 -> throw new IllegalArgumentException("numpy has no " + type);
        };
    }

    private static List<Long> shape(String text, String what) {
        List<Long> shape = new ArrayList<>();
        for (String dimension : text.split(",")) {
            if (!dimension.isBlank()) {
                if (shape.size() == 32) {
                    throw unreadable(what, "more than 32 dimensions");
                }
                try {
                    shape.add(Long.parseLong(dimension.strip()));
                } catch (NumberFormatException e) {
                    throw new EngineException(
                            Reason.SOURCE_UNREADABLE, what + ": shape '" + dimension + "'", e);
                }
            }
        }
        return shape;
    }

    /// Numbers that the shape asks for.
    public long elements() {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }

    /// Bytes of the numbers.
    ///
    /// @throws EngineException if the shape asks for more than a file can hold
    public long dataBytes(String what) {
        try {
            return Math.multiplyExact(elements(), type.bytes());
        } catch (ArithmeticException e) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, what + ": shape " + shape + " is too large", e);
        }
    }

    /// The bytes of a header (version 1), as numpy itself writes them.
    public static byte[] write(DataType type, List<Long> shape) {
        StringBuilder tuple = new StringBuilder();
        for (int i = 0; i < shape.size(); i++) {
            tuple.append(i == 0 ? "" : ", ").append(shape.get(i));
        }
        if (shape.size() == 1) {
            tuple.append(',');
        }
        String text =
                "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }"
                        .formatted(descr(type), tuple);
        int unpadded = MAGIC.length + 4 + text.length() + 1;
        String padded = text + " ".repeat(Math.ceilDiv(unpadded, 64) * 64 - unpadded) + "\n";
        byte[] bytes = new byte[MAGIC.length + 4 + padded.length()];
        System.arraycopy(MAGIC, 0, bytes, 0, MAGIC.length);
        bytes[6] = 1;
        bytes[8] = (byte) padded.length();
        bytes[9] = (byte) (padded.length() >>> 8);
        byte[] ascii = padded.getBytes(StandardCharsets.ISO_8859_1);
        System.arraycopy(ascii, 0, bytes, 10, ascii.length);
        return bytes;
    }

    private static EngineException unreadable(String what, String why) {
        return new EngineException(Reason.SOURCE_UNREADABLE, what + ": " + why);
    }
}

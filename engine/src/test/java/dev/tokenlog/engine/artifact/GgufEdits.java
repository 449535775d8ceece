package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.format.gguf.GgufBytes;
import dev.tokenlog.engine.format.gguf.GgufFile;
import dev.tokenlog.engine.format.gguf.GgufTensor;
import dev.tokenlog.engine.format.gguf.GgufType;
import dev.tokenlog.engine.format.gguf.GgufValue;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/// Writes a GGUF file anew with a key changed or added.
final class GgufEdits {

    private GgufEdits() {}

    /// @param value a string, a flag or a whole number
    static Path with(Path file, String key, Object value, Path target) {
        try (Arena arena = Arena.ofConfined()) {
            GgufFile read = GgufFile.open(file, arena);
            Map<String, GgufValue> values = new LinkedHashMap<>(read.metadata().values());
            values.put(
                    key,
                    switch (value) {
                        case String text -> new GgufValue.Text(text);
                        case Boolean flag -> new GgufValue.Flag(flag);
                        default -> new GgufValue.Whole((Integer) value);
                    });
            GgufBytes out = GgufBytes.header(3, read.tensors().size(), values.size());
            values.forEach((name, each) -> write(out, name, each));
            long offset = 0;
            for (GgufTensor tensor : read.tensors()) {
                long[] dimensions =
                        tensor.shape().reversed().stream().mapToLong(Long::longValue).toArray();
                out.tensor(tensor.name(), number(tensor.type()), offset, dimensions);
                offset = Math.ceilDiv(offset + tensor.data().byteSize(), 32) * 32;
            }
            for (GgufTensor tensor : read.tensors()) {
                out.aligned(32).raw(tensor.data().toArray(ValueLayout.JAVA_BYTE));
            }
            return out.aligned(32).write(target);
        }
    }

    private static int number(GgufType type) {
        return switch (type) {
            case F32 -> 0;
            case Q4_0 -> 2;
            case Q8_0 -> 8;
            default -> throw new IllegalArgumentException(type.name());
        };
    }

    private static void write(GgufBytes out, String key, GgufValue value) {
        switch (value) {
            case GgufValue.Whole whole -> out.number(key, (int) whole.value());
            case GgufValue.Real real -> out.key(key, 6).float32((float) real.value());
            case GgufValue.Flag flag ->
                    out.key(key, GgufBytes.BOOL).raw((byte) (flag.value() ? 1 : 0));
            case GgufValue.Text text -> out.text(key, text.value());
            case GgufValue.Array array ->
                    out.key(key, GgufBytes.ARRAY)
                            .int32(array.type().ordinal())
                            .int64(array.count())
                            .raw(array.bytes().toArray(ValueLayout.JAVA_BYTE));
        }
    }
}

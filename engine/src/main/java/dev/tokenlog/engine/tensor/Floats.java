package dev.tokenlog.engine.tensor;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// Widens stored floats; exact for every type here.
public final class Floats {

    private static final ValueLayout.OfFloat F32 =
            JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort F16 =
            JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Floats() {}

    /// Whether [#widen] reads the type.
    public static boolean isReadable(DataType type) {
        return type == DataType.F32 || type == DataType.F16 || type == DataType.BF16;
    }

    /// A tensor with fewer than 2³¹ elements.
    public static float[] widen(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.elements())];
        widen(tensor.type(), tensor.data(), 0, values, values.length);
        return values;
    }

    /// Elements `from` to `from + count` of little-endian data into the front of an array.
    public static void widen(
            DataType type, MemorySegment data, long from, float[] into, int count) {
        switch (type) {
            case F32 -> MemorySegment.copy(data, F32, from * 4, into, 0, count);
            // By way of an array: loops over memory outside the heap do not become vectors.
            case F16 -> {
                short[] bits = halves(data, from, count);
                for (int i = 0; i < count; i++) {
                    into[i] = Float.float16ToFloat(bits[i]);
                }
            }
            case BF16 -> {
                short[] bits = halves(data, from, count);
                for (int i = 0; i < count; i++) {
                    into[i] = Float.intBitsToFloat(bits[i] << 16);
                }
            }
            case F64, F8_E4M3, I64, I32, I16, I8, U8, BOOL ->
                    throw new IllegalArgumentException(type + " is no float of 32 or 16 bits");
        }
    }

    private static short[] halves(MemorySegment data, long from, int count) {
        short[] bits = new short[count];
        MemorySegment.copy(data, F16, from * 2, bits, 0, count);
        return bits;
    }
}

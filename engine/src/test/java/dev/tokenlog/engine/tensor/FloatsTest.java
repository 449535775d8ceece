package dev.tokenlog.engine.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

class FloatsTest {

    private static Tensor tensor(DataType type, int... bytes) {
        byte[] data = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            data[i] = (byte) bytes[i];
        }
        return new Tensor(
                "t", type, List.of((long) data.length / type.bytes()), MemorySegment.ofArray(data));
    }

    /// Bit patterns from IEEE 754: sign, exponent, fraction.
    @Test
    void known_bits_are_widened() {
        assertThat(Floats.widen(tensor(DataType.F16, 0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 1, 0)))
                .containsExactly(1f, -2f, 65504f, 0x1p-24f);
        assertThat(Floats.widen(tensor(DataType.BF16, 0x80, 0x3f, 0x49, 0x40, 0x00, 0x80)))
                .containsExactly(1f, 3.140625f, -0f);
        assertThat(Floats.widen(tensor(DataType.F32, 0xdb, 0x0f, 0x49, 0x40)))
                .containsExactly((float) Math.PI);
    }

    @Test
    void a_part_is_taken_from_the_middle() {
        Tensor tensor = tensor(DataType.BF16, 0x80, 0x3f, 0x00, 0x40, 0x40, 0x40, 0x80, 0x40);
        float[] part = new float[2];

        Floats.widen(tensor.type(), tensor.data(), 1, part, 2);

        assertThat(part).containsExactly(2f, 3f);
    }

    @Test
    void other_types_are_refused() {
        assertThatThrownBy(() -> Floats.widen(tensor(DataType.I8, 1)))
                .isInstanceOf(IllegalArgumentException.class);
    }
}

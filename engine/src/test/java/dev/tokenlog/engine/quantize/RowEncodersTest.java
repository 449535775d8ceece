package dev.tokenlog.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/// Nobody encodes weights whose bits are not Java's.
class RowEncodersTest {

    private record Written(
            DataType type, MemorySegment codes, MemorySegment scales, double[] sums) {}

    /// Java itself, as an encoder, and what is done to what it gives.
    private record Changed(Consumer<Written> change) implements RowEncoder {

        @Override
        public boolean has(NumberCode code, Scales scales) {
            return code == NumberCode.INT4 || code == NumberCode.INT8;
        }

        @Override
        public boolean encode(
                NumberCode code,
                Scales how,
                DataType type,
                MemorySegment x,
                int rows,
                int columns,
                int groupSize,
                MemorySegment codes,
                MemorySegment scales,
                double[] sums) {
            RowSource source =
                    new QuantizedRows.FloatRows(new Matrix.Float("x", type, rows, columns, x));
            QuantizedRows found =
                    QuantizedRows.inJava(source, code, groupSize, how, Sparsity.NONE, 0, rows);
            codes.copyFrom(MemorySegment.ofArray(found.codes()));
            scales.copyFrom(MemorySegment.ofArray(found.scales()));
            System.arraycopy(found.errors().sums(), 0, sums, 0, sums.length);
            change.accept(new Written(type, codes, scales, sums));
            return true;
        }
    }

    @Test
    void what_gives_the_same_bits_is_used_for_the_codes_that_it_has() {
        Changed right = new Changed(written -> {});

        RowEncoders encoders = new RowEncoders(List.of(right));

        for (NumberCode code : NumberCode.values()) {
            for (Scales scales : GroupCode.of(code).scales()) {
                boolean has = code == NumberCode.INT4 || code == NumberCode.INT8;
                assertThat(encoders.encoder(code, scales))
                        .isEqualTo(has ? Optional.of(right) : Optional.empty());
            }
        }
    }

    @Test
    void one_wrong_bit_is_enough_to_be_left_out() {
        List<Consumer<Written>> changes =
                List.of(
                        written -> flip(written.codes(), 17),
                        written -> flip(written.scales(), 4),
                        written -> written.sums()[50] = Math.nextUp(written.sums()[50]),
                        written -> {
                            if (written.type() == DataType.BF16) {
                                flip(written.codes(), 0);
                            }
                        },
                        written -> {
                            throw new IllegalStateException("no such instruction");
                        });
        for (Consumer<Written> change : changes) {
            assertNoneIsUsed(new Changed(change));
        }
    }

    @Test
    void what_cannot_even_say_what_it_has_is_left_out() {
        RowEncoder broken =
                new RowEncoder() {
                    @Override
                    public boolean has(NumberCode code, Scales scales) {
                        throw new UnsatisfiedLinkError("no library");
                    }

                    @Override
                    public boolean encode(
                            NumberCode code,
                            Scales how,
                            DataType type,
                            MemorySegment x,
                            int rows,
                            int columns,
                            int groupSize,
                            MemorySegment codes,
                            MemorySegment scales,
                            double[] sums) {
                        throw new AssertionError("never asked");
                    }
                };
        assertNoneIsUsed(broken);
    }

    private static void assertNoneIsUsed(RowEncoder encoder) {
        RowEncoders encoders = new RowEncoders(List.of(encoder));
        for (Scales scales : List.of(Scales.ABSMAX, Scales.LEAST_SQUARES)) {
            assertThat(encoders.encoder(NumberCode.INT4, scales)).isEmpty();
            assertThat(encoders.encoder(NumberCode.INT8, scales)).isEmpty();
        }
    }

    private static void flip(MemorySegment bytes, long at) {
        bytes.set(ValueLayout.JAVA_BYTE, at, (byte) (bytes.get(ValueLayout.JAVA_BYTE, at) ^ 1));
    }
}

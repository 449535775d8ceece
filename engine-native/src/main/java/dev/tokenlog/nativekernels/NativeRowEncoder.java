package dev.tokenlog.nativekernels;

import static dev.tokenlog.nativekernels.LoadedLibrary.LIBRARY;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.tokenlog.engine.quantize.RowEncoder;
import dev.tokenlog.engine.quantize.Scales;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Objects;
import java.util.Optional;

/// `tokenlog_encode` by the best tier of instructions that this processor has.
public final class NativeRowEncoder implements RowEncoder {

    /// `TOKENLOG_BLOCK`: groups begin at multiples of it.
    private static final int BLOCK = 32;

    /// What `tokenlog_encode` adds to: seven sums in eight lanes.
    private static final int SUMS = 7 * 8;

    private static final Optional<NativeLibrary.Tier> TIER =
            LIBRARY == null
                    ? Optional.empty()
                    : LIBRARY.tiers().stream().filter(NativeLibrary.Tier::usable).findFirst();

    /// Linked where there is a library.
    private static final class Functions {

        static final MethodHandle ENCODE =
                LIBRARY.question(
                        "tokenlog_encode",
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        ADDRESS,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        ADDRESS,
                        ADDRESS,
                        ADDRESS);

        static final MethodHandle ENCODES =
                LIBRARY.function("tokenlog_encodes", JAVA_INT, JAVA_INT);

        private Functions() {}
    }

    private final Optional<NativeLibrary.Tier> tier;

    public NativeRowEncoder() {
        this(TIER);
    }

    NativeRowEncoder(Optional<NativeLibrary.Tier> tier) {
        this.tier = tier;
    }

    @Override
    public boolean has(NumberCode code, Scales scales) {
        return tier.isPresent() && number(code).isPresent();
    }

    private static Optional<Integer> number(NumberCode code) {
        return LIBRARY.code(code)
                .map(NativeLibrary.Code::number)
                .filter(number -> isEncoded(number));
    }

    private static boolean isEncoded(int number) {
        try {
            return (int) Functions.ENCODES.invokeExact(number) == 1;
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
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
        if (groupSize % BLOCK != 0 && groupSize < columns) {
            return false;
        }
        long groups = Math.ceilDiv(columns, groupSize);
        long numbers = (long) rows * columns;
        Objects.checkFromIndexSize(0, numbers * type.bytes(), x.byteSize());
        Objects.checkFromIndexSize(0, rows * code.bytesPerRow(columns), codes.byteSize());
        Objects.checkFromIndexSize(0, rows * groups * 2, scales.byteSize());
        Objects.checkFromIndexSize(0, SUMS, sums.length);
        try {
            int encoded =
                    (int)
                            Functions.ENCODE.invokeExact(
                                    tier.orElseThrow().number(),
                                    (int) number(code).orElseThrow(),
                                    number(type),
                                    x,
                                    rows,
                                    columns,
                                    groupSize,
                                    how == Scales.LEAST_SQUARES ? 1 : 0,
                                    codes,
                                    scales,
                                    MemorySegment.ofArray(sums));
            return encoded == 1;
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    /// `TOKENLOG_F32` and so on.
    private static int number(DataType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 1;
            case BF16 -> 2;
            case F64, F8_E4M3, I64, I32, I16, I8, U8, BOOL ->
                    throw new IllegalArgumentException(type + " is not encoded");
        };
    }
}

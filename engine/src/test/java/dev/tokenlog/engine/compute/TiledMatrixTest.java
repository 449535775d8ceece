package dev.tokenlog.engine.compute;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/// Products are judged by [VectorKernelsTest]; here is what it cannot see.
class TiledMatrixTest {

    /// Tiles of 32 rows, whole blocks of columns, and a scale per row and group: nothing else.
    @Test
    void isAsLargeAsTheWeights() {
        try (Arena arena = Arena.ofConfined()) {
            TiledMatrix int4 = tiles(NumberCode.INT4, 64, 256, 32, arena);
            TiledMatrix int8 = tiles(NumberCode.INT8, 33, 100, 64, arena);

            assertThat(int4.tiles().byteSize()).isEqualTo(64 * (256 / 2 + 256 / 32 * 2));
            assertThat(int8.tiles().byteSize()).isEqualTo(64 * (128 + 2 * 2));
        }
    }

    @Test
    void scalesThatAreNoNumbersStayAsStored() {
        try (Arena arena = Arena.ofConfined()) {
            Matrix.Quantized weights = weights(NumberCode.INT4, 33, 64, 32, arena);
            weights.scales().set(ScalarKernels.SHORT, 2 * 65, Float.floatToFloat16(Float.NaN));

            assertThat(TiledMatrix.of(weights, arena)).isInstanceOf(PreparedMatrix.AsStored.class);
        }
    }

    @Test
    void rowsThatAreTooLongForAnArrayStayAsStored() {
        try (Arena arena = Arena.ofConfined()) {
            Matrix.Quantized weights = weights(NumberCode.INT8, 1, 1 << 26, 1 << 20, arena);

            assertThat(TiledMatrix.of(weights, arena)).isInstanceOf(PreparedMatrix.AsStored.class);
        }
    }

    @Test
    void memoryThatIsNotThereIsSaidByName() {
        try (Arena arena = Arena.ofConfined()) {
            Matrix.Quantized weights = weights(NumberCode.INT8, 1 << 15, 64, 64, arena);

            assertThatThrownBy(() -> TiledMatrix.of(weights, new FullArena()))
                    .isInstanceOf(EngineException.class)
                    .hasMessageContaining("no memory for 2 MiB of tiled weights of some.weight");
        }
    }

    private static TiledMatrix tiles(
            NumberCode code, int rows, int columns, int groupSize, Arena arena) {
        return (TiledMatrix) TiledMatrix.of(weights(code, rows, columns, groupSize, arena), arena);
    }

    private static Matrix.Quantized weights(
            NumberCode code, int rows, int columns, int groupSize, Arena arena) {
        long rowBytes = Math.ceilDiv(columns * code.bits(), 8);
        return new Matrix.Quantized(
                "some.weight",
                code,
                rows,
                columns,
                groupSize,
                arena.allocate(rows * rowBytes),
                arena.allocate(2L * rows * Math.ceilDiv(columns, groupSize)));
    }

    private static final class FullArena implements Arena {
        @Override
        public MemorySegment allocate(long bytes, long alignment) {
            throw new OutOfMemoryError();
        }

        @Override
        public MemorySegment.Scope scope() {
            return Arena.global().scope();
        }

        @Override
        public void close() {}
    }
}

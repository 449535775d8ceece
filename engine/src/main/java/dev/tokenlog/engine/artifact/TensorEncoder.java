package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.format.safetensors.SafetensorsWriter;
import dev.tokenlog.engine.quantize.CalibratedRows;
import dev.tokenlog.engine.quantize.ErrorMeasures;
import dev.tokenlog.engine.quantize.QuantizedRows;
import dev.tokenlog.engine.quantize.RowSource;
import dev.tokenlog.engine.quantize.Scales;
import dev.tokenlog.engine.quantize.Sparsity;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;

/// Quantizes one tensor after the other into a file. The rows of a matrix are cut into chunks whose
/// size depends on the matrix alone; threads take chunks, and their results are written, hashed and
/// summed in the order of the rows. So the number of threads changes no bit, and memory holds a few
/// chunks and the scales of one tensor.
final class TensorEncoder {

    /// Elements of a chunk. The order in which errors are summed depends on it.
    private static final int CHUNK = 1 << 18;

    private final ExecutorService pool;
    private final int window;
    private final Scales scales;
    private final Sparsity sparsity;
    private final boolean sourceHasCodes;
    private final BooleanSupplier cancelled;

    /// @param window chunks that may wait for being written
    /// @param sourceHasCodes whether it is noted of each tensor if its codes were taken over
    TensorEncoder(
            ExecutorService pool,
            int window,
            Recipe recipe,
            boolean sourceHasCodes,
            BooleanSupplier cancelled) {
        this.scales = recipe.scales();
        this.sparsity = new Sparsity(recipe.lossySparsity());
        this.sourceHasCodes = sourceHasCodes;
        this.pool = pool;
        this.window = window;
        this.cancelled = cancelled;
    }

    /// @param rows of a quantized tensor: the source, or what a calibrator makes of it
    /// @param file the name of the writer's file
    Manifest.Weight encode(
            StoredTensor stored,
            SourceTensor source,
            RowSource rows,
            SafetensorsWriter writer,
            String file) {
        return stored.isQuantized()
                ? quantize(stored, source, rows, writer, file)
                : keep(stored, source, writer, file);
    }

    private Manifest.Weight keep(
            StoredTensor stored, SourceTensor source, SafetensorsWriter writer, String file) {
        checkCancelled();
        float[] values = source.vector();
        for (int i = 0; i < values.length; i++) {
            if (!Float.isFinite(values[i])) {
                throw new EngineException(
                        Reason.UNSUPPORTED,
                        "tensor '%s' element %d: the value is %s"
                                .formatted(stored.name(), i, values[i]));
            }
        }
        ByteBuffer bytes =
                ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        writer.write(stored.name(), 0, bytes.duplicate());
        return weight(stored, source, file, Digests.of(bytes.array()), null, false);
    }

    private Manifest.Weight quantize(
            StoredTensor stored,
            SourceTensor source,
            RowSource from,
            SafetensorsWriter writer,
            String file) {
        int rows = stored.planned().rows();
        int columns = stored.planned().columns();
        Sparsity wanted =
                stored.planned().kind() == PlannedTensor.Kind.MATRIX ? sparsity : Sparsity.NONE;
        boolean takenOver =
                wanted.equals(Sparsity.NONE) && from.holds(stored.code(), stored.groupSize());
        int rowsPerChunk = Math.max(1, CHUNK / columns);
        Deque<Future<QuantizedRows>> waiting = new ArrayDeque<>();
        Rows written = new Rows(stored, writer);
        try {
            for (int row = 0; row < rows; row += rowsPerChunk) {
                int first = row;
                int end = Math.min(row + rowsPerChunk, rows);
                waiting.add(pool.submit(() -> rows(stored, from, takenOver, wanted, first, end)));
                if (waiting.size() == window) {
                    written.add(take(waiting));
                }
            }
            while (!waiting.isEmpty()) {
                written.add(take(waiting));
            }
        } finally {
            waiting.forEach(future -> future.cancel(false));
        }
        // Codes that a calibration has found are handed on as well, but they are not the source's.
        boolean ofSource = takenOver && !(from instanceof CalibratedRows);
        return weight(stored, source, file, written.finish(), written.errors, ofSource);
    }

    private QuantizedRows rows(
            StoredTensor stored,
            RowSource source,
            boolean takenOver,
            Sparsity wanted,
            int from,
            int to) {
        return takenOver
                ? QuantizedRows.takenOver(source, stored.code(), stored.groupSize(), from, to)
                : QuantizedRows.of(
                        source, stored.code(), stored.groupSize(), scales, wanted, from, to);
    }

    private QuantizedRows take(Deque<Future<QuantizedRows>> waiting) {
        checkCancelled();
        try {
            return waiting.remove().get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("the conversion was interrupted");
        } catch (ExecutionException e) {
            throw failure(e);
        }
    }

    private static RuntimeException failure(ExecutionException e) {
        return switch (e.getCause()) {
            case EngineException known -> known;
            // A weight file became shorter: the converter knows which folder it is in.
            case InternalError mapping -> throw mapping;
            default -> new IllegalStateException("quantizing failed", e.getCause());
        };
    }

    private void checkCancelled() {
        if (Thread.currentThread().isInterrupted() || cancelled.getAsBoolean()) {
            throw new CancellationException("the conversion was cancelled");
        }
    }

    private Manifest.Weight weight(
            StoredTensor stored,
            SourceTensor source,
            String file,
            String sha256,
            ErrorMeasures errors,
            boolean takenOver) {
        return new Manifest.Weight(
                stored.name(),
                stored.planned().shape(),
                stored.bitWidth(),
                stored.dtype().name(),
                file,
                stored.name(),
                stored.isQuantized() ? stored.scalesName() : null,
                stored.hasZeroPoints() ? stored.zerosName() : null,
                stored.quantization(),
                sha256,
                stored.bytes(),
                source.type(),
                sourceHasCodes ? takenOver : null,
                errors == null
                        ? null
                        : new Manifest.Errors(
                                errors.relativeL2(),
                                errors.meanRelative(),
                                errors.max(),
                                errors.cosine()));
    }

    /// Chunks in the order of the rows, on their way to the disk.
    private static final class Rows {

        private final StoredTensor stored;
        private final SafetensorsWriter writer;
        private final MessageDigest digest;
        private final ErrorMeasures errors = new ErrorMeasures();
        private final ByteBuffer scales;
        private final ByteBuffer zeros;
        private long codesWritten;

        Rows(StoredTensor stored, SafetensorsWriter writer) {
            this.stored = stored;
            this.writer = writer;
            this.digest = Sha256.of(stored.bytes());
            int groups = Math.multiplyExact(stored.planned().rows(), stored.groupsPerRow());
            this.scales = ByteBuffer.allocate(Math.multiplyExact(groups, 2));
            this.zeros = ByteBuffer.allocate(stored.hasZeroPoints() ? groups : 0);
        }

        void add(QuantizedRows rows) {
            writer.write(stored.name(), codesWritten, ByteBuffer.wrap(rows.codes()));
            digest.update(rows.codes());
            codesWritten += rows.codes().length;
            scales.put(rows.scales());
            zeros.put(rows.zeros());
            errors.merge(rows.errors());
        }

        /// The digest over codes, scales and zero points.
        String finish() {
            writer.write(stored.scalesName(), 0, scales.flip().duplicate());
            digest.update(scales);
            if (stored.hasZeroPoints()) {
                writer.write(stored.zerosName(), 0, zeros.flip().duplicate());
                digest.update(zeros);
            }
            return Digests.hex(digest.digest());
        }
    }
}

package dev.tokenlog.engine.artifact;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/// Weights with changes folded into them, made row by row when somebody asks for them. Where a
/// change mixes rows, the whole matrix is made, and kept until the next one is: the memory is that
/// of one matrix in F32.
///
/// Computed in double and rounded to float once (twice where rows are mixed), in a fixed order.
final class FoldedWeights implements SourceWeights {

    private static final ValueLayout.OfFloat F32 =
            JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Columns that are mixed together, so that rows are not fetched for each alone.
    private static final int STRIPE = 16;

    private final SourceModel source;
    private final Map<String, TensorFold> folds;
    private final Map<String, String> copies;
    private final Map<String, Folded> tensors = new HashMap<>();
    private Mixed mixed;

    /// @param folds by name
    /// @param copies tensors that the source has not, and those that they are made of
    FoldedWeights(SourceModel source, Map<String, TensorFold> folds, Map<String, String> copies) {
        this.source = source;
        this.folds = Map.copyOf(folds);
        this.copies = Map.copyOf(copies);
        source.plannedTensors().forEach(planned -> add(planned.name(), planned.name()));
        copies.forEach(this::add);
    }

    private void add(String name, String original) {
        TensorFold fold = folds.getOrDefault(name, TensorFold.NONE);
        tensors.put(name, new Folded(name, source.tensor(original), fold));
    }

    @Override
    public List<SourceTensor> tensors() {
        return Stream.concat(
                        source.plannedTensors().stream().map(planned -> planned.name()),
                        copies.keySet().stream().sorted())
                .<SourceTensor>map(tensors::get)
                .toList();
    }

    @Override
    public Optional<SourceTensor> tensor(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    @Override
    public Path fileOf(String name) {
        return source.path();
    }

    @Override
    public List<Path> files() {
        return source.weightFiles();
    }

    @Override
    public String readableTypes() {
        return DataType.F32.name();
    }

    @Override
    public boolean isReadable(SourceTensor tensor) {
        return true;
    }

    @Override
    public boolean hasCodes() {
        return false;
    }

    /// The matrix whose rows were mixed last. Its memory goes when nobody reads it any more.
    private record Mixed(Folded tensor, MemorySegment values) {}

    private synchronized MemorySegment mixed(Folded tensor) {
        if (mixed == null || mixed.tensor != tensor) {
            mixed = null;
            mixed = new Mixed(tensor, tensor.mixedRows());
        }
        return mixed.values;
    }

    private final class Folded implements SourceTensor {

        private final String name;
        private final SourceTensor original;
        private final TensorFold fold;

        Folded(String name, SourceTensor original, TensorFold fold) {
            this.name = name;
            this.original = original;
            this.fold = fold;
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public String type() {
            return DataType.F32.name();
        }

        @Override
        public List<Long> shape() {
            return original.shape();
        }

        /// What it is made of.
        @Override
        public MemorySegment stored() {
            return original.stored();
        }

        @Override
        public int columns() {
            return original.columns();
        }

        private int rows() {
            return Math.toIntExact(shape().getFirst());
        }

        @Override
        public void row(int row, float[] into) {
            if (fold.rowRotation() == null) {
                changed(row, into);
            } else {
                MemorySegment values = mixed(this);
                MemorySegment.copy(values, F32, 4L * row * columns(), into, 0, columns());
            }
        }

        /// All but the mixing of rows.
        private void changed(int row, float[] into) {
            original.row(row, into);
            if (fold == TensorFold.NONE) {
                return;
            }
            double[] x = new double[columns()];
            for (int i = 0; i < x.length; i++) {
                x[i] = into[i];
            }
            fold.row(x, row);
            for (int i = 0; i < x.length; i++) {
                into[i] = (float) x[i];
            }
        }

        private MemorySegment mixedRows() {
            int rows = rows();
            int columns = columns();
            MemorySegment values = Arena.ofAuto().allocate(4L * rows * columns, 64);
            float[] row = new float[columns];
            for (int r = 0; r < rows; r++) {
                changed(r, row);
                MemorySegment.copy(row, 0, values, F32, 4L * r * columns, columns);
            }
            double[][] stripe = new double[STRIPE][rows];
            for (int from = 0; from < columns; from += STRIPE) {
                int width = Math.min(STRIPE, columns - from);
                for (int r = 0; r < rows; r++) {
                    for (int i = 0; i < width; i++) {
                        stripe[i][r] = values.get(F32, 4L * ((long) r * columns + from + i));
                    }
                }
                for (int i = 0; i < width; i++) {
                    fold.rotateRows(stripe[i]);
                }
                for (int r = 0; r < rows; r++) {
                    for (int i = 0; i < width; i++) {
                        values.set(F32, 4L * ((long) r * columns + from + i), (float) stripe[i][r]);
                    }
                }
            }
            return values;
        }

        @Override
        public Matrix.Float matrix(Arena arena) {
            int rows = rows();
            int columns = columns();
            if (fold == TensorFold.NONE) {
                return original.matrix(arena);
            }
            MemorySegment values = arena.allocate(4L * rows * columns, 64);
            float[] row = new float[columns];
            for (int r = 0; r < rows; r++) {
                row(r, row);
                MemorySegment.copy(row, 0, values, F32, 4L * r * columns, columns);
            }
            return new Matrix.Float(name, DataType.F32, rows, columns, values);
        }

        @Override
        public float[] vector() {
            if (fold.values() != null) {
                return fold.values().clone();
            }
            if (fold == TensorFold.NONE) {
                return original.vector();
            }
            return shape().size() > 1 ? allRows() : changedVector();
        }

        /// Of a matrix that is kept in float: a router.
        private float[] allRows() {
            float[] all = new float[Math.multiplyExact(rows(), columns())];
            float[] row = new float[columns()];
            for (int r = 0; r < rows(); r++) {
                row(r, row);
                System.arraycopy(row, 0, all, r * row.length, row.length);
            }
            return all;
        }

        private float[] changedVector() {
            float[] vector = original.vector();
            double[] x = new double[vector.length];
            double[] single = new double[1];
            for (int i = 0; i < x.length; i++) {
                single[0] = vector[i];
                fold.row(single, i);
                x[i] = single[0];
            }
            if (fold.rowRotation() != null) {
                fold.rotateRows(x);
            }
            for (int i = 0; i < x.length; i++) {
                vector[i] = (float) x[i];
            }
            return vector;
        }
    }
}

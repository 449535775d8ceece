package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.architecture.PlannedTensor.Kind;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.evaluate.ModelComparison;
import dev.tokenlog.engine.quantize.QuantizedRows;
import dev.tokenlog.engine.quantize.Scales;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/// Gives each group of matrices that share an input the code that a budget of bits is best spent
/// on. Measured, for one group after the other: the divergence of the model with that group alone
/// at the fewest bits. With more bits it falls as the squared error of the weights does. Then every
/// group starts at the fewest, and the step that takes most divergence away for its bits is made
/// first, until no step fits.
final class MixedPrecision {

    /// From few bits to many.
    private static final List<NumberCode> CODES =
            List.of(NumberCode.UINT2, NumberCode.INT4, NumberCode.INT8);

    /// Tokens that the measurement reads for each group.
    private static final int TOKENS = 512;

    /// Digits of a measured divergence: more would depend on the machine's exponential function.
    private static final MathContext DIGITS = new MathContext(6);

    /// Nats.
    private static final double UNUSABLE = 1e6;

    private final SourceModel source;
    private final int groupSize;
    private final List<int[]> documents;
    private final CpuOptions options;
    private final BooleanSupplier cancelled;

    private MixedPrecision(
            SourceModel source,
            int groupSize,
            List<int[]> documents,
            CpuOptions options,
            BooleanSupplier cancelled) {
        this.source = source;
        this.groupSize = groupSize;
        this.documents = documents;
        this.options = options;
        this.cancelled = cancelled;
    }

    /// @param bits of codes per weight of the matrices in the layers, scales not counted
    /// @return the code of each matrix in the layers
    static Map<String, NumberCode> choose(
            SourceModel source,
            CalibrationText text,
            int groupSize,
            double bits,
            int threads,
            BooleanSupplier cancelled) {
        if (bits < CODES.getFirst().bits() || bits > CODES.getLast().bits()) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "a budget of %s bits: expected %d to %d"
                            .formatted(bits, CODES.getFirst().bits(), CODES.getLast().bits()));
        }
        MixedPrecision mixed =
                new MixedPrecision(
                        source,
                        groupSize,
                        text.first(TOKENS).documents(),
                        CpuOptions.automatic().withThreads(threads),
                        cancelled);
        List<Candidate> candidates = mixed.measure();
        spend(candidates, bits);
        Map<String, NumberCode> codes = new HashMap<>();
        for (Candidate candidate : candidates) {
            for (PlannedTensor tensor : candidate.tensors) {
                codes.put(tensor.name(), CODES.get(candidate.chosen));
            }
        }
        return codes;
    }

    /// A group on its way to a code.
    private static final class Candidate {
        private final List<PlannedTensor> tensors;
        private final long weights;
        private final double[] divergence = new double[CODES.size()];
        private int chosen;

        Candidate(List<PlannedTensor> tensors) {
            this.tensors = tensors;
            this.weights = tensors.stream().mapToLong(PlannedTensor::elements).sum();
        }

        /// Divergence that the next code takes away for each bit that it costs.
        double worth() {
            int more = CODES.get(chosen + 1).bits() - CODES.get(chosen).bits();
            return (divergence[chosen] - divergence[chosen + 1]) / ((double) more * weights);
        }

        long cost() {
            return weights * (CODES.get(chosen + 1).bits() - CODES.get(chosen).bits());
        }
    }

    private static void spend(List<Candidate> candidates, double bits) {
        long weights = candidates.stream().mapToLong(c -> c.weights).sum();
        double left = (bits - CODES.getFirst().bits()) * weights;
        while (true) {
            Candidate best = null;
            for (Candidate candidate : candidates) {
                boolean fits = candidate.chosen < CODES.size() - 1 && candidate.cost() <= left;
                if (fits && (best == null || candidate.worth() > best.worth())) {
                    best = candidate;
                }
            }
            if (best == null) {
                return;
            }
            left -= best.cost();
            best.chosen++;
        }
    }

    private List<Candidate> measure() {
        InputGroups groups = new InputGroups(source.plan());
        Map<String, List<PlannedTensor>> byGroup = new LinkedHashMap<>();
        for (PlannedTensor tensor : source.plannedTensors()) {
            if (tensor.kind() == Kind.MATRIX) {
                byGroup.computeIfAbsent(groups.of(tensor.name()), name -> new ArrayList<>())
                        .add(tensor);
            }
        }
        List<Candidate> candidates = new ArrayList<>();
        try (CpuExecutor baseline = CpuExecutor.open(source, options)) {
            for (List<PlannedTensor> tensors : byGroup.values()) {
                CalibrationText.requireGoOn(cancelled);
                Candidate candidate = new Candidate(tensors);
                measure(candidate, baseline);
                candidates.add(candidate);
            }
        }
        return candidates;
    }

    private void measure(Candidate candidate, CpuExecutor baseline) {
        try (Arena arena = Arena.ofShared()) {
            Map<String, Matrix> few = new HashMap<>();
            double[] errors = new double[CODES.size()];
            for (PlannedTensor tensor : candidate.tensors) {
                for (int i = 0; i < errors.length; i++) {
                    QuantizedRows rows = quantized(tensor, CODES.get(i));
                    errors[i] += rows.errors().squaredError();
                    if (i == 0) {
                        few.put(tensor.name(), matrix(tensor, rows, arena));
                    }
                }
            }
            try (CpuExecutor executor = CpuExecutor.open(new Changed(source, few), options)) {
                double measured =
                        ModelComparison.compare(
                                        executor,
                                        baseline,
                                        documents,
                                        (done, of) -> !cancelled.getAsBoolean())
                                .meanDivergence();
                // Logits that are no numbers any more: worse than anything that can be measured.
                double finite = Double.isFinite(measured) ? measured : UNUSABLE;
                double rounded = new BigDecimal(finite).round(DIGITS).doubleValue();
                for (int i = 0; i < errors.length; i++) {
                    candidate.divergence[i] =
                            errors[0] == 0 ? 0 : rounded * (errors[i] / errors[0]);
                }
            }
        }
    }

    private QuantizedRows quantized(PlannedTensor tensor, NumberCode code) {
        return QuantizedRows.of(
                source.tensor(tensor.name()),
                code,
                columns(tensor),
                Scales.ABSMAX,
                0,
                tensor.rows());
    }

    private int columns(PlannedTensor tensor) {
        return groupSize == Recipe.PER_ROW ? tensor.columns() : groupSize;
    }

    private Matrix matrix(PlannedTensor tensor, QuantizedRows rows, Arena arena) {
        return new Matrix.Quantized(
                tensor.name(),
                CODES.getFirst(),
                tensor.rows(),
                tensor.columns(),
                columns(tensor),
                copied(rows.codes(), arena),
                copied(rows.scales(), arena),
                copied(rows.zeros(), arena));
    }

    private static MemorySegment copied(byte[] bytes, Arena arena) {
        MemorySegment segment = arena.allocate(bytes.length, 64);
        MemorySegment.copy(MemorySegment.ofArray(bytes), 0, segment, 0, bytes.length);
        return segment;
    }

    /// The source with some of its matrices replaced.
    private record Changed(SourceModel source, Map<String, Matrix> matrices) implements Model {

        @Override
        public Path folder() {
            return source.folder();
        }

        @Override
        public ModelPlan plan() {
            return source.plan();
        }

        @Override
        public Optional<String> digest() {
            return Optional.empty();
        }

        @Override
        public Matrix matrix(String tensor) {
            Matrix changed = matrices.get(tensor);
            return changed == null ? source.matrix(tensor) : changed;
        }

        @Override
        public float[] vector(String tensor) {
            return source.vector(tensor);
        }

        @Override
        public Optional<Path> file(String name) {
            return source.file(name);
        }

        @Override
        public void close() {}
    }
}

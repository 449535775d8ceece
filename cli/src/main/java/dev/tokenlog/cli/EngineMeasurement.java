package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.transformer.Executor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/// One executor, round by round: prompts and decoding, and what they are of the machine's limits in
/// the same round.
final class EngineMeasurement implements AutoCloseable {

    /// What is measured.
    ///
    /// @param prompts tokens of each; decoding follows the first
    /// @param decode tokens that each sequence decodes
    /// @param batches sequences that decode together
    record Scene(List<Integer> prompts, int decode, List<Integer> batches) {}

    /// @param limit that the ratio is of, or empty
    /// @param ratio median over the rounds
    record Figure(
            String name,
            String unit,
            double median,
            double least,
            double most,
            String limit,
            OptionalDouble ratio) {}

    private static final class Series {
        private final String unit;
        private final String limit;
        private final List<Double> values = new ArrayList<>();
        private final List<Double> ratios = new ArrayList<>();

        Series(String unit, String limit) {
            this.unit = unit;
            this.limit = limit;
        }
    }

    private static final String TOKENS = "tokens/s";
    private static final String PRODUCT = "product rate";
    private static final String MEMORY = "memory rate";

    private final EngineRates rates;
    private final Scene scene;
    private final double layerProducts;
    private final double headProducts;
    private final double bytesPerToken;
    private final Map<String, Series> series = new LinkedHashMap<>();

    EngineMeasurement(Model model, Executor executor, Scene scene) {
        ModelPlan plan = executor.plan();
        int before = scene.prompts().getFirst();
        this.rates = new EngineRates(executor, before);
        rates.requireContext(before + scene.decode());
        scene.prompts().forEach(rates::requireContext);
        this.scene = scene;
        this.layerProducts = PlanMatrices.layerProducts(plan);
        this.headProducts = PlanMatrices.headProducts(plan);
        this.bytesPerToken =
                PlanMatrices.of(plan).stream()
                        .mapToDouble(each -> each.times() * bytes(model.matrix(each.tensor())))
                        .sum();
    }

    private static double bytes(Matrix matrix) {
        return switch (matrix) {
            case Matrix.Quantized weights ->
                    weights.codes().byteSize() + weights.scales().byteSize();
            case Matrix.Float weights -> weights.data().byteSize();
        };
    }

    /// @param counts false for a round that only the compilers see
    void round(boolean counts, Optional<MachineLimits> limits) {
        for (int prompt : scene.prompts()) {
            OptionalDouble limit = OptionalDouble.empty();
            if (limits.isPresent()) {
                limit = limits.get().productRate();
                limit.ifPresent(rate -> add(counts, PRODUCT, "GMAC/s", rate / 1e9));
            }
            double rate = rates.prompt(prompt);
            double products = layerProducts + headProducts / prompt;
            add(counts, "prompt of " + prompt, TOKENS, rate, PRODUCT, products * rate, limit);
        }
        for (int batch : scene.batches()) {
            OptionalDouble limit = OptionalDouble.empty();
            if (limits.isPresent() && batch == 1) {
                double rate = limits.get().readRate();
                add(counts, MEMORY, "GB/s", rate / 1e9);
                limit = OptionalDouble.of(rate);
            }
            EngineRates.Decoding decoding = rates.decode(batch, scene.decode());
            double rate = decoding.tokensPerSecond();
            double read = rate / batch * bytesPerToken;
            add(counts, "decode, batch " + batch, TOKENS, rate, MEMORY, read, limit);
            add(counts, "allocated, batch " + batch, "bytes/step", decoding.allocatedPerStep());
        }
    }

    private void add(boolean counts, String name, String unit, double value) {
        add(counts, name, unit, value, "", 0, OptionalDouble.empty());
    }

    /// @param work in the limit's unit
    private void add(
            boolean counts,
            String name,
            String unit,
            double value,
            String limit,
            double work,
            OptionalDouble most) {
        if (!counts) {
            return;
        }
        Series line = series.computeIfAbsent(name, ignored -> new Series(unit, limit));
        line.values.add(value);
        most.ifPresent(rate -> line.ratios.add(work / rate));
    }

    List<Figure> figures() {
        return series.entrySet().stream()
                .map(entry -> figure(entry.getKey(), entry.getValue()))
                .toList();
    }

    private static Figure figure(String name, Series series) {
        List<Double> sorted = series.values.stream().sorted().toList();
        return new Figure(
                name,
                series.unit,
                median(sorted),
                sorted.getFirst(),
                sorted.getLast(),
                series.limit,
                series.ratios.isEmpty()
                        ? OptionalDouble.empty()
                        : OptionalDouble.of(median(series.ratios.stream().sorted().toList())));
    }

    private static double median(List<Double> sorted) {
        return sorted.get(sorted.size() / 2);
    }

    ArrayNode json() {
        ArrayNode all = Json.object().putArray("figures");
        for (Figure figure : figures()) {
            ObjectNode node =
                    all.addObject()
                            .put("name", figure.name())
                            .put("unit", figure.unit())
                            .put("median", figure.median())
                            .put("least", figure.least())
                            .put("most", figure.most());
            figure.ratio().ifPresent(ratio -> node.put("of_limit", ratio));
        }
        return all;
    }

    @Override
    public void close() {
        rates.close();
    }
}

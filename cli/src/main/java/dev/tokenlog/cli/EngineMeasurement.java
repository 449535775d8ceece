package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.ThreadMXBean;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.Executor;
import dev.tokenlog.engine.transformer.Sequence;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/// An executor without sampling: rates of prompts and of decoding, round by round.
final class EngineMeasurement {

    /// @param ratio median over the rounds of the share of the machine's limit in the same round
    record Figure(
            String name,
            String unit,
            double median,
            double least,
            double most,
            OptionalDouble ratio) {}

    private static final class Series {
        private final String unit;
        private final List<Double> values = new ArrayList<>();
        private final List<Double> ratios = new ArrayList<>();

        Series(String unit) {
            this.unit = unit;
        }
    }

    private static final int CHUNK = 64;
    private static final String TOKENS = "tokens/s";

    private final Executor executor;
    private final List<Integer> prompts;
    private final int decode;
    private final List<Integer> batches;
    private final double layerProducts;
    private final double headProducts;
    private final double bytesPerToken;
    private final Map<String, Series> series = new LinkedHashMap<>();
    private final ThreadMXBean allocations = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    EngineMeasurement(
            Model model,
            Executor executor,
            List<Integer> prompts,
            int decode,
            List<Integer> batches) {
        ModelPlan plan = executor.plan();
        int longest =
                Math.max(
                        prompts.stream().mapToInt(Integer::intValue).max().orElseThrow(),
                        prompts.getFirst() + decode);
        if (longest > plan.contextLength()) {
            throw CommandFailure.usage(
                    "%d tokens in a context of %d".formatted(longest, plan.contextLength()));
        }
        this.executor = executor;
        this.prompts = prompts;
        this.decode = decode;
        this.batches = batches;
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
    void round(boolean counts, BenchCommand.Limits limits) {
        for (int prompt : prompts) {
            OptionalDouble limit = measure(counts, "product alone", "GMAC/s", limits, true);
            double rate = promptRate(prompt);
            double products = layerProducts + headProducts / prompt;
            add(counts, "prompt of " + prompt, TOKENS, rate, products * rate, limit);
        }
        for (int batch : batches) {
            OptionalDouble limit = measure(counts, "memory read", "GB/s", limits, false);
            decode(counts, batch, batch == 1 ? limit : OptionalDouble.empty());
        }
    }

    private OptionalDouble measure(
            boolean counts, String name, String unit, BenchCommand.Limits limits, boolean product) {
        if (limits.yardstick().isEmpty()) {
            return OptionalDouble.empty();
        }
        double rate =
                product
                        ? limits.yardstick().get().productRate()
                        : limits.yardstick().get().readRate();
        add(counts, name, unit, rate / 1e9, 0, OptionalDouble.empty());
        return OptionalDouble.of(rate);
    }

    private void add(
            boolean counts,
            String name,
            String unit,
            double value,
            double work,
            OptionalDouble limit) {
        if (!counts) {
            return;
        }
        Series line = series.computeIfAbsent(name, ignored -> new Series(unit));
        line.values.add(value);
        limit.ifPresent(most -> line.ratios.add(work / most));
    }

    private double promptRate(int prompt) {
        try (Sequence sequence = executor.newSequence()) {
            sequence.fit(prompt);
            sequence.reserve(prompt);
            Batch batch = executor.newBatch(CHUNK, 1);
            long begin = System.nanoTime();
            prefill(batch, sequence, prompt);
            return prompt / ((System.nanoTime() - begin) / 1e9);
        }
    }

    private void decode(boolean counts, int sequences, OptionalDouble limit) {
        int prompt = prompts.getFirst();
        List<Sequence> all = new ArrayList<>();
        Batch batch = executor.newBatch(Math.max(CHUNK, sequences), sequences);
        for (int i = 0; i < sequences; i++) {
            Sequence sequence = executor.newSequence();
            all.add(sequence);
            sequence.fit(prompt + decode);
            sequence.reserve(prompt + decode);
            prefill(batch, sequence, prompt);
        }
        long allocated = allocations.getTotalThreadAllocatedBytes();
        long begin = System.nanoTime();
        for (int i = 0; i < decode; i++) {
            batch.clear();
            for (Sequence sequence : all) {
                batch.add(sequence, token(i), prompt + i, true);
            }
            executor.step(batch);
        }
        double seconds = (System.nanoTime() - begin) / 1e9;
        allocated = allocations.getTotalThreadAllocatedBytes() - allocated;
        all.forEach(Sequence::close);
        double steps = decode / seconds;
        add(
                counts,
                "decode, batch " + sequences,
                TOKENS,
                steps * sequences,
                steps * bytesPerToken,
                limit);
        add(
                counts,
                "allocated, batch " + sequences,
                "bytes/step",
                (double) allocated / decode,
                0,
                OptionalDouble.empty());
    }

    private void prefill(Batch batch, Sequence sequence, int prompt) {
        for (int from = 0; from < prompt; from += CHUNK) {
            int to = Math.min(from + CHUNK, prompt);
            batch.clear();
            for (int i = from; i < to; i++) {
                batch.add(sequence, token(i), i, i == prompt - 1);
            }
            executor.step(batch);
        }
    }

    private int token(int index) {
        return index * 7919 % executor.plan().vocabularySize();
    }

    List<Figure> figures() {
        return series.entrySet().stream()
                .map(entry -> {
                    List<Double> sorted = entry.getValue().values.stream().sorted().toList();
                    return new Figure(
                            entry.getKey(),
                            entry.getValue().unit,
                            median(sorted),
                            sorted.getFirst(),
                            sorted.getLast(),
                            entry.getValue().ratios.isEmpty()
                                    ? OptionalDouble.empty()
                                    : OptionalDouble.of(
                                            median(
                                                    entry.getValue().ratios.stream()
                                                            .sorted()
                                                            .toList())));
                })
                .toList();
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
}

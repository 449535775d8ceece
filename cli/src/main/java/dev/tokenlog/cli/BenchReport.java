package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.cli.EngineMeasurement.Figure;
import dev.tokenlog.engine.ProcessMemory;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;

/// What `bench` prints: one document, or a table.
///
/// @param model as it was named
/// @param code of random weights, or empty
record BenchReport(String model, String code, int threads, int rounds, List<Run> runs) {

    /// @param compute which kernels, as the executor describes them
    record Run(
            String name,
            String numericsId,
            String compute,
            double loadSeconds,
            double firstTokenSeconds,
            EngineMeasurement measurement) {}

    ObjectNode json() {
        ObjectNode answer = Json.object();
        answer.put("model", model);
        if (!code.isEmpty()) {
            answer.put("codes", code);
        }
        answer.put("threads", threads);
        answer.put("machine", Machine.processor());
        answer.put("processors", Runtime.getRuntime().availableProcessors());
        answer.put("java", Runtime.version().toString());
        answer.put("commit", Machine.commit());
        answer.put("rounds", rounds);
        ProcessMemory.peak().ifPresent(bytes -> answer.put("peak_memory_bytes", bytes));
        ArrayNode all = answer.putArray("runs");
        for (Run run : runs) {
            ObjectNode node = all.addObject();
            node.put("numerics_id", run.numericsId());
            node.put("compute", run.compute());
            node.put("load_seconds", run.loadSeconds());
            node.put("first_token_seconds", run.firstTokenSeconds());
            node.set("figures", run.measurement().json());
        }
        return answer;
    }

    void print(Terminal terminal) {
        OptionalLong bytes = ProcessMemory.peak();
        String peak =
                bytes.isEmpty()
                        ? ""
                        : ", peak memory of the process %d MiB".formatted(bytes.getAsLong() >> 20);
        for (Run run : runs) {
            terminal.line(
                    "%s %s%s, %s, %s, commit %s; medians of %d; load %.2f s, first token %.2f s%s"
                            .formatted(
                                    model,
                                    code.isEmpty() ? "" : code + " ",
                                    run.numericsId(),
                                    run.compute(),
                                    Machine.processor(),
                                    Machine.commit(),
                                    rounds,
                                    run.loadSeconds(),
                                    run.firstTokenSeconds(),
                                    peak));
        }
        if (runs.size() == 1) {
            one(terminal, runs.getFirst().measurement().figures());
        } else {
            beside(terminal);
        }
    }

    private static void one(Terminal terminal, List<Figure> figures) {
        Table table = new Table("figure", "unit", "median", "least", "most", "of the limit");
        for (Figure figure : figures) {
            table.row(
                    figure.name(),
                    figure.unit(),
                    number(figure.median()),
                    number(figure.least()),
                    number(figure.most()),
                    figure.ratio().isPresent()
                            ? "%.2f of the %s"
                                    .formatted(figure.ratio().getAsDouble(), figure.limit())
                            : "");
        }
        table.print(terminal);
    }

    /// Medians of all kernels side by side, each with its share of the first one's.
    private void beside(Terminal terminal) {
        List<String> head = new ArrayList<>(List.of("figure", "unit"));
        runs.forEach(run -> head.add(run.name()));
        Table table = new Table(head.toArray(String[]::new));
        List<List<Figure>> all = runs.stream().map(run -> run.measurement().figures()).toList();
        for (int i = 0; i < all.getFirst().size(); i++) {
            Figure first = all.getFirst().get(i);
            List<String> cells = new ArrayList<>(List.of(first.name(), first.unit()));
            for (List<Figure> figures : all) {
                double median = figures.get(i).median();
                cells.add(
                        first.median() == 0
                                ? number(median)
                                : "%s (%.2f)".formatted(number(median), median / first.median()));
            }
            table.row(cells.toArray(String[]::new));
        }
        table.print(terminal);
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, value < 100 ? "%.1f" : "%.0f", value);
    }
}

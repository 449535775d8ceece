package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.compute.KernelSelection;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.evaluate.CodeErrors;
import dev.tokenlog.engine.quantize.GroupCode;
import dev.tokenlog.engine.tensor.NumberCode;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "codes",
        description =
                "All number codes: bits per weight with scales, relative errors beside what is possible, and"
                        + " the speed of products. Without a broker.")
final class CodesCommand implements Callable<Integer> {

    private static final ProductSpeed SPEED = new ProductSpeed(8192, 4096);

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private HubOptions hub;

    @Parameters(
            arity = "0..1",
            paramLabel = "MODEL",
            defaultValue = "demo",
            description = "Whose trained weights are tried (default: demo, the bundled one).")
    private String model;

    @Option(names = "--code", split = ",", paramLabel = "NAME", description = "Only these codes.")
    private List<String> names = List.of();

    @Option(
            names = "--compute",
            split = ",",
            paramLabel = "KERNELS",
            description =
                    "Measure products of these kernels as well, on one thread: native, vector, scalar.")
    private List<String> compute = List.of();

    @Option(
            names = "--batch",
            split = ",",
            defaultValue = "1,8,64",
            paramLabel = "N",
            description = "Tokens that are multiplied together (default: 1,8,64).")
    private List<Integer> batches;

    @Override
    public Integer call() {
        if (batches.stream().anyMatch(n -> n < 1 || n > 512)) {
            throw CommandFailure.usage("--batch: from 1 to 512 tokens");
        }
        List<NumberCode> codes = codes();
        String local = hub.local(model, Hub.Part.MODEL, common);
        ObjectNode json = Json.object();
        try (SourceModel source = SourceModel.open(ModelFolders.resolve(local))) {
            errors(codes, new CodeErrors(source), source.name(), json);
        }
        for (String kernels : compute) {
            speeds(codes, KernelSelection.select(kernels).kernels(), json);
        }
        if (output.json) {
            common.terminal().line(Json.text(json));
        }
        return ExitStatus.DONE;
    }

    private List<NumberCode> codes() {
        try {
            return names.isEmpty()
                    ? List.of(NumberCode.values())
                    : names.stream().map(Recipe::codeOf).toList();
        } catch (EngineException e) {
            throw new CommandFailure(ExitStatus.USAGE, e.getMessage(), e);
        }
    }

    private void errors(List<NumberCode> codes, CodeErrors errors, String name, ObjectNode json) {
        Table table =
                new Table("code", "group", "bits", "Gaussian", "bound", "Laplace", "bound", name);
        ArrayNode rows = json.put("model", name).putArray("codes");
        for (NumberCode code : codes) {
            for (int group : new int[] {32, 64, 128, Recipe.PER_ROW}) {
                CodeErrors.Errors found = errors.of(code, group);
                String label = group == Recipe.PER_ROW ? "row" : "g" + group;
                table.row(
                        code.label(),
                        label,
                        String.format(Locale.ROOT, "%.3f", found.bitsPerWeight()),
                        percent(found.gaussian()),
                        percent(found.gaussianBound()),
                        percent(found.laplace()),
                        percent(found.laplaceBound()),
                        percent(found.model()));
                rows.addObject()
                        .put("code", code.label())
                        .put("granularity", label)
                        .put("bits_per_weight", found.bitsPerWeight())
                        .put("gaussian", found.gaussian())
                        .put("gaussian_bound", found.gaussianBound())
                        .put("laplace", found.laplace())
                        .put("laplace_bound", found.laplaceBound())
                        .put("model", found.model())
                        .put("formula", GroupCode.of(code).formula(Recipe.usualScales(code)));
            }
        }
        if (!output.json) {
            table.print(common.terminal());
        }
    }

    private void speeds(List<NumberCode> codes, Kernels kernels, ObjectNode json) {
        String[] head = new String[batches.size() + 1];
        head[0] = kernels.description();
        for (int i = 0; i < batches.size(); i++) {
            head[i + 1] = "batch " + batches.get(i);
        }
        Table table = new Table(head);
        ArrayNode rows = json.withArray("products");
        for (NumberCode code : codes) {
            String[] cells = new String[head.length];
            cells[0] = code.label();
            double[] found = SPEED.of(code, kernels, batches);
            for (int i = 0; i < batches.size(); i++) {
                cells[i + 1] = String.format(Locale.ROOT, "%.2f", found[i]);
                rows.addObject()
                        .put("kernels", kernels.description())
                        .put("code", code.label())
                        .put("batch", batches.get(i))
                        .put("billion_multiply_adds_per_second", found[i]);
            }
            table.row(cells);
        }
        if (!output.json) {
            common.terminal().line("");
            common.terminal().line("billion multiply-adds a second, one thread, groups of 32:");
            table.print(common.terminal());
        }
    }

    private static String percent(double value) {
        return String.format(Locale.ROOT, "%.2f %%", 100 * value);
    }
}

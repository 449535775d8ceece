package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// What the benchmarks of the engine have in common: `--model FOLDER [--recipe int4] [--compute
/// auto] [--threads 2]`.
final class BenchmarkModels {

    private BenchmarkModels() {}

    /// `--name value` pairs.
    static Map<String, String> options(String[] arguments) {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i].replaceFirst("^--", ""), arguments[i + 1]);
        }
        if (!options.containsKey("model")) {
            throw new IllegalArgumentException("--model FOLDER is missing");
        }
        return options;
    }

    static int number(Map<String, String> options, String name, int otherwise) {
        return Integer.parseInt(options.getOrDefault(name, Integer.toString(otherwise)));
    }

    /// A source or an artifact; with a recipe, a source is converted first, to a temporary folder.
    static Model open(Map<String, String> options) throws IOException {
        Path folder = Path.of(options.get("model"));
        Optional<String> recipe = Optional.ofNullable(options.get("recipe"));
        if (Files.exists(folder.resolve("manifest.json"))) {
            return Artifact.open(folder, false);
        }
        SourceModel source = SourceModel.open(folder);
        if (recipe.isEmpty()) {
            return source;
        }
        try (source) {
            Path store = Files.createTempDirectory("benchmark-model");
            Artifact artifact =
                    new Converter()
                            .convert(
                                    source,
                                    Recipe.parse(recipe.get()),
                                    new ArtifactStore(store),
                                    new ConversionListener() {});
            System.out.println("converted to " + artifact.folder());
            return artifact;
        }
    }

    static CpuExecutor executor(Model model, Map<String, String> options) {
        CpuExecutor executor =
                CpuExecutor.open(
                        model,
                        new CpuOptions(
                                options.getOrDefault("compute", "auto"),
                                number(options, "threads", 2),
                                Optional.empty()));
        System.out.printf(
                "%s %s: %s, %s%n",
                options.get("model"),
                options.getOrDefault("recipe", ""),
                executor.numericsId(),
                executor.description());
        return executor;
    }
}

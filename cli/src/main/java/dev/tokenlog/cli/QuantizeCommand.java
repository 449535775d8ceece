package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.artifactstore.hub.HubSnapshot;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Manifest;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.calibrate.TextCalibrator;
import dev.tokenlog.engine.tokenizer.TextReadiness;
import dev.tokenlog.engine.tokenizer.TokenizerSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "quantize",
        description =
                "Converts a model without a broker: the same code, the same bytes, the same digest"
                        + " as convert.")
final class QuantizeCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private HubOptions hub;
    @Mixin private RecipeOptions recipe;

    @Parameters(paramLabel = "MODEL", description = HubOptions.MODEL)
    private String model;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "DIR",
            description = "Where the artifact's folder sha256-... is put.")
    private Path out;

    @Option(names = "--threads", description = "Threads that convert (default: all).")
    private Integer threads;

    @Override
    public Integer call() {
        Converter converter = converter();
        String local = hub.local(model, Hub.Part.MODEL, common);
        List<ConversionListener.FileShared> shared = new ArrayList<>();
        try (SourceModel source = SourceModel.open(ModelFolders.resolve(local));
                Progress progress = new Progress(common.terminal(), "quantize");
                Artifact artifact =
                        converter.convert(
                                source,
                                recipe(source),
                                new ArtifactStore(out),
                                origin(source),
                                new Shown(progress, hub.snapshot(), shared))) {
            progress.close();
            shared.forEach(file -> common.terminal().err(said(file)));
            report(artifact);
            warn(source.folder());
        }
        return ExitStatus.DONE;
    }

    private Recipe recipe(SourceModel source) {
        Recipe stated = recipe.recipe();
        return recipe.isUnstated() ? source.recipe().orElse(stated) : stated;
    }

    /// Without a broker there is nobody to serve the model: weights alone are fine.
    private void warn(Path files) {
        if (TokenizerSource.isIn(files)) {
            TextReadiness.warnings(files).forEach(common.terminal()::err);
        } else {
            common.terminal()
                    .err(
                            "warning: no tokenizer in "
                                    + files
                                    + ": the artifact computes logits, but cannot be served");
        }
    }

    private Converter.Origin origin(SourceModel source) {
        return hub.snapshot()
                .map(snapshot ->
                        new Converter.Origin(
                                snapshot.id().name(),
                                snapshot.id().repository(),
                                snapshot.id().revision()))
                .orElseGet(() -> Converter.Origin.of(source));
    }

    private static String said(ConversionListener.FileShared file) {
        return file.refused() == null
                ? "%s: %d bytes are one file with %s"
                        .formatted(file.file(), file.bytes(), file.with())
                : "%s: equal to a file of %s, but %d bytes are stored twice: %s"
                        .formatted(file.file(), file.with(), file.bytes(), file.refused());
    }

    private record Shown(
            Progress progress,
            Optional<HubSnapshot> snapshot,
            List<ConversionListener.FileShared> shared)
            implements ConversionListener {
        @Override
        public void fileShared(FileShared file) {
            shared.add(file);
        }

        @Override
        public void sourceFound(SourceFound source) {
            snapshot.ifPresent(stated ->
                    source.files()
                            .forEach(file -> stated.requireDigest(file.path(), file.sha256())));
        }

        @Override
        public void tensorDone(TensorDone tensor) {
            progress.show(tensor.bytesDone(), tensor.bytesTotal(), tensor.weight().name());
        }
    }

    private void report(Artifact artifact) {
        Manifest manifest = artifact.manifest();
        Manifest.Statistics statistics = manifest.statistics();
        if (output.json) {
            ObjectNode answer = Json.object();
            answer.put("model_digest", manifest.modelDigest());
            answer.put("weights_digest", manifest.weightsDigest());
            answer.put("manifest_sha256", artifact.manifestSha256());
            answer.put("location", artifact.folder().toString());
            answer.set("recipe", Json.of(manifest.recipe().canonical()));
            answer.set("statistics", Json.of(statistics));
            common.terminal().line(Json.text(answer));
            return;
        }
        common.terminal().line(manifest.modelDigest());
        common.terminal()
                .err(
                        "%s: %d parameters, %d bytes, %.2f bits per weight, %.2fx smaller than FP32, %.2fx smaller than the source"
                                .formatted(
                                        artifact.folder(),
                                        statistics.parameters(),
                                        statistics.bytes(),
                                        statistics.bitsPerWeight(),
                                        statistics.ratioToFp32(),
                                        statistics.ratioToSource()));
    }

    private Converter converter() {
        try {
            Converter plain = threads == null ? new Converter() : new Converter(threads);
            return recipe.calibrationFile()
                    .map(text -> plain.with(TextCalibrator.reading(text)))
                    .orElse(plain);
        } catch (IllegalArgumentException e) {
            throw new CommandFailure(ExitStatus.USAGE, "--" + e.getMessage(), e);
        }
    }
}

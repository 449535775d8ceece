package dev.tokenlog.validation;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.RotatedModel;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.compute.Numerics;
import dev.tokenlog.engine.evaluate.ComparisonReport;
import dev.tokenlog.engine.evaluate.HeldOutText;
import dev.tokenlog.engine.evaluate.ModelComparison;
import dev.tokenlog.engine.evaluate.TensorError;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/// Both models on the CPU, in lock-step over the same held-out text.
///
/// @param heldOut the text: JSON lines with `messages`; empty: the bundled one
/// @param tokens how many positions to compare
/// @param longest tokens of one document
/// @param options of both executors; keys and values of the baseline are kept as computed
record EngineComparison(Optional<Path> heldOut, long tokens, int longest, CpuOptions options)
        implements Comparison {

    @Override
    public Measurement compare(
            Path artifact, String modelDigest, Path baseline, BooleanSupplier stop) {
        try (Artifact quantized = Artifact.open(artifact, true)) {
            requireDigest(quantized, modelDigest);
            try (SourceModel source = SourceModel.open(baseline)) {
                List<TensorError> tensors = errors(quantized, source, stop);
                ComparisonReport report = compare(quantized, source, stop);
                return new Measurement(report, tensors, nameOfText());
            }
        }
    }

    /// Of a rotated model: against the source's tensors, rotated. None where columns were scaled by
    /// a text, which is not here.
    private static List<TensorError> errors(
            Artifact quantized, SourceModel source, BooleanSupplier stop) {
        Recipe recipe = Recipe.parse(quantized.manifest().recipe().canonical());
        if (recipe.rotation() == null) {
            return errors(quantized, source, recipe, stop);
        }
        try (SourceModel rotated = RotatedModel.of(source, recipe.rotation())) {
            return errors(quantized, rotated, recipe, stop);
        }
    }

    private static List<TensorError> errors(
            Artifact quantized, SourceModel source, Recipe recipe, BooleanSupplier stop) {
        requireSameModel(quantized, source);
        boolean scaled = recipe.calibration() != null && recipe.calibration().method().scales();
        return scaled ? List.of() : TensorError.of(quantized, source, stop);
    }

    private ComparisonReport compare(Artifact quantized, SourceModel source, BooleanSupplier stop) {
        List<int[]> documents =
                heldOut.isPresent()
                        ? documents(quantized, heldOut.get())
                        : BundledText.with(file -> documents(quantized, file));
        try (CpuExecutor candidate = CpuExecutor.open(quantized, options);
                CpuExecutor reference = CpuExecutor.open(source, options.withKv(KvType.KV32))) {
            return ModelComparison.compare(
                    candidate, reference, documents, (done, of) -> !stop.getAsBoolean());
        }
    }

    private List<int[]> documents(Artifact quantized, Path text) {
        if (!Files.isReadable(text)) {
            throw new EngineException(
                    Reason.STORAGE_FAILED, text + ": the held-out text cannot be read");
        }
        try (ModelTokenizer tokenizer = ModelTokenizer.open(quantized.folder())) {
            return HeldOutText.read(
                    text,
                    ChatTemplate.open(quantized.folder()),
                    tokenizer,
                    Math.min(longest, quantized.plan().contextLength()),
                    tokens);
        }
    }

    private String nameOfText() {
        return heldOut.map(Path::toString).orElse(BundledText.NAME);
    }

    @Override
    public String numericsId() {
        return Numerics.quantized(options.kv().orElse(KvType.KV16));
    }

    private static void requireDigest(Artifact artifact, String modelDigest) {
        String found = artifact.digest().orElse("none");
        if (!found.equals(modelDigest)) {
            throw new EngineException(
                    Reason.MODEL_UNREADABLE,
                    artifact.folder() + ": digest " + found + ", expected " + modelDigest);
        }
    }

    private static void requireSameModel(Artifact artifact, SourceModel source) {
        if (!artifact.plan().equals(source.plan())) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    source.path()
                            + ": is not the model that "
                            + artifact.folder()
                            + " was made of: their layer plans differ");
        }
    }
}

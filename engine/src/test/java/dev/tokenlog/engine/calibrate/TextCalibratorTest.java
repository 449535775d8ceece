package dev.tokenlog.engine.calibrate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.Calibration;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.GgufExport;
import dev.tokenlog.engine.artifact.Manifest;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.evaluate.HeldOutText;
import dev.tokenlog.engine.evaluate.ModelComparison;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextCalibratorTest {

    private static final Path MODEL = TestFiles.root().resolve("demo-model/model");
    private static final Path HELD_OUT = TestFiles.root().resolve("demo-model/heldout.jsonl");
    private static final CalibrationFile TEXT = CalibrationFile.bundled();

    @TempDir private Path temp;

    private static Recipe recipe(int tokens) {
        return Recipe.parse("int4")
                .calibrated(new Calibration(Calibration.Method.GPTQ, tokens, TEXT.sha256()));
    }

    private Artifact convert(
            Recipe recipe, int threads, String store, ConversionListener listener) {
        try (SourceModel source = SourceModel.open(MODEL)) {
            return new Converter(threads)
                    .with(TextCalibrator.reading(TEXT))
                    .convert(source, recipe, new ArtifactStore(temp.resolve(store)), listener);
        }
    }

    @Test
    void threads_and_interruptions_change_no_byte() {
        String one;
        try (Artifact artifact = convert(recipe(64), 1, "one", new ConversionListener() {})) {
            one = artifact.manifest().modelDigest();
            assertThat(artifact.manifest().quantization().formula())
                    .startsWith("codes, scales and zero points of calibration=gptq:64:");
            assertThat(artifact.manifest().recipe().canonical())
                    .isEqualTo("int4-g32-lsq,calibration=gptq:64:" + TEXT.sha256());
        }
        int[] heard = new int[2];
        assertThatExceptionOfType(CancellationException.class)
                .isThrownBy(() ->
                        convert(
                                recipe(64),
                                2,
                                "other",
                                new ConversionListener() {
                                    @Override
                                    public void tensorDone(TensorDone tensor) {
                                        heard[0] = tensor.number();
                                    }

                                    @Override
                                    public boolean isCancelled() {
                                        return heard[0] >= 25;
                                    }
                                }));
        ConversionListener resumed =
                new ConversionListener() {
                    @Override
                    public void resumed(int tensorsDone) {
                        heard[1] = tensorsDone;
                    }
                };
        try (Artifact artifact = convert(recipe(64), 3, "other", resumed)) {
            assertThat(heard[1]).isGreaterThanOrEqualTo(25);
            assertThat(artifact.manifest().modelDigest()).isEqualTo(one);
        }
    }

    @Test
    void codes_that_were_found_are_not_called_the_sources() {
        Path gguf = temp.resolve("demo.gguf");
        try (SourceModel source = SourceModel.open(MODEL);
                Artifact nearest =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.parse("int4"),
                                        new ArtifactStore(temp.resolve("nearest")),
                                        new ConversionListener() {})) {
            GgufExport.write(nearest, gguf, Optional.empty());
        }
        try (SourceModel source = SourceModel.open(gguf);
                Artifact found =
                        new Converter(2)
                                .with(TextCalibrator.reading(TEXT))
                                .convert(
                                        source,
                                        // Q4_0 holds int4: that is taken over as it is.
                                        Recipe.parse("uint4").calibrated(recipe(64).calibration()),
                                        new ArtifactStore(temp.resolve("found")),
                                        new ConversionListener() {})) {
            assertThat(found.manifest().weights())
                    .filteredOn(weight -> weight.shape().size() == 2)
                    .allSatisfy(weight ->
                            assertThat(weight.takenOver())
                                    .as(weight.name())
                                    .isEqualTo(weight.name().contains("embed")));
        }
    }

    @Test
    void a_budget_of_bits_is_spent_and_not_exceeded() {
        Recipe mixed =
                Recipe.parse("int4")
                        .calibrated(
                                new Calibration(Calibration.Method.GPTQ, 64, 3.5, TEXT.sha256()));
        try (Artifact artifact = convert(mixed, 2, "mixed", new ConversionListener() {})) {
            long bits = 0;
            long weights = 0;
            Set<String> codes = new HashSet<>();
            for (Manifest.Weight weight : artifact.manifest().weights()) {
                if (weight.name().contains("_proj")) {
                    long elements = weight.shape().getFirst() * weight.shape().getLast();
                    bits += elements * weight.bitWidth();
                    weights += elements;
                    codes.add(weight.quantization());
                }
            }
            assertThat((double) bits / weights).isBetween(3.3, 3.5);
            assertThat(codes).hasSizeGreaterThan(1);
        }
    }

    @Test
    void another_text_is_another_recipe() {
        byte[] content = TEXT.content();
        CalibrationFile other =
                new CalibrationFile("other.jsonl", Arrays.copyOf(content, content.length / 2));
        try (SourceModel source = SourceModel.open(MODEL)) {
            Converter converter = new Converter(1).with(TextCalibrator.reading(other));
            assertThatExceptionOfType(EngineException.class)
                    .isThrownBy(() ->
                            converter.convert(
                                    source,
                                    recipe(64),
                                    new ArtifactStore(temp.resolve("refused")),
                                    new ConversionListener() {}))
                    .withMessageContaining("other.jsonl")
                    .withMessageContaining(TEXT.sha256());
            assertThatExceptionOfType(EngineException.class)
                    .isThrownBy(() ->
                            new Converter(1)
                                    .convert(
                                            source,
                                            recipe(64),
                                            new ArtifactStore(temp.resolve("refused")),
                                            new ConversionListener() {}))
                    .withMessageContaining("no calibration text");
        }
    }

    @Test
    void the_bundled_text_shares_no_document_with_the_held_out_one() throws IOException {
        Set<String> heldOut = new HashSet<>();
        for (String line : Files.readAllLines(HELD_OUT)) {
            heldOut.add(line.substring(line.indexOf("\"messages\"")));
        }
        List<String> text = new String(TEXT.content(), StandardCharsets.UTF_8).lines().toList();
        assertThat(text).hasSize(400);
        assertThat(text)
                .noneMatch(line -> heldOut.contains(line.substring(line.indexOf("\"messages\""))));
    }

    @Test
    void a_little_text_already_loses_less_than_rounding_to_nearest() {
        List<int[]> documents;
        try (ModelTokenizer tokenizer = ModelTokenizer.open(MODEL)) {
            documents = HeldOutText.read(HELD_OUT, ChatTemplate.open(MODEL), tokenizer, 512, 1000);
        }
        Recipe nearest = Recipe.parse("uint2");
        Recipe calibrated =
                nearest.calibrated(new Calibration(Calibration.Method.GPTQ, 1024, TEXT.sha256()));
        assertThat(divergence(calibrated, documents))
                .isLessThan(0.85 * divergence(nearest, documents));
    }

    private double divergence(Recipe recipe, List<int[]> documents) {
        try (Artifact artifact = convert(recipe, 2, "divergence", new ConversionListener() {});
                SourceModel source = SourceModel.open(MODEL);
                CpuExecutor quantized = CpuExecutor.open(artifact, CpuOptions.automatic());
                CpuExecutor baseline = CpuExecutor.open(source, CpuOptions.automatic())) {
            return ModelComparison.compare(quantized, baseline, documents, (done, of) -> true)
                    .meanDivergence();
        }
    }
}

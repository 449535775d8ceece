package dev.tokenlog.engine.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The bundled model against what transformers computed of it: the loss of each held-out document,
/// and what rounding to 8 and 4 bit does. The reference leaves activations in float, we round them
/// to 8 bit as well, so divergences agree within a margin and losses of the float model closely.
class BundledComparisonTest {

    private static final Path MODEL = TestFiles.demoModel();

    /// Of the 500 documents; the figures for all of them are measured by the validation processor.
    private static final int DOCUMENTS = 25;

    private static JsonNode heldOut;
    private static JsonNode rounded;
    private static List<int[]> documents;

    @TempDir Path temp;

    @BeforeAll
    static void read() throws IOException {
        JsonNode reference =
                TestMaterial.json(TestFiles.root().resolve("demo-model/reference.json"));
        heldOut = reference.path("held_out");
        rounded = reference.path("held_out_rounded");
        documents = documents(Long.MAX_VALUE);
    }

    private static List<int[]> documents(long maxTokens) {
        try (ModelTokenizer tokenizer = ModelTokenizer.open(MODEL)) {
            return HeldOutText.read(
                    TestFiles.root().resolve("demo-model/heldout.jsonl"),
                    ChatTemplate.open(MODEL),
                    tokenizer,
                    512,
                    maxTokens);
        }
    }

    @Test
    void readsTheDocumentsOfTheReference() {
        assertThat(documents).hasSize(heldOut.path("documents").intValue());
        for (int i = 0; i < documents.size(); i++) {
            assertThat(documents.get(i)).hasSize(heldOut.path("tokens").get(i).intValue() + 1);
        }
        assertThat(documents(100)).hasSizeLessThan(10);
    }

    @Test
    void floatLossesAreThoseOfTheReference() {
        try (SourceModel source = SourceModel.open(MODEL);
                CpuExecutor first = open(source);
                CpuExecutor second = open(source)) {
            for (int i = 0; i < 12; i++) {
                int positions = documents.get(i).length - 1;
                ComparisonReport report =
                        ModelComparison.compare(
                                first, second, List.of(documents.get(i)), (done, of) -> true);
                assertThat(Math.log(report.baselinePerplexity()) * positions)
                        .isCloseTo(
                                heldOut.path("negative_log_likelihood").get(i).doubleValue(),
                                within(2e-3));
                assertThat(report.meanDivergence()).isZero();
                assertThat(report.top1Agreement()).isEqualTo(1);
                assertThat(report.firstGreedyDivergence()).isEqualTo(positions);
                assertThat(report.perplexityRatio()).isEqualTo(1);
            }
        }
    }

    private static CpuExecutor open(dev.tokenlog.engine.artifact.Model model) {
        return CpuExecutor.open(model, CpuOptions.automatic());
    }

    @Test
    void eightBitsLoseNextToNothing() throws IOException {
        ComparisonReport report = compare(NumberCode.INT8);
        JsonNode reference = rounded.path("int8");
        assertThat(report.finite()).isTrue();
        assertThat(report.perplexityRatio()).isCloseTo(1, within(2e-3));
        assertThat(report.meanDivergence())
                .isBetween(
                        reference.path("mean_kl_divergence").doubleValue() / 2,
                        reference.path("mean_kl_divergence").doubleValue() * 20);
        assertThat(report.top1Agreement()).isGreaterThan(0.97);
    }

    @Test
    void fourBitsLoseWhatTheReferenceLoses() throws IOException {
        ComparisonReport report = compare(NumberCode.INT4);
        JsonNode reference = rounded.path("int4");
        double ratio =
                reference.path("perplexity").doubleValue()
                        / heldOut.path("perplexity").doubleValue();
        assertThat(report.perplexityRatio()).isCloseTo(ratio, within(5e-3));
        double divergence = reference.path("mean_kl_divergence").doubleValue();
        assertThat(report.meanDivergence()).isBetween(divergence / 2, divergence * 2);
        assertThat(report.top1Agreement())
                .isCloseTo(reference.path("top_1_agreement").doubleValue(), within(0.015));
        assertThat(report.divergence99()).isLessThan(report.divergence999());
        assertThat(report.divergence999()).isLessThanOrEqualTo(report.maxDivergence());
    }

    private ComparisonReport compare(NumberCode code) throws IOException {
        List<int[]> some = documents.subList(0, DOCUMENTS);
        long expected = 0;
        for (int i = 0; i < DOCUMENTS; i++) {
            expected += heldOut.path("tokens").get(i).intValue();
        }
        try (SourceModel source = SourceModel.open(MODEL);
                Artifact artifact = convert(source, code);
                CpuExecutor quantized = open(artifact);
                CpuExecutor baseline = open(source)) {
            ComparisonReport report =
                    ModelComparison.compare(quantized, baseline, some, (done, of) -> true);
            assertThat(report.positions()).isEqualTo(expected);
            assertThat(report.baselineNumericsId()).isEqualTo("float-1/kv32");
            assertThat(report.quantizedNumericsId()).isEqualTo("cpu-2/kv16");
            return report;
        }
    }

    private Artifact convert(SourceModel source, NumberCode code) {
        return new Converter(2)
                .convert(
                        source,
                        Recipe.of(code),
                        new ArtifactStore(temp.resolve("store")),
                        new ConversionListener() {});
    }

    @Test
    void stopsWhenAskedTo() {
        try (SourceModel source = SourceModel.open(MODEL);
                CpuExecutor executor = open(source)) {
            assertThatExceptionOfType(CancellationException.class)
                    .isThrownBy(() ->
                            ModelComparison.compare(
                                    executor, executor, documents, (done, of) -> false));
            assertThatExceptionOfType(EngineException.class)
                    .isThrownBy(() ->
                            ModelComparison.compare(
                                    executor, executor, List.of(new int[513]), (done, of) -> true))
                    .withMessageContaining("513 tokens");
        }
    }

    @Test
    void namesTheLineThatIsNoDocument() throws IOException {
        Path file = temp.resolve("text.jsonl");
        for (String line :
                new String[] {"{\"messages\": 5}", "{\"messages\": [5]}", "{}", "{", "7"}) {
            Files.writeString(
                    file, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n" + line);
            assertThatExceptionOfType(EngineException.class)
                    .isThrownBy(() -> read(file))
                    .withMessageContaining("text.jsonl, line 2");
        }
        Files.writeString(file, "\n\n");
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> read(file))
                .withMessageContaining("no line with messages");
        Files.write(file, new byte[] {'"', (byte) 0xff, '"'});
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> read(file))
                .withMessageContaining("not UTF-8");
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> read(temp.resolve("none")))
                .withMessageContaining("not found");
    }

    private static List<int[]> read(Path file) {
        try (ModelTokenizer tokenizer = ModelTokenizer.open(MODEL)) {
            return HeldOutText.read(file, ChatTemplate.open(MODEL), tokenizer, 512, 1000);
        }
    }
}

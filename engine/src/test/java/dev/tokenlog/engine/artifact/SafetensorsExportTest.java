package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.format.npy.NpyArray;
import dev.tokenlog.engine.quantize.Dequantizer;
import dev.tokenlog.engine.tensor.NumberCode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/// Out in the form of compressed-tensors, in again by our reader, and read by transformers where
/// that is here.
class SafetensorsExportTest {

    /// Opens a folder as any user would, and writes the weights that transformers computes with.
    private static final String DECODE =
            """
            import sys, numpy, torch
            from transformers import AutoModelForCausalLM, CompressedTensorsConfig
            folder, out, at_once, *names = sys.argv[1:]
            options = {"quantization_config": CompressedTensorsConfig(run_compressed=False)} if at_once == "true" else {}
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)
            model(torch.tensor([[3, 4, 5]]))  # decodes what loading has left in codes
            weights = dict(model.named_parameters())
            for name in names:
                numpy.save(out + "/" + name + ".npy", weights[name].detach().float().numpy())
            """;

    private static final String PRESENT =
            """
            import importlib.util, sys
            found = [importlib.util.find_spec(name) for name in ("torch", "transformers", "compressed_tensors")]
            sys.exit(0 if all(found) else 1)
            """;

    @TempDir Path temp;

    @ParameterizedTest
    @CsvSource({
        "llama, int4-g32",
        "llama, 'int4-g32,embedding=int4'",
        "llama, int8-g32",
        "llama, int2-row",
        "qwen2.5-tied, int8-row",
        "llama, uint4-g32",
        "llama, uint8-row",
        "llama, uint2-g32",
        "qwen3-moe, int4-row"
    })
    void anExportConvertsBackToTheSameDigest(String model, String recipe) throws IOException {
        try (Artifact artifact = converted(TestFiles.golden(model), recipe, "first")) {
            Path folder = temp.resolve("export");
            assertThat(SafetensorsExport.write(artifact, folder)).exists();
            assertThat(folder.resolve("model.safetensors.part")).doesNotExist();
            try (Artifact again = converted(folder, recipe, "second")) {
                assertThat(again.digest()).isEqualTo(artifact.digest());
                assertThat(again.manifest().weights())
                        .filteredOn(weight -> weight.shape().size() == 2 && weight.bitWidth() < 32)
                        .isNotEmpty()
                        .allSatisfy(weight -> assertThat(weight.takenOver()).isTrue());
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            mode = EnumSource.Mode.EXCLUDE,
            names = {"INT8", "INT4", "INT2", "UINT8", "UINT4", "UINT2"})
    void codesThatTheFormDoesNotHoldAreRefusedByName(NumberCode numberCode) {
        String code = numberCode.label();
        try (Artifact artifact = converted(TestFiles.golden("llama"), code, "first")) {
            Path folder = temp.resolve("export");
            assertThatThrownBy(() -> SafetensorsExport.write(artifact, folder))
                    .isInstanceOfSatisfying(
                            EngineException.class,
                            refusal -> assertThat(refusal.reason()).isEqualTo(Reason.UNSUPPORTED))
                    .hasMessageContainingAll("tensor '", "codes of " + code);
            assertThat(folder).doesNotExist();
        }
    }

    /// Rows of 160 are no whole groups of 64.
    @Test
    void aShorterLastGroupIsRefusedByName() {
        try (Artifact artifact = converted(TestFiles.golden("qwen2"), "int4-g64", "first")) {
            assertThatThrownBy(() -> SafetensorsExport.write(artifact, temp.resolve("export")))
                    .hasMessageContainingAll("down_proj", "of which the last is shorter");
        }
    }

    /// While it loads, transformers 5.23 decodes models of one kind of matrix; where there are
    /// more, in the first forward pass, which in turn does not suit a tied head.
    @ParameterizedTest
    @CsvSource({"qwen2.5-tied, int8-row, true", "llama, int4-g32, false"})
    void transformersReadsOurWeightsToTheBit(String model, String recipe, String atOnce)
            throws IOException, InterruptedException {
        assumeTrue(
                run(List.of(python(), "-c", PRESENT)) == 0,
                "skipped: no transformers with compressed-tensors in "
                        + python()
                        + "; TOKENLOG_PYTHON names a Python with them");
        try (Artifact artifact = converted(TestFiles.golden(model), recipe, "first")) {
            Path folder = temp.resolve("export");
            SafetensorsExport.write(artifact, folder);
            List<String> names =
                    List.of(
                            "model.embed_tokens.weight",
                            "model.layers.0.self_attn.q_proj.weight",
                            "model.layers.1.mlp.down_proj.weight");
            List<String> command =
                    new java.util.ArrayList<>(
                            List.of(
                                    python(),
                                    "-c",
                                    DECODE,
                                    folder.toString(),
                                    temp.toString(),
                                    atOnce));
            command.addAll(names);

            assertThat(run(command)).isZero();

            for (String name : names) {
                float[] theirs = NpyArray.read(temp.resolve(name + ".npy")).values();
                float[] ours = Dequantizer.all(artifact.matrix(name));
                if (!Arrays.equals(theirs, ours)) {
                    // Versions that multiply in the type of the scales round once more.
                    for (int i = 0; i < ours.length; i++) {
                        ours[i] = Float.float16ToFloat(Float.floatToFloat16(ours[i]));
                    }
                }
                assertThat(theirs).describedAs(name).isEqualTo(ours);
            }
        }
    }

    private static String python() {
        String named = System.getenv("TOKENLOG_PYTHON");
        return named == null ? "python3" : named;
    }

    private static int run(List<String> command) throws IOException, InterruptedException {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            String said =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor(300, TimeUnit.SECONDS)).isTrue();
            if (process.exitValue() != 0) {
                System.out.println(said);
            }
            return process.exitValue();
        } catch (IOException missing) {
            return -1;
        }
    }

    private Artifact converted(Path source, String recipe, String store) {
        try (SourceModel model = SourceModel.open(source)) {
            return new Converter(2)
                    .convert(
                            model,
                            Recipe.parse(recipe),
                            new ArtifactStore(temp.resolve(store)),
                            new ConversionListener() {});
        }
    }
}

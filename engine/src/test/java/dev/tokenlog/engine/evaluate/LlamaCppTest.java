package dev.tokenlog.engine.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.GgufExport;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.format.npy.NpyArray;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.Logits;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// llama.cpp computes our export of the very same weights. It rounds activations to 8 bits for each
/// 32 of them, so its logits are near ours, and its choice is another one only where ours was
/// close. `TOKENLOG_PYTHON` names a Python that has `llama_cpp` (default: `python3`).
class LlamaCppTest {

    private static final String TEXT =
            "Once upon a time, there was a little girl named Lily. She had 12 red balloons.";

    private static final String LOGITS =
            """
            import sys, numpy as np
            from llama_cpp import Llama
            model, text, ids, out = sys.argv[1:]
            ids = [int(id) for id in ids.split(",")]
            m = Llama(model, n_ctx=256, n_threads=1, verbose=False, logits_all=True)
            theirs = m.tokenize(text.encode(), add_bos=True, special=False)
            assert theirs == ids, (theirs, ids)
            m.eval(ids)
            np.save(out, np.array(m.scores[:len(ids)], dtype=np.float32))
            """;

    @TempDir Path temp;

    private static String python() {
        String named = System.getenv("TOKENLOG_PYTHON");
        return named == null ? "python3" : named;
    }

    private static int run(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(300, TimeUnit.SECONDS)).isTrue();
        if (process.exitValue() != 0) {
            System.out.println(said);
        }
        return process.exitValue();
    }

    private static boolean hasLlamaCpp() throws InterruptedException {
        try {
            Process probe =
                    new ProcessBuilder(python(), "-c", "import llama_cpp, numpy")
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start();
            return probe.waitFor() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"int8", "int4", "int4-g128"})
    void llama_cpp_computes_our_export(String recipe) throws IOException, InterruptedException {
        assumeTrue(
                hasLlamaCpp(),
                "skipped: no llama_cpp in " + python() + "; TOKENLOG_PYTHON names one with it");
        Path file = temp.resolve("out.gguf");
        try (SourceModel source = SourceModel.open(TestFiles.demoModel());
                Artifact artifact =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.parse(recipe),
                                        new ArtifactStore(temp.resolve("store")),
                                        new ConversionListener() {});
                ModelTokenizer tokenizer = ModelTokenizer.open(artifact.folder());
                CpuExecutor executor = CpuExecutor.open(artifact, CpuOptions.automatic())) {
            GgufExport.write(artifact, file, Optional.empty());
            int[] ids = tokenizer.encode(TEXT, true);
            Path out = temp.resolve("logits.npy");
            String list =
                    Arrays.stream(ids).mapToObj(String::valueOf).collect(Collectors.joining(","));

            assertThat(
                            run(
                                    List.of(
                                            python(),
                                            "-c",
                                            LOGITS,
                                            file.toString(),
                                            TEXT,
                                            list,
                                            out.toString())))
                    .isZero();

            compare(Logits.of(executor, ids), NpyArray.read(out).values());
        }
    }

    private static void compare(float[][] ours, float[] theirs) {
        int vocabulary = ours[0].length;
        double squares = 0;
        double noise = 0;
        for (int position = 0; position < ours.length; position++) {
            for (int id = 0; id < vocabulary; id++) {
                double own = ours[position][id];
                double other = theirs[position * vocabulary + id];
                squares += own * own;
                noise += (own - other) * (own - other);
            }
        }
        double rms = Math.sqrt(noise / theirs.length);
        assertThat(rms).isLessThan(0.1 * Math.sqrt(squares / theirs.length));
        for (int position = 0; position < ours.length; position++) {
            float[] row =
                    Arrays.copyOfRange(theirs, position * vocabulary, (position + 1) * vocabulary);
            float[] own = ours[position];
            assertThat(own[best(own)] - own[best(row)])
                    .as("position " + position)
                    .isLessThanOrEqualTo((float) (4 * rms));
        }
    }

    private static int best(float[] logits) {
        int best = 0;
        for (int id = 1; id < logits.length; id++) {
            best = logits[id] > logits[best] ? id : best;
        }
        return best;
    }
}

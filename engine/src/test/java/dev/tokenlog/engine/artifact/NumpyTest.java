package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.format.npy.NpyArray;
import dev.tokenlog.engine.quantize.Dequantizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What we write, read by numpy itself. `TOKENLOG_PYTHON` names a Python that has it (default:
/// `python3`).
class NumpyTest {

    private static final String DECODE =
            """
            import sys, numpy as np
            archive, tensor, out = sys.argv[1:]
            with np.load(archive, allow_pickle=False) as z:
                for key in z.files:
                    z[key]
                q = z[tensor + "_q4"]
                s = z[tensor + "_q4_scales"]
                zero = z[tensor + "_q4_zero_point"]
                assert list(q.shape) == list(z[tensor + "_shape"])
                s = np.repeat(s, int(z[tensor + "_group_size"]), axis=1)[:, :q.shape[1]]
                values = (q.astype(np.int32) - zero[:, None]).astype(np.float32) * s
                assert values.dtype == np.float32
                np.save(out, values)
            """;

    @TempDir Path temp;

    private static String python() {
        String named = System.getenv("TOKENLOG_PYTHON");
        return named == null ? "python3" : named;
    }

    private static int run(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(120, TimeUnit.SECONDS)).isTrue();
        if (process.exitValue() != 0) {
            System.out.println(said);
        }
        return process.exitValue();
    }

    private static boolean hasNumpy() throws InterruptedException {
        try {
            return run(List.of(python(), "-c", "import numpy")) == 0;
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void numpy_decodes_our_archive_to_the_same_bits() throws IOException, InterruptedException {
        assumeTrue(
                hasNumpy(),
                "skipped: no numpy in " + python() + "; TOKENLOG_PYTHON names a Python with it");
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"));
                Artifact artifact =
                        new Converter(1)
                                .convert(
                                        source,
                                        Recipe.parse("int4"),
                                        new ArtifactStore(temp.resolve("store")),
                                        new ConversionListener() {})) {
            NpzExport.Written written = NpzExport.write(artifact, temp.resolve("export"));
            String tensor = "model.layers.1.mlp.down_proj.weight";
            Path out = temp.resolve("values.npy");

            assertThat(
                            run(
                                    List.of(
                                            python(),
                                            "-c",
                                            DECODE,
                                            written.archive().toString(),
                                            tensor,
                                            out.toString())))
                    .isZero();

            assertThat(NpyArray.read(out).values())
                    .isEqualTo(Dequantizer.all(artifact.matrix(tensor)));
        }
    }
}

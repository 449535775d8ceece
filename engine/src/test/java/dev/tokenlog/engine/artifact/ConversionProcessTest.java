package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout.Declared;
import dev.tokenlog.engine.format.safetensors.SafetensorsWriter;
import dev.tokenlog.engine.tensor.DataType;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class ConversionProcessTest {

    @TempDir Path temp;

    private Process process;

    @AfterEach
    void end() {
        if (process != null) {
            process.destroyForcibly();
        }
    }

    private BufferedReader start(String heap, Path folder, Path store, int waitAfter)
            throws IOException {
        return start(command(heap, folder, store, waitAfter));
    }

    private static List<String> command(String heap, Path folder, Path store, int waitAfter) {
        return List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx" + heap,
                "-cp",
                System.getProperty("java.class.path"),
                ConversionProcess.class.getName(),
                folder.toString(),
                store.toString(),
                Integer.toString(waitAfter));
    }

    private BufferedReader start(List<String> command) throws IOException {
        process =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        return process.inputReader();
    }

    @Test
    void a_killed_conversion_goes_on_to_the_same_digest() throws Exception {
        Path folder = TestFiles.demoModel();
        ArtifactStore store = new ArtifactStore(temp.resolve("store"));
        BufferedReader out = start("64m", folder, store.root(), 25);
        for (int number = 1; number <= 25; number++) {
            assertThat(out.readLine()).isEqualTo("done " + number);
        }
        process.destroyForcibly();
        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(store.list()).isEmpty();

        List<Integer> resumed = new ArrayList<>();
        ConversionListener listener =
                new ConversionListener() {
                    @Override
                    public void resumed(int tensorsDone) {
                        resumed.add(tensorsDone);
                    }
                };
        try (SourceModel source = SourceModel.open(folder);
                Artifact again =
                        new Converter(1).convert(source, Recipe.parse("int4"), store, listener);
                Artifact undisturbed =
                        new Converter(1)
                                .convert(
                                        source,
                                        Recipe.parse("int4"),
                                        new ArtifactStore(temp.resolve("other")),
                                        new ConversionListener() {})) {
            // More may be done than the process was told of.
            assertThat(resumed).singleElement().matches(tensors -> tensors >= 25);
            assertThat(again.digest()).isEqualTo(undisturbed.digest());
            assertThat(again.manifestSha256()).isEqualTo(undisturbed.manifestSha256());
        }
    }

    /// What a killed process had begun with is never a file of another artifact.
    @Test
    void a_killed_conversion_goes_on_and_shares_what_another_model_has() throws Exception {
        ArtifactStore store = new ArtifactStore(temp.resolve("store"));
        Path other = TestFiles.copy(TestFiles.demoModel(), temp.resolve("other"));
        Files.writeString(other.resolve("generation_config.json"), "{\"eos_token_id\": 7}");
        String first = convert(other, store, new ArrayList<>());
        BufferedReader out = start("64m", TestFiles.demoModel(), store.root(), 25);
        for (int number = 1; number <= 25; number++) {
            assertThat(out.readLine()).isEqualTo("done " + number);
        }
        process.destroyForcibly();
        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        store.open(first, true).close();
        Files.createLink(
                store.root().resolve(".sharing.link"), // as if the next one was killed there
                store.root().resolve(first).resolve("weights-00001.safetensors"));

        List<ConversionListener.FileShared> shared = new ArrayList<>();
        String second = convert(TestFiles.demoModel(), store, shared);

        assertThat(second).isNotEqualTo(first);
        assertThat(shared)
                .isNotEmpty()
                .allMatch(file -> file.with().equals(first) && file.refused() == null);
        assertThat(store.root().resolve(".sharing.link")).doesNotExist();
        store.open(first, true).close();
        store.open(second, true).close();
    }

    private static String convert(
            Path folder, ArtifactStore store, List<ConversionListener.FileShared> shared) {
        ConversionListener listener =
                new ConversionListener() {
                    @Override
                    public void fileShared(FileShared file) {
                        shared.add(file);
                    }
                };
        try (SourceModel source = SourceModel.open(folder);
                Artifact artifact =
                        new Converter(2).convert(source, Recipe.parse("int4"), store, listener)) {
            return artifact.digest().orElseThrow();
        }
    }

    /// The system refuses to let any file grow beyond 2 MiB, as a full disk would.
    @Test
    void a_disk_that_takes_no_more_is_a_named_failure_and_the_next_attempt_succeeds()
            throws Exception {
        Path shell = Path.of("/bin/sh");
        assumeTrue(Files.isExecutable(shell), "skipped: no /bin/sh that could set a limit");
        ArtifactStore store = new ArtifactStore(temp.resolve("store"));
        List<String> command = new ArrayList<>();
        command.addAll(List.of(shell.toString(), "-c", "ulimit -f 4096; exec \"$@\"", "sh"));
        command.addAll(command("64m", TestFiles.demoModel(), store.root(), 0));

        String last = start(command).lines().toList().getLast();

        assertThat(last).startsWith("failed STORAGE_FAILED").contains("weights-00002.safetensors");
        assertThat(store.list()).isEmpty();
        try (SourceModel source = SourceModel.open(TestFiles.demoModel());
                Artifact artifact =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.parse("int4"),
                                        store,
                                        new ConversionListener() {})) {
            assertThat(store.list()).containsExactly(artifact.digest().orElseThrow());
        }
    }

    /// A tensor of 96 MiB goes through a heap of 40.
    @Test
    void memory_does_not_grow_with_the_model() throws Exception {
        Path folder = Files.createDirectories(temp.resolve("wide"));
        int vocabulary = 98_304;
        int hidden = 256;
        Files.writeString(
                folder.resolve("config.json"),
                """
                {"model_type": "llama", "vocab_size": %d, "hidden_size": %d,
                 "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
                 "tie_word_embeddings": true}
                """
                        .formatted(vocabulary, hidden));
        write(folder, vocabulary, hidden);

        BufferedReader out = start("40m", folder, temp.resolve("store"), 0);

        assertThat(out.lines().toList().getLast()).startsWith("digest sha256-");
        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
    }

    private static void write(Path folder, int vocabulary, int hidden) {
        String layer = "model.layers.0.";
        List<Declared> declared = new ArrayList<>();
        declared.add(declared("model.embed_tokens.weight", vocabulary, hidden));
        for (String name : List.of("q_proj", "k_proj", "v_proj", "o_proj")) {
            declared.add(declared(layer + "self_attn." + name + ".weight", hidden, hidden));
        }
        declared.add(declared(layer + "mlp.gate_proj.weight", 32, hidden));
        declared.add(declared(layer + "mlp.up_proj.weight", 32, hidden));
        declared.add(declared(layer + "mlp.down_proj.weight", hidden, 32));
        declared.add(declared(layer + "input_layernorm.weight", hidden));
        declared.add(declared(layer + "post_attention_layernorm.weight", hidden));
        declared.add(declared("model.norm.weight", hidden));
        SafetensorsLayout layout = new SafetensorsLayout(Map.of(), declared);
        Random random = new Random(9);
        ByteBuffer row = ByteBuffer.allocate(4 * 1024).order(ByteOrder.LITTLE_ENDIAN);
        try (SafetensorsWriter writer =
                new SafetensorsWriter(folder.resolve("model.safetensors"), layout)) {
            for (Declared tensor : declared) {
                for (long at = 0; at < tensor.bytes(); at += row.capacity()) {
                    row.clear().limit((int) Math.min(row.capacity(), tensor.bytes() - at));
                    while (row.hasRemaining()) {
                        row.putFloat(random.nextFloat() - 0.5f);
                    }
                    writer.write(tensor.name(), at, row.flip());
                }
            }
        }
    }

    private static Declared declared(String name, long... shape) {
        return new Declared(name, DataType.F32, java.util.Arrays.stream(shape).boxed().toList());
    }
}

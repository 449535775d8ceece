package dev.tokenlog.engine.hostile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.ThreadMXBean;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Inspection;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.format.npy.NpyArray;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.Sequence;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What is no file, what leads elsewhere, and what changes while it is read.
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HostileFilesTest {

    @TempDir Path temp;

    private Path model(String golden) {
        return TestFiles.copy(TestFiles.golden(golden), temp.resolve("model"));
    }

    private static void open(Path folder) {
        SourceModel.open(folder).close();
    }

    private static void convert(Path folder, Path store, ConversionListener listener) {
        try (SourceModel model = SourceModel.open(folder)) {
            new Converter(2)
                    .convert(model, Recipe.of(NumberCode.INT8), new ArtifactStore(store), listener)
                    .close();
        }
    }

    private static void assertRefused(ThrowingCallable call, Reason reason, String... parts) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).as(e.getMessage()).isEqualTo(reason))
                .hasMessageContainingAll(parts);
    }

    // --- what is no file

    @ParameterizedTest
    @ValueSource(
            strings = {
                "config.json",
                "model.safetensors",
                "model.safetensors.index.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "generation_config.json",
                "chat_template.jinja"
            })
    void a_pipe_or_a_folder_in_place_of_a_file_is_named_and_nobody_waits(String name)
            throws IOException, InterruptedException {
        Path folder = model("llama");
        Path file = folder.resolve(name);
        Files.deleteIfExists(file);
        Path store = temp.resolve("store");

        Files.createDirectory(file);
        assertRefused(
                () -> convert(folder, store, new ConversionListener() {}),
                Reason.SOURCE_UNREADABLE,
                name,
                "is a folder");

        Files.delete(file);
        assumeTrue(pipe(file), "skipped: mkfifo makes no pipe here");
        assertRefused(
                () -> convert(folder, store, new ConversionListener() {}),
                Reason.SOURCE_UNREADABLE,
                name,
                "is a pipe or device");
    }

    @Test
    void a_pipe_is_no_tokenizer_no_template_and_no_array()
            throws IOException, InterruptedException {
        Path folder = Files.createDirectory(temp.resolve("tokenizer"));
        Files.writeString(folder.resolve("tokenizer_config.json"), "{}");
        Path pipe = folder.resolve("tokenizer.json");
        assumeTrue(pipe(pipe), "skipped: mkfifo makes no pipe here");

        assertRefused(
                () -> ModelTokenizer.open(folder).close(),
                Reason.SOURCE_UNREADABLE,
                "tokenizer.json");
        assertRefused(() -> NpyArray.read(pipe), Reason.SOURCE_UNREADABLE, "tokenizer.json");

        Files.move(pipe, folder.resolve("chat_template.jinja"));
        assertRefused(
                () -> ChatTemplate.open(folder), Reason.SOURCE_UNREADABLE, "chat_template.jinja");
    }

    @Test
    void a_pipe_in_an_artifact_is_named() throws IOException, InterruptedException {
        Path folder = model("llama");
        Files.writeString(folder.resolve("generation_config.json"), "{}");
        Path store = temp.resolve("store");
        convert(folder, store, new ConversionListener() {});
        Path artifact = store.resolve(new ArtifactStore(store).list().getFirst());
        Path file = artifact.resolve("generation_config.json");
        Files.delete(file);
        assumeTrue(pipe(file), "skipped: mkfifo makes no pipe here");

        assertRefused(
                () -> Artifact.open(artifact, false).close(),
                Reason.MODEL_UNREADABLE,
                "generation_config.json");
    }

    private static boolean pipe(Path file) throws IOException, InterruptedException {
        return new ProcessBuilder("mkfifo", file.toString()).start().waitFor() == 0;
    }

    @Test
    void a_device_that_never_ends_is_refused() throws IOException {
        assumeTrue(Files.exists(Path.of("/dev/zero")), "skipped: there is no /dev/zero");
        Path folder = model("llama");
        Files.delete(folder.resolve("config.json"));
        Files.createSymbolicLink(folder.resolve("config.json"), Path.of("/dev/zero"));

        assertRefused(() -> open(folder), Reason.SOURCE_UNREADABLE, "config.json", "device");
        Files.delete(folder.resolve("config.json"));
    }

    @Test
    void a_file_that_may_not_be_read_is_named() throws IOException {
        Path folder = model("llama");
        Path file = folder.resolve("model.safetensors");
        assumeTrue(file.toFile().setReadable(false), "skipped: permissions cannot be taken away");
        assumeTrue(!Files.isReadable(file), "skipped: this user may read everything");

        assertRefused(
                () -> open(folder),
                Reason.SOURCE_UNREADABLE,
                "model.safetensors",
                "permission denied");
    }

    // --- links

    @Test
    void the_links_of_a_hub_cache_are_followed() throws IOException {
        Path golden = TestFiles.golden("llama-3.2");
        Path repository = temp.resolve("models--a--b");
        Path snapshot = Files.createDirectories(repository.resolve("snapshots/0123abcd"));
        Path blobs = Files.createDirectories(repository.resolve("blobs"));
        int number = 0;
        try (var files = Files.list(golden)) {
            for (Path file : files.toList()) {
                String blob = "b10b" + number++;
                Files.copy(file, blobs.resolve(blob));
                Files.createSymbolicLink(
                        snapshot.resolve(file.getFileName()), Path.of("../../blobs", blob));
            }
        }

        try (SourceModel model = SourceModel.open(snapshot)) {
            assertThat(model.weightFiles()).hasSize(3);
        }
        convert(snapshot, temp.resolve("store"), new ConversionListener() {});
        assertThat(new ArtifactStore(temp.resolve("store")).list()).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"config.json", "model.safetensors", "generation_config.json", "merges.txt"})
    void a_link_into_nowhere_or_into_itself_is_named(String name) throws IOException {
        Path folder = model("llama");
        Path file = folder.resolve(name);
        Path store = temp.resolve("store");
        Files.deleteIfExists(file);
        Files.createSymbolicLink(file, Path.of("../blobs/none"));
        assertRefused(
                () -> convert(folder, store, new ConversionListener() {}),
                Reason.SOURCE_NOT_FOUND,
                name,
                "is a link into nowhere");

        Files.delete(file);
        Files.createSymbolicLink(file, Path.of(name));
        assertRefused(
                () -> convert(folder, store, new ConversionListener() {}),
                Reason.SOURCE_UNREADABLE,
                name);
    }

    // --- shards

    @Test
    void a_shard_that_the_index_does_not_name_is_refused() throws IOException {
        Path folder = model("llama-3.2");
        Files.copy(
                folder.resolve("model-00002-of-00002.safetensors"),
                folder.resolve("model-00003-of-00003.safetensors"));

        assertRefused(
                () -> open(folder),
                Reason.SOURCE_UNREADABLE,
                "model-00003-of-00003.safetensors",
                "index.json does not name it");
    }

    @Test
    void two_sets_of_weights_are_refused() throws IOException {
        Path folder = model("llama-3.2");
        Files.copy(
                folder.resolve("model-00002-of-00002.safetensors"),
                folder.resolve("model.safetensors"));
        assertRefused(() -> open(folder), Reason.SOURCE_UNREADABLE, "model.safetensors: is there");

        Files.delete(folder.resolve("model.safetensors.index.json"));
        assertRefused(
                () -> open(folder), Reason.SOURCE_UNREADABLE, "-of-00002.safetensors: is there");
    }

    @Test
    void weights_of_other_programs_beside_the_model_are_left_alone() throws IOException {
        Path folder = model("llama");
        Files.writeString(folder.resolve("consolidated.safetensors"), "x");
        Files.writeString(folder.resolve("model.fp16.safetensors"), "x");

        open(folder);
    }

    @Test
    void a_folder_of_thousands_of_files_opens() throws IOException {
        Path folder = model("llama");
        for (int i = 0; i < 20_000; i++) {
            Files.createFile(folder.resolve("model" + i));
        }
        open(folder);
        Files.createFile(folder.resolve("model-00001-of-00002.safetensors"));
        assertRefused(() -> open(folder), Reason.SOURCE_UNREADABLE, "model-00001-of-00002");
    }

    // --- what changes while it is read

    @Test
    void a_weight_file_that_becomes_shorter_during_a_conversion_is_named() {
        Path folder = model("llama");

        assertRefused(
                () ->
                        convert(
                                folder,
                                temp.resolve("store"),
                                new ConversionListener() {
                                    @Override
                                    public void sourceFound(SourceFound found) {
                                        cut(folder.resolve("model.safetensors"));
                                    }
                                }),
                Reason.SOURCE_UNREADABLE,
                folder.toString(),
                "became shorter");
        assertThat(new ArtifactStore(temp.resolve("store")).list()).isEmpty();
    }

    @Test
    void a_weight_file_that_is_written_to_during_a_conversion_is_named() {
        Path folder = model("llama");
        Path file = folder.resolve("model.safetensors");

        assertRefused(
                () ->
                        convert(
                                folder,
                                temp.resolve("store"),
                                new ConversionListener() {
                                    @Override
                                    public void tensorDone(TensorDone done) {
                                        if (done.number() == 1) {
                                            write(file);
                                        }
                                    }
                                }),
                Reason.SOURCE_UNREADABLE,
                "model.safetensors",
                "changed while it was read");
        assertThat(new ArtifactStore(temp.resolve("store")).list()).isEmpty();
    }

    @Test
    void a_model_whose_file_becomes_shorter_fails_typed_while_it_runs() {
        Path folder = model("llama");
        try (SourceModel model = SourceModel.open(folder);
                CpuExecutor executor = CpuExecutor.open(model, CpuOptions.automatic())) {
            cut(folder.resolve("model.safetensors"));
            Batch batch = executor.newBatch(4, 1);
            Sequence sequence = executor.newSequence();
            sequence.fit(1);
            sequence.reserve(1);
            batch.add(sequence, 1, 0, true);

            assertRefused(
                    () -> executor.step(batch),
                    Reason.MODEL_UNREADABLE,
                    folder.toString(),
                    "became shorter");
        }
    }

    /// Twelve megabytes of file must not become gigabytes of buffers.
    @Test
    void a_small_file_of_very_wide_rows_runs_in_little_memory() throws IOException {
        Path folder = Files.createDirectory(temp.resolve("wide"));
        Files.writeString(
                folder.resolve("config.json"),
                """
                {"model_type": "llama", "vocab_size": 4, "hidden_size": 2,
                 "intermediate_size": 1048576, "num_hidden_layers": 1, "num_attention_heads": 1}
                """);
        zeros(folder);
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        // Vectors lie on the heap until the compiler has seen them.
        CpuOptions options = CpuOptions.automatic().withCompute("scalar").withThreads(1);
        try (SourceModel model = SourceModel.open(folder);
                CpuExecutor executor = CpuExecutor.open(model, options)) {
            Batch batch = executor.newBatch(10, 1);
            Sequence sequence = executor.newSequence();
            sequence.fit(10);
            sequence.reserve(10);
            for (int position = 0; position < 10; position++) {
                batch.add(sequence, 1, position, position == 9);
            }
            executor.step(batch);
            assertThat(sequence.isNonFinite()).isFalse();
        }

        assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(400L << 20);
    }

    /// Weights of the right shapes for the folder's configuration, all of them 0.
    private static void zeros(Path folder) throws IOException {
        ObjectNode header = TestMaterial.JSON.createObjectNode();
        long end = 0;
        for (PlannedTensor tensor :
                PlannedTensor.of(ModelPlans.read(folder.resolve("config.json")))) {
            long begin = end;
            end += 2 * tensor.elements();
            ObjectNode entry = header.putObject(tensor.name()).put("dtype", "BF16");
            tensor.shape().forEach(entry.withArray("shape")::add);
            entry.putArray("data_offsets").add(begin).add(end);
        }
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        Path file = folder.resolve("model.safetensors");
        try (RandomAccessFile weights = new RandomAccessFile(file.toFile(), "rw")) {
            weights.writeLong(Long.reverseBytes(json.length));
            weights.write(json);
            weights.setLength(8 + json.length + end);
        }
    }

    private static void cut(Path file) {
        try (RandomAccessFile weights = new RandomAccessFile(file.toFile(), "rw")) {
            weights.setLength(100);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static void write(Path file) {
        try (RandomAccessFile weights = new RandomAccessFile(file.toFile(), "rw")) {
            weights.seek(weights.length() - 4);
            weights.writeInt(0);
            Files.setLastModifiedTime(
                    file, java.nio.file.attribute.FileTime.fromMillis(1_000_000_000_000L));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    // --- encodings

    @ParameterizedTest
    @CsvSource({
        "config.json, SOURCE_UNREADABLE",
        "tokenizer_config.json, SOURCE_UNREADABLE",
        "special_tokens_map.json, SOURCE_UNREADABLE",
        "generation_config.json, SOURCE_UNREADABLE",
        "chat_template.jinja, SOURCE_UNREADABLE"
    })
    void a_byte_order_mark_and_another_encoding_are_named(String name, Reason reason)
            throws IOException {
        Path folder = Files.createDirectory(temp.resolve("model"));
        TestFiles.copy(TestFiles.resource("tokenizers/bpe-llama"), folder.resolve("t"));
        Path tokenizer = folder.resolve("t");
        ThrowingCallable read =
                name.endsWith("jinja")
                        ? () -> ChatTemplate.open(tokenizer)
                        : () -> ModelTokenizer.open(tokenizer).close();
        String text = "{\"eos_token\": \"é\"}";
        byte[] marked = ("\ufeff" + text).getBytes(StandardCharsets.UTF_8);

        Files.write(tokenizer.resolve(name), marked);
        assertRefused(read, reason, name, "byte order mark");
        Files.write(tokenizer.resolve(name), text.getBytes(StandardCharsets.ISO_8859_1));
        assertRefused(read, reason, name, "UTF-8");
        Files.write(tokenizer.resolve(name), text.getBytes(StandardCharsets.UTF_16));
        assertRefused(read, reason, name, "UTF-8");
    }

    /// Found by the fuzzer.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "added_tokens.json | {\"\": 999} | has no content",
                "added_tokens.json | {\"<x>\": -1} | the token id -1 is out of range",
                "tokenizer_config.json | {\"added_tokens_decoder\": [1]} | expected an object",
                "tokenizer_config.json | {\"added_tokens_decoder\": {\"9\": null}} | has no content"
            })
    void an_added_token_that_is_none_is_named(String name, String json, String why)
            throws IOException {
        Path folder = temp.resolve("tokenizer");
        TestFiles.copy(TestFiles.resource("tokenizers/bpe-llama"), folder);
        Files.writeString(folder.resolve(name), json);

        assertRefused(
                () -> ModelTokenizer.open(folder).close(), Reason.SOURCE_UNREADABLE, name, why);
    }

    // --- messages

    @Test
    void what_a_file_says_cannot_flood_or_paint_the_message() throws IOException {
        Path folder = model("llama");
        Files.writeString(
                folder.resolve("config.json"),
                "{\"model_type\": \"\\u001b[2J" + "x".repeat(900_000) + "\"}");

        assertThatThrownBy(() -> open(folder))
                .isInstanceOf(EngineException.class)
                .message()
                .hasSizeLessThan(5000)
                .doesNotContain("\u001b")
                .contains("'model_type'");
    }

    @Test
    void a_length_of_a_header_beyond_any_file_is_refused() throws IOException {
        Path file = temp.resolve("model.safetensors");
        Files.write(file, new byte[] {0, 0, 0, 0, 0, 0, 0, 16, '{', '}'});

        assertRefused(
                () -> Inspection.of(file), Reason.SOURCE_UNREADABLE, "1152921504606846976 bytes");
    }
}

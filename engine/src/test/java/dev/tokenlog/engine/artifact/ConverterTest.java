package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.quantize.Dequantizer;
import dev.tokenlog.engine.quantize.ErrorMeasures;
import dev.tokenlog.engine.tensor.NumberCode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConverterTest {

    @TempDir Path temp;

    private ArtifactStore store(String name) {
        return new ArtifactStore(temp.resolve(name));
    }

    private static String convert(Path folder, Recipe recipe, ArtifactStore store, int threads) {
        try (SourceModel source = SourceModel.open(folder);
                Artifact artifact =
                        new Converter(threads)
                                .convert(source, recipe, store, new ConversionListener() {})) {
            return artifact.digest().orElseThrow();
        }
    }

    private static Map<String, String> files(Path folder) throws IOException {
        Map<String, String> files = new TreeMap<>();
        try (Stream<Path> list = Files.list(folder)) {
            list.forEach(f -> files.put(f.getFileName().toString(), Digests.file(f).sha256()));
        }
        return files;
    }

    @ParameterizedTest
    @CsvSource({
        "int4, int4-g32, 5.0, 0.12",
        "int8, int8-g32, 8.51, 0.01",
        "int4-row, int4-row, 5.0, 0.35",
        "int8-g128, int8-g128, 8.2, 0.02"
    })
    void the_bundled_model_converts(
            String recipe, String quantization, double bitsPerWeight, double error) {
        try (SourceModel source = SourceModel.open(TestFiles.demoModel());
                Artifact artifact =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.parse(recipe),
                                        store("store"),
                                        new ConversionListener() {})) {
            Manifest manifest = artifact.manifest();

            assertThat(manifest.weights()).hasSize(1 + 6 * 9 + 1);
            assertThat(manifest.weights())
                    .filteredOn(w -> w.name().endsWith("_proj.weight"))
                    .hasSize(6 * 7)
                    .allMatch(w -> w.quantization().equals(quantization))
                    .allMatch(w -> w.errors().relativeL2() < error)
                    .allMatch(w -> w.errors().cosine() > 0.9);
            assertThat(manifest.weights().getFirst().quantization()).startsWith("int8-");
            assertThat(manifest.statistics().bitsPerWeight())
                    .isLessThan(bitsPerWeight + 0.6)
                    .isGreaterThan(bitsPerWeight - 0.6);
            assertThat(manifest.statistics().ratioToFp32())
                    .isCloseTo(32 / manifest.statistics().bitsPerWeight(), within(1e-9));
            assertThat(manifest.statistics().ratioToSource())
                    .isCloseTo(16 / manifest.statistics().bitsPerWeight(), within(1e-9));
            assertThat(artifact.folder().getFileName().toString())
                    .isEqualTo(artifact.digest().orElseThrow());
        }
    }

    @Test
    void the_errors_in_the_manifest_are_those_of_the_stored_codes() {
        try (SourceModel source = SourceModel.open(TestFiles.demoModel());
                Artifact artifact =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.of(NumberCode.INT4),
                                        store("store"),
                                        new ConversionListener() {})) {
            String name = "model.layers.3.mlp.down_proj.weight";
            float[] was = Dequantizer.all(source.matrix(name));
            float[] is = Dequantizer.all(artifact.matrix(name));
            ErrorMeasures errors = new ErrorMeasures();
            for (int i = 0; i < was.length; i++) {
                errors.add(was[i], is[i]);
            }

            Manifest.Errors noted =
                    artifact.manifest().weights().stream()
                            .filter(w -> w.name().equals(name))
                            .findFirst()
                            .orElseThrow()
                            .errors();

            assertThat(noted.relativeL2()).isCloseTo(errors.relativeL2(), within(1e-12));
            assertThat(noted.meanRelative()).isCloseTo(errors.meanRelative(), within(1e-12));
            assertThat(noted.max()).isEqualTo(errors.max());
            assertThat(noted.cosine()).isCloseTo(errors.cosine(), within(1e-12));
            assertThat(artifact.vector("model.norm.weight"))
                    .isEqualTo(source.vector("model.norm.weight"));
        }
    }

    @Test
    void threads_stores_and_interruptions_change_no_byte() throws IOException {
        Recipe recipe = Recipe.of(NumberCode.INT4);
        ArtifactStore one = store("one");
        ArtifactStore two = store("two");
        ArtifactStore cut = store("cut");
        String digest = convert(TestFiles.demoModel(), recipe, one, 1);

        assertThat(convert(TestFiles.demoModel(), recipe, two, 2)).isEqualTo(digest);
        assertThat(interrupted(recipe, cut, 20)).isEqualTo(20);
        Recorder recorder = new Recorder();
        try (SourceModel source = SourceModel.open(TestFiles.demoModel());
                Artifact artifact = new Converter(2).convert(source, recipe, cut, recorder)) {
            assertThat(artifact.digest()).hasValue(digest);
        }

        assertThat(recorder.resumed).isEqualTo(20);
        assertThat(recorder.done).hasSize(56);
        assertThat(recorder.done.subList(0, 20)).allMatch(ConversionListener.TensorDone::reused);
        assertThat(recorder.done.subList(20, 56)).noneMatch(ConversionListener.TensorDone::reused);
        Map<String, String> expected = files(one.find(digest).orElseThrow());
        assertThat(files(two.find(digest).orElseThrow())).isEqualTo(expected);
        assertThat(files(cut.find(digest).orElseThrow())).isEqualTo(expected);
        assertThat(cut.list()).containsExactly(digest);
        try (Stream<Path> work = Files.list(cut.root().resolve(".work"))) {
            assertThat(work).isEmpty();
        }
    }

    @Test
    void sparse_rows_have_their_zeros_and_say_what_was_lost() {
        Recipe recipe = Recipe.of(NumberCode.INT8).sparse(60);
        try (SourceModel source = SourceModel.open(TestFiles.demoModel());
                Artifact dense =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.of(NumberCode.INT8),
                                        store("dense"),
                                        new Recorder());
                Artifact sparse =
                        new Converter(2).convert(source, recipe, store("store"), new Recorder())) {
            assertThat(sparse.manifest().recipe().canonical()).endsWith(",lossy-sparsity=60");
            assertThat(sparse.manifest().quantization().formula())
                    .endsWith("; of rows whose 60 percent of least magnitude are 0");
            for (PlannedTensor planned : source.plannedTensors()) {
                Manifest.Weight weight = weight(sparse, planned.name());
                if (planned.kind() != PlannedTensor.Kind.MATRIX) {
                    assertThat(weight).isEqualTo(weight(dense, planned.name()));
                    continue;
                }
                // Against the source, not against what is left of it.
                assertThat(weight.errors().relativeL2()).isBetween(0.1, 0.5);
                float[] row = new float[planned.columns()];
                Dequantizer.row(sparse.matrix(planned.name()), 0, row);
                int zeros = 0;
                for (float each : row) {
                    zeros += each == 0 ? 1 : 0;
                }
                assertThat(zeros).isGreaterThanOrEqualTo(planned.columns() * 60 / 100);
            }
        }
    }

    private static Manifest.Weight weight(Artifact artifact, String name) {
        return artifact.manifest().weights().stream()
                .filter(each -> each.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    /// Converts until so many tensors are done, then throws. On one thread, which reads the digests
    /// first: on two, more tensors may be done than are told.
    private int interrupted(Recipe recipe, ArtifactStore store, int tensors) {
        Recorder recorder =
                new Recorder() {
                    @Override
                    public void tensorDone(TensorDone tensor) {
                        super.tensorDone(tensor);
                        if (tensor.number() == tensors) {
                            throw new IllegalStateException("the process dies here");
                        }
                    }
                };
        try (SourceModel source = SourceModel.open(TestFiles.demoModel())) {
            assertThatThrownBy(() -> new Converter(1).convert(source, recipe, store, recorder))
                    .hasMessage("the process dies here");
        }
        assertThat(store.list()).isEmpty();
        return recorder.done.size();
    }

    @Test
    void what_an_interrupted_conversion_left_is_believed_only_by_its_digest() throws IOException {
        Recipe recipe = Recipe.of(NumberCode.INT8);
        ArtifactStore store = store("store");
        interrupted(recipe, store, 5);
        Path work;
        try (Stream<Path> folders = Files.list(store.root().resolve(".work"))) {
            work = folders.findFirst().orElseThrow();
        }
        Path weights = work.resolve("artifact/weights-00001.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        long embedding = dataOffset(weights, "model.embed_tokens.weight");
        bytes[(int) embedding + 17] ^= 4;
        Files.write(weights, bytes);
        Path journal = work.resolve("journal.jsonl");
        Files.writeString(journal, Files.readString(journal) + "{\"name\":\"model.lay");

        Recorder recorder = new Recorder();
        try (SourceModel source = SourceModel.open(TestFiles.demoModel());
                Artifact artifact = new Converter(1).convert(source, recipe, store, recorder)) {
            assertThat(artifact.digest())
                    .hasValue(convert(TestFiles.demoModel(), recipe, store("other"), 1));
        }
        assertThat(recorder.resumed).isEqualTo(4);
    }

    private static long dataOffset(Path file, String tensor) {
        try (java.lang.foreign.Arena arena = java.lang.foreign.Arena.ofConfined()) {
            var header =
                    dev.tokenlog.engine.format.safetensors.SafetensorsFile.open(file, arena)
                            .header();
            long dataBytes = header.tensors().getLast().end();
            long begin =
                    header.tensors().stream()
                            .filter(t -> t.name().equals(tensor))
                            .findFirst()
                            .orElseThrow()
                            .begin();
            return Files.size(file) - dataBytes + begin;
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void several_files_hold_the_same_weights_under_the_same_digest() throws IOException {
        Recipe recipe = Recipe.of(NumberCode.INT8);
        ArtifactStore store = store("small");
        String digest = convert(TestFiles.golden("llama"), recipe, store("one"), 1);

        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"));
                Artifact artifact =
                        new Converter(1, 100_000)
                                .convert(source, recipe, store, new ConversionListener() {})) {
            assertThat(artifact.digest()).hasValue(digest);
            assertThat(files(artifact.folder())).containsKeys("weights-00002.safetensors");
        }
        Artifact.open(store.find(digest).orElseThrow(), true).close();
    }

    @Test
    void progress_rises_to_the_whole() {
        Recorder recorder = new Recorder();
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama-3.2"));
                Artifact artifact =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.of(NumberCode.INT4),
                                        store("store"),
                                        recorder)) {
            ConversionListener.SourceFound found = recorder.found;

            assertThat(found.family()).isEqualTo("llama");
            assertThat(found.dtype()).isEqualTo("BF16");
            assertThat(found.bytes()).isEqualTo(2 * found.parameters());
            assertThat(found.files())
                    .extracting(Manifest.FileEntry::path)
                    .containsExactly(
                            "config.json",
                            "model-00001-of-00002.safetensors",
                            "model-00002-of-00002.safetensors",
                            "model.safetensors.index.json");
            assertThat(recorder.done).hasSize(found.tensors());
            for (int i = 0; i < recorder.done.size(); i++) {
                assertThat(recorder.done.get(i).number()).isEqualTo(i + 1);
            }
            assertThat(recorder.done)
                    .extracting(ConversionListener.TensorDone::bytesDone)
                    .isSorted()
                    .endsWith(found.bytes());
            assertThat(artifact.manifest().statistics().parameters()).isEqualTo(found.parameters());
        }
    }

    @Test
    void a_cancelled_conversion_leaves_no_artifact() {
        ArtifactStore store = store("store");
        Recorder recorder =
                new Recorder() {
                    @Override
                    public boolean isCancelled() {
                        return done.size() >= 3;
                    }
                };
        try (SourceModel source = SourceModel.open(TestFiles.demoModel())) {
            assertThatThrownBy(() ->
                            new Converter(2)
                                    .convert(source, Recipe.of(NumberCode.INT4), store, recorder))
                    .isInstanceOf(CancellationException.class);
        }
        assertThat(recorder.done).hasSize(3);
        assertThat(store.list()).isEmpty();
        assertThat(store.deleteLeftovers(Duration.ofDays(1))).isZero();
        assertThat(store.deleteLeftovers(Duration.ofSeconds(-60))).isEqualTo(1);
    }

    @Test
    void an_interrupted_thread_ends_the_conversion() {
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"))) {
            Thread.currentThread().interrupt();
            assertThatThrownBy(() ->
                            new Converter(1)
                                    .convert(
                                            source,
                                            Recipe.of(NumberCode.INT4),
                                            store("store"),
                                            new ConversionListener() {}))
                    .isInstanceOf(CancellationException.class);
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    /// Tensors are converted while the files are read for their digests.
    @Test
    void what_was_found_is_told_before_the_first_tensor() {
        List<String> told = new ArrayList<>();
        try (SourceModel source = SourceModel.open(TestFiles.demoModel())) {
            new Converter(2)
                    .convert(
                            source,
                            Recipe.of(NumberCode.INT4),
                            store("store"),
                            new ConversionListener() {
                                @Override
                                public void sourceFound(SourceFound found) {
                                    told.add("source");
                                }

                                @Override
                                public void tensorDone(TensorDone tensor) {
                                    told.add(Integer.toString(tensor.number()));
                                }
                            })
                    .close();
        }
        List<String> expected =
                IntStream.rangeClosed(0, 1 + 6 * 9 + 1)
                        .mapToObj(number -> number == 0 ? "source" : Integer.toString(number))
                        .toList();
        assertThat(told).isEqualTo(expected);
    }

    /// For instance because the files are not those that the hub has.
    @Test
    void of_a_source_that_is_refused_nothing_is_told_and_nothing_stays() throws IOException {
        List<String> told = new ArrayList<>();
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"))) {
            assertThatThrownBy(() ->
                            new Converter(2)
                                    .convert(
                                            source,
                                            Recipe.of(NumberCode.INT4),
                                            store("store"),
                                            new ConversionListener() {
                                                @Override
                                                public void sourceFound(SourceFound found) {
                                                    throw new EngineException(
                                                            Reason.SOURCE_UNREADABLE,
                                                            "other files");
                                                }

                                                @Override
                                                public void tensorDone(TensorDone tensor) {
                                                    told.add(tensor.weight().name());
                                                }
                                            }))
                    .hasMessage("other files");
        }
        assertThat(told).isEmpty();
        assertThat(store("store").list()).isEmpty();
        assertThat(temp.resolve("store").resolve(".work")).isEmptyDirectory();
    }

    /// For instance because the log cannot be written at the moment.
    @Test
    void what_is_done_stays_where_nobody_can_be_told() {
        ArtifactStore store = store("store");
        Recorder recorder = new Recorder();
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"))) {
            assertThatThrownBy(() ->
                            new Converter(1)
                                    .convert(
                                            source,
                                            Recipe.of(NumberCode.INT4),
                                            store,
                                            new ConversionListener() {
                                                @Override
                                                public void sourceFound(SourceFound found) {
                                                    throw new IllegalStateException("no log");
                                                }
                                            }))
                    .hasMessage("no log");
            new Converter(1).convert(source, Recipe.of(NumberCode.INT4), store, recorder).close();
        }
        assertThat(recorder.resumed).isPositive();
    }

    @Test
    void a_conversion_that_is_stopped_tells_nothing_more() {
        ArtifactStore store = store("store");
        AtomicBoolean stopped = new AtomicBoolean();
        Recorder recorder =
                new Recorder() {
                    @Override
                    public void sourceFound(SourceFound found) {
                        stopped.set(true);
                    }

                    @Override
                    public boolean isCancelled() {
                        return stopped.get();
                    }
                };
        try (SourceModel source = SourceModel.open(TestFiles.demoModel())) {
            assertThatThrownBy(() ->
                            new Converter(2)
                                    .convert(source, Recipe.of(NumberCode.INT4), store, recorder))
                    .isInstanceOf(CancellationException.class);
        }
        assertThat(recorder.done).isEmpty();
        assertThat(store.list()).isEmpty();
    }

    /// A process that was killed before it knew the digests leaves what nobody goes on with.
    @Test
    void what_was_begun_and_never_named_goes_when_the_next_conversion_begins() throws IOException {
        ArtifactStore store = store("store");
        Path work = temp.resolve("store").resolve(".work");
        WorkFolder.lock(work.resolve("begun-killed")).orElseThrow().close();
        Files.writeString(work.resolve("begun-killed").resolve("artifact").resolve("file"), "x");
        try (WorkFolder running = WorkFolder.lock(work.resolve("begun-running")).orElseThrow()) {
            convert(TestFiles.golden("llama"), Recipe.of(NumberCode.INT4), store, 1);

            assertThat(work.resolve("begun-killed")).doesNotExist();
            assertThat(running.artifact()).isDirectory();
        }
    }

    /// What was read of other bytes is not there for the next attempt, which is of the right ones.
    @Test
    void a_source_that_is_changed_and_put_right_again_gives_the_right_artifact()
            throws IOException {
        Recipe recipe = Recipe.of(NumberCode.INT4);
        ArtifactStore store = store("store");
        Path folder = TestFiles.copy(TestFiles.demoModel(), temp.resolve("source"));
        Path file = folder.resolve("model.safetensors");
        byte[] right = Files.readAllBytes(file);
        byte[] wrong = right.clone();
        Arrays.fill(wrong, wrong.length / 2, wrong.length, (byte) 0x3c);
        Recorder recorder =
                new Recorder() {
                    @Override
                    public void tensorDone(TensorDone tensor) {
                        super.tensorDone(tensor);
                        if (tensor.number() == 5) {
                            overwrite(file, wrong);
                        }
                    }
                };
        try (SourceModel source = SourceModel.open(folder)) {
            assertThatThrownBy(() -> new Converter(1).convert(source, recipe, store, recorder))
                    .isInstanceOf(EngineException.class)
                    .hasMessageContaining("model.safetensors: changed while it was read");
        }
        assertThat(recorder.done).hasSize(5);
        overwrite(file, right);

        assertThat(convert(folder, recipe, store, 1))
                .isEqualTo(convert(TestFiles.demoModel(), recipe, store("other"), 1));
    }

    private static void overwrite(Path file, byte[] bytes) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(bytes), 0);
            Files.setLastModifiedTime(
                    file, FileTime.from(Files.getLastModifiedTime(file).toInstant().plusMillis(1)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Its bytes are mapped and can still be converted, but not read for their digest.
    @Test
    void a_file_that_is_gone_before_its_digest_is_named() throws IOException {
        Path folder = TestFiles.copy(TestFiles.golden("llama"), temp.resolve("source"));
        Path file = folder.resolve("model.safetensors");
        for (int threads : new int[] {1, 2}) {
            try (SourceModel source = SourceModel.open(folder)) {
                Path away = Files.move(file, temp.resolve("away"));
                assertThatThrownBy(() ->
                                new Converter(threads)
                                        .convert(
                                                source,
                                                Recipe.of(NumberCode.INT4),
                                                store("store"),
                                                new Recorder()))
                        .isInstanceOfSatisfying(
                                EngineException.class,
                                e ->
                                        assertThat(e.reason())
                                                .isIn(
                                                        Reason.SOURCE_UNREADABLE,
                                                        Reason.SOURCE_NOT_FOUND))
                        .hasMessageContaining("model.safetensors");
                Files.move(away, file);
            }
        }
        assertThat(temp.resolve("store").resolve(".work")).isEmptyDirectory();
    }

    @Test
    void a_deletion_that_was_cut_off_goes_on_when_the_next_conversion_begins() throws IOException {
        ArtifactStore store = store("store");
        Path work = temp.resolve("store").resolve(".work");
        Path cut = Files.createDirectories(work.resolve("deleted-1").resolve("artifact"));
        Files.writeString(cut.resolve("file"), "x");
        Files.setLastModifiedTime(
                cut.getParent(), FileTime.from(Instant.now().minus(Duration.ofHours(1))));
        Path going = Files.createDirectories(work.resolve("deleted-2"));

        convert(TestFiles.golden("llama"), Recipe.of(NumberCode.INT4), store, 1);

        assertThat(cut.getParent()).doesNotExist();
        assertThat(going).exists();
    }

    @Test
    void converting_again_repairs_a_broken_artifact() throws IOException {
        Recipe recipe = Recipe.of(NumberCode.INT4);
        ArtifactStore store = store("store");
        String digest = convert(TestFiles.golden("llama"), recipe, store, 1);
        Path weights = store.find(digest).orElseThrow().resolve("weights-00001.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 1] ^= 1;
        Files.write(weights, bytes);

        assertThat(convert(TestFiles.golden("llama"), recipe, store, 1)).isEqualTo(digest);

        store.open(digest, true).close();
    }

    @Test
    void a_store_that_cannot_be_written_is_named() throws IOException {
        Path file = Files.writeString(temp.resolve("file"), "not a folder");
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"))) {
            assertThatThrownBy(() ->
                            new Converter(1)
                                    .convert(
                                            source,
                                            Recipe.of(NumberCode.INT4),
                                            new ArtifactStore(file.resolve("store")),
                                            new ConversionListener() {}))
                    .isInstanceOfSatisfying(
                            EngineException.class,
                            e -> assertThat(e.reason()).isEqualTo(Reason.STORAGE_FAILED))
                    .hasMessageContaining(file.toString());
        }
    }

    private static class Recorder implements ConversionListener {
        final List<TensorDone> done = new ArrayList<>();
        SourceFound found;
        int resumed;

        @Override
        public void sourceFound(SourceFound source) {
            found = source;
        }

        @Override
        public void resumed(int tensorsDone) {
            resumed = tensorsDone;
        }

        @Override
        public void tensorDone(TensorDone tensor) {
            done.add(tensor);
        }
    }
}

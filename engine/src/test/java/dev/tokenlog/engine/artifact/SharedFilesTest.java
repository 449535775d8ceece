package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.artifact.ConversionListener.FileShared;
import dev.tokenlog.engine.format.safetensors.SafetensorsFile;
import dev.tokenlog.engine.format.safetensors.TensorInfo;
import dev.tokenlog.engine.tensor.Matrix;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Two models with the same embedding: a base and what was made of it.
class SharedFilesTest {

    private static final String EMBEDDING = "weights-00001.safetensors";
    private static final String LAYERS = "weights-00002.safetensors";

    @TempDir Path temp;

    private Path base;
    private Path tuned;
    private ArtifactStore store;

    @BeforeEach
    void models() {
        base = TestFiles.copy(TestFiles.golden("llama"), temp.resolve("base"));
        tuned = changed("tuned", "model.layers.0.self_attn.q_proj.weight");
        store = new ArtifactStore(temp.resolve("store"));
    }

    /// The base with other numbers at the front of a tensor.
    private Path changed(String name, String tensor) {
        Path folder = TestFiles.copy(base, temp.resolve(name));
        Path file = folder.resolve("model.safetensors");
        try (Arena arena = Arena.ofConfined()) {
            List<TensorInfo> tensors = SafetensorsFile.open(file, arena).header().tensors();
            long end = tensors.stream().mapToLong(TensorInfo::end).max().orElseThrow();
            long begin =
                    tensors.stream()
                            .filter(each -> each.name().equals(tensor))
                            .findFirst()
                            .orElseThrow()
                            .begin();
            byte[] bytes = Files.readAllBytes(file);
            int first = Math.toIntExact(bytes.length - end + begin);
            for (int i = 3; i < 256; i += 4) {
                bytes[first + i] ^= (byte) 0x80; // the sign of a float of any size
            }
            Files.write(file, bytes);
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private record Converted(String digest, List<FileShared> shared) {}

    private Converted convert(Path folder, String recipe) {
        return convert(folder, recipe, store);
    }

    private static Converted convert(Path folder, String recipe, ArtifactStore store) {
        List<FileShared> shared = new ArrayList<>();
        ConversionListener listener =
                new ConversionListener() {
                    @Override
                    public void fileShared(FileShared file) {
                        shared.add(file);
                    }
                };
        try (SourceModel source = SourceModel.open(folder);
                Artifact artifact =
                        new Converter(2).convert(source, Recipe.parse(recipe), store, listener)) {
            return new Converted(artifact.digest().orElseThrow(), shared);
        }
    }

    private Path file(String digest, String name) {
        return store.root().resolve(digest).resolve(name);
    }

    private static void assumeHardLinks(Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("a"), "a");
        try {
            Files.createLink(folder.resolve("b"), file);
        } catch (IOException | UnsupportedOperationException e) {
            assumeTrue(false, "skipped: no hard links in " + folder + ": " + e.getMessage());
        }
    }

    @Test
    void an_equal_embedding_is_one_file_and_the_layers_are_not() throws IOException {
        assumeHardLinks(temp);
        Converted first = convert(base, "int4");
        Converted second = convert(tuned, "int4");

        assertThat(first.shared()).isEmpty();
        assertThat(second.digest()).isNotEqualTo(first.digest());
        assertThat(second.shared())
                .contains(
                        new FileShared(
                                EMBEDDING,
                                Files.size(file(first.digest(), EMBEDDING)),
                                first.digest(),
                                null))
                .noneMatch(shared -> shared.file().equals(LAYERS));
        assertThat(file(second.digest(), EMBEDDING))
                .satisfies(f ->
                        assertThat(Files.isSameFile(f, file(first.digest(), EMBEDDING))).isTrue());
        assertThat(Files.isSameFile(file(second.digest(), LAYERS), file(first.digest(), LAYERS)))
                .isFalse();
        store.open(first.digest(), true).close();
        store.open(second.digest(), true).close();
    }

    @Test
    void sharing_changes_no_digest_and_no_byte() {
        Converted shared = convert(base, "int4");
        convert(tuned, "int4");
        ArtifactStore alone = new ArtifactStore(temp.resolve("alone"));

        assertThat(convert(tuned, "int4", alone).digest())
                .isEqualTo(convert(tuned, "int4").digest());
        assertThat(convert(base, "int4", alone).digest()).isEqualTo(shared.digest());
        for (String digest : store.list()) {
            for (Path file : SharedFiles.weightFiles(store.root().resolve(digest))) {
                assertThat(file)
                        .hasSameBinaryContentAs(
                                alone.root().resolve(digest).resolve(file.getFileName()));
            }
        }
    }

    @Test
    void the_disk_holds_it_once() throws IOException {
        assumeHardLinks(temp);
        Converted first = convert(base, "int4");
        Converted second = convert(tuned, "int4");

        StoreUsage usage = store.usage();

        long shared = second.shared().stream().mapToLong(FileShared::bytes).sum();
        assertThat(shared).isPositive();
        assertThat(usage.bytes() - usage.bytesOnDisk()).isEqualTo(shared);
        assertThat(usage.artifacts())
                .allMatch(entry -> entry.sharedBytes() == shared && entry.problem() == null)
                .allMatch(entry -> entry.bytes() > shared)
                .extracting(StoreUsage.Entry::digest)
                .containsExactlyInAnyOrder(first.digest(), second.digest());
        assertThat(usage.artifacts().getFirst().sharedWith())
                .containsExactly(usage.artifacts().getLast().digest());
    }

    @Test
    void deleting_one_leaves_the_other_whole() throws IOException {
        Converted first = convert(base, "int4");
        Converted second = convert(tuned, "int4");
        try (Stream<Path> files = Files.list(store.root().resolve(first.digest()))) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }

        store.open(second.digest(), true).close();
        assertThat(store.list()).containsExactly(second.digest());
    }

    @Test
    void another_code_of_the_same_embedding_is_another_file() {
        Converted first = convert(base, "int4,embedding=int4");
        Converted second = convert(base, "int8");

        assertThat(second.shared()).isEmpty();
        assertThat(second.digest()).isNotEqualTo(first.digest());
    }

    @Test
    void a_damaged_twin_is_never_shared() throws IOException {
        Converted first = convert(base, "int4");
        Path twin = file(first.digest(), EMBEDDING);
        byte[] bytes = Files.readAllBytes(twin);
        bytes[bytes.length / 2] ^= 1;
        Files.write(twin, bytes);

        Converted second = convert(tuned, "int4");

        assertThat(second.shared()).noneMatch(shared -> shared.file().equals(EMBEDDING));
        store.open(second.digest(), true).close();
        assertThatThrownBy(() -> store.open(first.digest(), true))
                .hasMessageContaining("model.embed_tokens.weight");
    }

    @Test
    void converting_again_repairs_only_the_broken_one_of_two() throws IOException {
        Converted first = convert(base, "int4");
        Converted second = convert(tuned, "int4");
        Path layers = file(second.digest(), LAYERS);
        byte[] bytes = Files.readAllBytes(layers);
        bytes[bytes.length - 1] ^= 1;
        Files.write(layers, bytes);

        assertThat(convert(tuned, "int4").digest()).isEqualTo(second.digest());

        store.open(first.digest(), true).close();
        store.open(second.digest(), true).close();
    }

    @Test
    void without_hard_links_each_has_its_copy_and_the_reason_is_said() throws IOException {
        store =
                new ArtifactStore(
                        temp.resolve("store"),
                        (link, existing) -> {
                            throw new FileSystemException(
                                    link.toString(), existing.toString(), "no links here");
                        });
        Converted first = convert(base, "int4");
        Converted second = convert(tuned, "int4");

        assertThat(second.shared())
                .filteredOn(shared -> shared.file().equals(EMBEDDING))
                .singleElement()
                .satisfies(shared -> assertThat(shared.refused()).contains("no links here"));
        assertThat(
                        Files.isSameFile(
                                file(first.digest(), EMBEDDING), file(second.digest(), EMBEDDING)))
                .isFalse();
        assertThat(store.usage().bytes()).isEqualTo(store.usage().bytesOnDisk());
        store.open(first.digest(), true).close();
        store.open(second.digest(), true).close();
    }

    @Test
    void a_process_maps_it_once_for_as_long_as_anybody_uses_it() throws IOException {
        assumeHardLinks(temp);
        Converted first = convert(base, "int4");
        Converted second = convert(tuned, "int4");
        String name = "model.embed_tokens.weight";
        Artifact one = store.open(first.digest(), false);
        Artifact two = store.open(second.digest(), false);

        Matrix.Quantized mine = (Matrix.Quantized) two.matrix(name);
        assertThat(mine.codes().address())
                .isEqualTo(((Matrix.Quantized) one.matrix(name)).codes().address());
        one.close();
        byte still = mine.codes().get(ValueLayout.JAVA_BYTE, 0);
        two.close();
        assertThatThrownBy(() -> mine.codes().get(ValueLayout.JAVA_BYTE, 0))
                .isInstanceOf(IllegalStateException.class);
        try (Artifact again = store.open(second.digest(), false)) {
            assertThat(
                            ((Matrix.Quantized) again.matrix(name))
                                    .codes()
                                    .get(ValueLayout.JAVA_BYTE, 0))
                    .isEqualTo(still);
        }
        assertThatThrownBy(two::close).isInstanceOf(IllegalStateException.class);
    }

    /// As conversions wrote them before: all tensors in one file.
    @Test
    void an_artifact_of_one_file_is_read_as_before() throws IOException {
        Converted now = convert(base, "int8");
        Path old = TestFiles.copy(store.root().resolve(now.digest()), temp.resolve("old"));
        OneFile.rewrite(old);

        try (Artifact artifact = Artifact.open(old, true)) {
            assertThat(artifact.digest()).hasValue(now.digest());
        }
        assertThat(SharedFiles.weightFiles(old)).hasSize(1);
    }

    @Test
    void every_flipped_byte_of_every_file_is_named() throws IOException {
        Converted whole = convert(base, "int4");
        Path folder = TestFiles.copy(store.root().resolve(whole.digest()), temp.resolve("flips"));
        java.util.Random random = new java.util.Random(5);
        List<Path> files;
        try (Stream<Path> list = Files.list(folder)) {
            files = list.sorted().toList();
        }
        for (Path file : files) {
            byte[] good = Files.readAllBytes(file);
            for (int round = 0; round < 30; round++) {
                byte[] bad = good.clone();
                bad[random.nextInt(bad.length)] ^= (byte) (1 << random.nextInt(8));
                Files.write(file, bad);
                if (file.endsWith(ModelFiles.MANIFEST)) {
                    continue; // names, errors and statistics are not part of any digest
                }
                assertThatThrownBy(() -> Artifact.open(folder, true).close())
                        .isInstanceOf(EngineException.class)
                        .hasMessageContaining(file.getFileName().toString());
            }
            Files.write(file, good);
        }
        Artifact.open(folder, true).close();
    }
}

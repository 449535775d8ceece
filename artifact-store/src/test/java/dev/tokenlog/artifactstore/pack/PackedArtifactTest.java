package dev.tokenlog.artifactstore.pack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.artifactstore.provenance.Algorithm;
import dev.tokenlog.artifactstore.provenance.ProvenanceFile;
import dev.tokenlog.artifactstore.provenance.SigningKey;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PackedArtifactTest {

    @TempDir Path temp;

    private Artifact artifact(String recipe) {
        Path model =
                Path.of(System.getProperty("tokenlog.root"))
                        .resolve("engine/src/test/resources/golden/llama");
        try (SourceModel source = SourceModel.open(model)) {
            return new Converter(1)
                    .convert(
                            source,
                            Recipe.parse(recipe),
                            new ArtifactStore(temp.resolve("made")),
                            new ConversionListener() {});
        }
    }

    private ArtifactStore elsewhere() {
        return new ArtifactStore(temp.resolve("elsewhere"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"int4", "int8"})
    void what_was_packed_comes_back_byte_for_byte(String recipe) throws IOException {
        Path file = temp.resolve("model.tlpack");
        try (Artifact artifact = artifact(recipe)) {
            SigningKey key = SigningKey.create(temp.resolve("key.pem"), Algorithm.ECDSA_P256);
            ProvenanceFile.sign(
                    artifact,
                    new ProvenanceFile.Invocation("x", null, null, Instant.now(), Instant.now()),
                    key);
            PackedArtifact.Packed packed = PackedArtifact.pack(artifact, file);
            assertThat(Files.size(file)).isEqualTo(packed.packedBytes());
            assertThat(PackedArtifact.digest(file)).isEqualTo(artifact.manifest().modelDigest());

            Path folder = PackedArtifact.unpack(file, elsewhere());

            try (Stream<Path> files = Files.list(artifact.folder())) {
                for (Path each : files.toList()) {
                    assertThat(folder.resolve(each.getFileName())).hasSameBinaryContentAs(each);
                }
            }
            try (Artifact again = Artifact.open(folder, true)) {
                assertThat(ProvenanceFile.require(again, List.of(key.publicKey())))
                        .isEqualTo(key.publicKey());
            }
        }
    }

    /// Wherever a byte is changed, cut off or added: refused, and what belongs to a tensor is named
    /// by it.
    @Test
    void every_changed_byte_is_found_and_named() throws IOException {
        Path file = temp.resolve("model.tlpack");
        PackIndex index;
        try (Artifact artifact = artifact("int4")) {
            PackedArtifact.pack(artifact, file);
            try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
                index = PackIndex.read(in, file);
            }
        }
        byte[] whole = Files.readAllBytes(file);
        Path broken = temp.resolve("broken.tlpack");
        Random random = new Random(3);
        long at = PackIndex.BEGIN.length;
        int tensors = 0;
        for (PackIndex.PackedFile each : index.files()) {
            for (PackIndex.Piece piece : each.pieces()) {
                flip(whole, (int) at + random.nextInt(piece.packed()), broken);
                assertRefused(
                        broken, piece.tensor() == null ? each.name() : "'" + piece.tensor() + "'");
                tensors += piece.tensor() == null ? 0 : 1;
                at += piece.packed();
            }
        }
        assertThat(tensors).isGreaterThan(20);
        for (int position = 0; position < PackIndex.BEGIN.length; position++) {
            flip(whole, position, broken);
            assertRefused(broken, "begin or end");
        }
        for (int position = (int) at; position < whole.length; position += 11) {
            flip(whole, position, broken);
            assertRefused(broken, "broken.tlpack");
        }
        for (int length = 0; length < whole.length; length += 1 + whole.length / 40) {
            Files.write(broken, Arrays.copyOf(whole, length));
            assertRefused(broken, "broken.tlpack");
        }
        assertThat(elsewhere().list()).isEmpty();
    }

    private static void flip(byte[] whole, int position, Path broken) throws IOException {
        byte[] changed = whole.clone();
        changed[position] ^= 0x10;
        Files.write(broken, changed);
    }

    private void assertRefused(Path broken, String named) {
        assertThatThrownBy(() -> PackedArtifact.unpack(broken, elsewhere()))
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> {
                            assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE);
                            assertThat(e.getMessage()).contains(named);
                        });
    }

    /// An index that is sound by its own digest, and lies.
    @Test
    void an_index_that_means_ill_is_refused() throws IOException {
        Path file = temp.resolve("model.tlpack");
        PackIndex index;
        try (Artifact artifact = artifact("int4")) {
            PackedArtifact.pack(artifact, file);
            try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
                index = PackIndex.read(in, file);
            }
        }
        PackIndex.PackedFile second = index.files().get(1);
        for (String name :
                new String[] {"../outside", "/etc/passwd", "unknown.json", "manifest.json", ""}) {
            assertRefused(
                    with(
                            file,
                            index,
                            new PackIndex.PackedFile(name, second.bytes(), second.pieces())),
                    "no file of this artifact");
        }
        PackIndex.Piece piece = second.pieces().getFirst();
        for (PackIndex.Piece lie :
                new PackIndex.Piece[] {
                    new PackIndex.Piece(null, 1, piece.packed(), 1 << 30, piece.sha256()),
                    new PackIndex.Piece(null, 1, piece.packed(), -1, piece.sha256()),
                    new PackIndex.Piece(null, 0, piece.packed(), piece.bytes(), piece.sha256()),
                    new PackIndex.Piece(null, 1, -piece.packed(), piece.bytes(), piece.sha256()),
                    new PackIndex.Piece(null, 1, piece.packed(), piece.bytes(), null),
                    new PackIndex.Piece(null, 1, piece.packed(), piece.bytes() - 1, piece.sha256()),
                    new PackIndex.Piece(null, 1, piece.packed(), piece.bytes() + 1, piece.sha256())
                }) {
            assertRefused(
                    with(
                            file,
                            index,
                            new PackIndex.PackedFile(second.name(), lie.bytes(), List.of(lie))),
                    second.name());
        }
        assertThat(temp.resolve("outside")).doesNotExist();
    }

    private Path with(Path file, PackIndex index, PackIndex.PackedFile second) throws IOException {
        List<PackIndex.PackedFile> files = new java.util.ArrayList<>(index.files());
        files.set(1, second);
        byte[] whole = Files.readAllBytes(file);
        int end =
                PackIndex.BEGIN.length
                        + index.files().stream()
                                .flatMap(each -> each.pieces().stream())
                                .mapToInt(PackIndex.Piece::packed)
                                .sum();
        byte[] lying = new PackIndex(index.modelDigest(), files).bytes();
        byte[] all = Arrays.copyOf(whole, end + lying.length);
        System.arraycopy(lying, 0, all, end, lying.length);
        return Files.write(temp.resolve("lying.tlpack"), all);
    }

    @Test
    void planes_come_back_and_their_entropy_is_that_of_their_frequencies() {
        byte[] numbers = new byte[1001];
        new Random(5).nextBytes(numbers);
        for (int width = 1; width <= 8; width++) {
            assertThat(Planes.join(Planes.split(numbers, numbers.length, width), width))
                    .isEqualTo(numbers);
        }
        byte[] two = new byte[1024];
        Arrays.fill(two, 0, 512, (byte) 7);
        assertThat(Planes.entropyBits(two, 1)).isEqualTo(1024.0);
        assertThat(Planes.entropyBits(two, 2)).isZero();
    }
}

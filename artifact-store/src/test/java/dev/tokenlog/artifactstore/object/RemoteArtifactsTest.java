package dev.tokenlog.artifactstore.object;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

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
import java.io.InputStream;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Artifacts in a folder and in a store that speaks the S3 protocol, from one machine's store to
/// another's.
class RemoteArtifactsTest {

    @TempDir static Path shared;
    @TempDir Path temp;

    private static S3Server s3;
    private static Artifact made;
    private static String digest;

    private ArtifactStore here;

    @BeforeAll
    static void convert() throws Exception {
        s3 = S3Server.start(shared.resolve("s3"));
        Path model =
                Path.of(System.getProperty("tokenlog.root"))
                        .resolve("engine/src/test/resources/golden/llama");
        try (SourceModel source = SourceModel.open(model)) {
            made =
                    new Converter(1)
                            .convert(
                                    source,
                                    Recipe.parse("int8"),
                                    new ArtifactStore(shared.resolve("made")),
                                    new ConversionListener() {});
        }
        digest = made.manifest().modelDigest();
        sign(SigningKey.create(shared.resolve("key.pem"), Algorithm.ED25519));
    }

    private static void sign(SigningKey key) {
        ProvenanceFile.sign(
                made,
                new ProvenanceFile.Invocation("x", null, null, Instant.now(), Instant.now()),
                key);
    }

    @AfterAll
    static void end() throws Exception {
        made.close();
        s3.close();
    }

    @BeforeEach
    void open() {
        S3Server.credentials(S3Server.ID, S3Server.SECRET);
        here = new ArtifactStore(temp.resolve("here"));
    }

    private ObjectStore store(String kind) {
        return kind.equals("s3")
                ? s3.settings(S3Server.BUCKET + "/" + temp.getFileName()).open()
                : ObjectStoreSettings.of(temp.resolve("there").toString()).open();
    }

    private static void assertRefused(Reason reason, ThrowingCallable call, String... named) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> {
                            assertThat(e.reason()).isEqualTo(reason);
                            assertThat(e.getMessage()).contains(named);
                            for (Throwable t = e; t != null; t = t.getCause()) {
                                assertThat(String.valueOf(t.getMessage()))
                                        .doesNotContain(S3Server.SECRET)
                                        .doesNotContain("wrong-secret");
                            }
                        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"folder", "s3"})
    void what_is_published_is_fetched_whole_with_its_statements(String kind) {
        SigningKey key = SigningKey.create(temp.resolve("key.pem"), Algorithm.ED25519);
        sign(key);
        try (RemoteArtifacts remote = new RemoteArtifacts(store(kind))) {
            assertThat(remote.has(digest)).isFalse();
            assertRefused(
                    Reason.MODEL_UNREADABLE,
                    () -> remote.fetch(digest, here),
                    digest,
                    "there is no artifact");
            String address = remote.publish(made, () -> {});
            assertThat(address).endsWith(digest).startsWith(kind.equals("s3") ? "s3://" : "/");

            ArtifactFinder finder = new ArtifactFinder(here, Optional.of(remote));
            assertThat(finder.weightBytes(digest, address))
                    .isEqualTo(made.manifest().statistics().bytes());
            assertThat(here.list()).isEmpty();
            Path folder = finder.folder(digest, address);

            assertThat(folder).isEqualTo(here.find(digest).orElseThrow());
            try (Artifact fetched = Artifact.open(folder, true)) {
                assertThat(fetched.manifestSha256()).isEqualTo(made.manifestSha256());
                assertThat(ProvenanceFile.require(fetched, List.of(key.publicKey())))
                        .isEqualTo(key.publicKey());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"folder", "s3"})
    void every_changed_file_is_found_and_named_and_nothing_loads(String kind) throws IOException {
        try (ObjectStore objects = store(kind);
                RemoteArtifacts remote = new RemoteArtifacts(objects)) {
            remote.publish(made, () -> {});
            for (ObjectStore.Entry entry : objects.list(digest + "/")) {
                if (entry.key().contains("provenance-")) {
                    continue;
                }
                Path whole = temp.resolve("whole");
                Path changed = temp.resolve("changed");
                try (InputStream in = objects.read(entry.key(), 0, entry.bytes())) {
                    Files.write(whole, in.readAllBytes());
                }
                byte[] bytes = Files.readAllBytes(whole);
                bytes[bytes.length - 2] ^= 1;
                Files.write(changed, bytes);
                objects.write(entry.key(), changed);

                // The manifest ends with a line feed and a brace: no JSON any more.
                boolean weights = entry.key().contains("weights-");
                assertRefused(
                        Reason.MODEL_UNREADABLE,
                        () -> remote.fetch(digest, here),
                        weights
                                ? "tensor"
                                : entry.key().substring(entry.key().lastIndexOf('/') + 1));
                assertThat(here.list()).isEmpty();
                objects.write(entry.key(), whole);
            }
            assertThat(remote.fetch(digest, here)).isDirectory();
        }
    }

    @Test
    void wrong_credentials_buckets_and_addresses_are_typed_and_say_nothing_secret()
            throws Exception {
        assertRefused(
                Reason.SOURCE_NOT_FOUND,
                () -> fetch(s3.settings("no-such-bucket")),
                "s3://no-such-bucket/" + digest,
                "404");
        assertRefused(
                Reason.SOURCE_NOT_FOUND,
                () -> publish(s3.settings("no-such-bucket")),
                "no-such-bucket");
        S3Server.credentials(S3Server.ID, "wrong-secret");
        assertRefused(
                Reason.SOURCE_FORBIDDEN, () -> fetch(s3.settings(S3Server.BUCKET)), "credentials");
        assertRefused(
                Reason.SOURCE_FORBIDDEN,
                () -> publish(s3.settings(S3Server.BUCKET)),
                "credentials");
        S3Server.credentials("nobody", "wrong-secret");
        assertRefused(
                Reason.SOURCE_FORBIDDEN, () -> fetch(s3.settings(S3Server.BUCKET)), "credentials");
        int port;
        try (ServerSocket socket = new ServerSocket(0)) {
            port = socket.getLocalPort();
        }
        ObjectStoreSettings nobodyThere =
                new ObjectStoreSettings(
                        "s3://models",
                        Optional.of(URI.create("http://127.0.0.1:" + port)),
                        Optional.empty());
        assertRefused(Reason.SOURCE_UNAVAILABLE, () -> fetch(nobodyThere), "cannot be reached");
        assertRefused(
                Reason.PARAMETER_OUT_OF_RANGE,
                () -> ObjectStoreSettings.of("s3://UPPER CASE").open(),
                "s3://BUCKET");
    }

    @Test
    void a_request_whose_connection_ends_without_an_answer_is_made_again() throws Exception {
        Path file = Files.write(temp.resolve("file"), new byte[100_000]);
        try (BreakingProxy proxy = new BreakingProxy(s3.endpoint());
                ObjectStore objects =
                        new ObjectStoreSettings(
                                        "s3://" + S3Server.BUCKET + "/" + temp.getFileName(),
                                        Optional.of(proxy.endpoint()),
                                        Optional.empty())
                                .open()) {
            List<ThrowingCallable> requests =
                    List.of(
                            () -> objects.write("a", file),
                            () -> assertThat(objects.size("a")).hasValue(100_000),
                            () -> {
                                try (InputStream in = objects.read("a", 50_000, 50_000)) {
                                    assertThat(in.readAllBytes()).hasSize(50_000);
                                }
                            },
                            () -> assertThat(objects.list("")).hasSize(1),
                            () -> objects.delete("a"));
            for (int i = 0; i < requests.size(); i++) {
                proxy.toBreak.set(2);
                assertThatCode(requests.get(i)).as("request %d", i).doesNotThrowAnyException();
                assertThat(proxy.broken.get()).isEqualTo(2 * (i + 1));
            }
            assertRefused(
                    Reason.STORAGE_FAILED,
                    () -> objects.write("a", temp.resolve("nothing")),
                    "nothing: cannot be read");
        }
    }

    private void fetch(ObjectStoreSettings settings) {
        try (RemoteArtifacts remote = RemoteArtifacts.open(settings)) {
            remote.fetch(digest, here);
        }
    }

    private void publish(ObjectStoreSettings settings) {
        try (RemoteArtifacts remote = RemoteArtifacts.open(settings)) {
            remote.publish(made, () -> {});
        }
    }

    /// A store whose connections break, or whose answers end early, for a while.
    private static class Unreliable implements ObjectStore {
        private final ObjectStore objects;
        private final AtomicInteger left;
        final AtomicLong bytesRead = new AtomicLong();
        final ConcurrentHashMap<String, Boolean> written = new ConcurrentHashMap<>();

        Unreliable(ObjectStore objects, int cuts) {
            this.objects = objects;
            this.left = new AtomicInteger(cuts);
        }

        @Override
        public InputStream read(String key, long from, long length) throws IOException {
            boolean cut = left.getAndDecrement() > 0;
            byte[] bytes;
            try (InputStream in = objects.read(key, from, length)) {
                bytes = in.readNBytes((int) (cut ? length / 2 : length));
            }
            bytesRead.addAndGet(bytes.length);
            InputStream whole = new java.io.ByteArrayInputStream(bytes);
            if (!cut) {
                return whole;
            }
            return new java.io.SequenceInputStream(
                    whole,
                    new InputStream() {
                        @Override
                        public int read() throws IOException {
                            throw new IOException("connection reset");
                        }
                    });
        }

        @Override
        public String address(String key) {
            return objects.address(key);
        }

        @Override
        public OptionalLong size(String key) {
            return objects.size(key);
        }

        @Override
        public void write(String key, Path file) {
            written.put(key, true);
            objects.write(key, file);
        }

        @Override
        public void delete(String key) {
            objects.delete(key);
        }

        @Override
        public List<Entry> list(String prefix) {
            return objects.list(prefix);
        }

        @Override
        public void close() {
            objects.close();
        }
    }

    @Test
    void cut_connections_are_gone_on_with_and_nothing_is_read_twice() {
        try (RemoteArtifacts remote = new RemoteArtifacts(store("folder"))) {
            remote.publish(made, () -> {});
        }
        Unreliable unreliable = new Unreliable(store("folder"), 3);
        long bytes = unreliable.list(digest).stream().mapToLong(ObjectStore.Entry::bytes).sum();

        assertThat(new RemoteArtifacts(unreliable).fetch(digest, here)).isDirectory();
        assertThat(unreliable.bytesRead.get()).isEqualTo(bytes);
    }

    @Test
    void after_a_failure_the_next_attempt_fetches_only_what_is_missing() {
        try (RemoteArtifacts remote = new RemoteArtifacts(store("folder"))) {
            remote.publish(made, () -> {});
        }
        ObjectStore objects = store("folder");
        long bytes = objects.list(digest).stream().mapToLong(ObjectStore.Entry::bytes).sum();
        // The manifest and some files arrive, then everything breaks for as long as anybody tries.
        AtomicInteger reads = new AtomicInteger();
        Unreliable broken =
                new Unreliable(objects, 0) {
                    @Override
                    public InputStream read(String key, long from, long length) throws IOException {
                        if (reads.getAndIncrement() > 2) {
                            // A failure interrupts the others: what they read before is noted then.
                            await().until(() -> notedUnder(here.root()) == 2);
                            throw new EngineException(Reason.SOURCE_UNAVAILABLE, "gone");
                        }
                        return super.read(key, from, length);
                    }
                };
        assertRefused(
                Reason.SOURCE_UNAVAILABLE,
                () -> new RemoteArtifacts(broken).fetch(digest, here),
                "gone");
        assertThat(here.list()).isEmpty();
        long manifest = objects.size(digest + "/manifest.json").orElseThrow();
        Unreliable well = new Unreliable(objects, 0);
        new RemoteArtifacts(well).fetch(digest, here);

        assertThat(broken.bytesRead.get() + well.bytesRead.get())
                .as("all but the manifest once")
                .isEqualTo(bytes + manifest);
    }

    private static long notedUnder(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(file -> file.toString().endsWith(".pieces"))
                    .filter(file -> file.toFile().length() > 0)
                    .count();
        }
    }

    @Test
    void a_publication_that_was_cut_off_is_not_there_and_goes_on() {
        ObjectStore objects = store("folder");
        Unreliable first =
                new Unreliable(objects, 0) {
                    @Override
                    public void write(String key, Path file) {
                        if (written.size() == 2) {
                            throw new EngineException(Reason.STORAGE_FAILED, "gone");
                        }
                        super.write(key, file);
                    }
                };
        assertRefused(
                Reason.STORAGE_FAILED,
                () -> new RemoteArtifacts(first).publish(made, () -> {}),
                "gone");
        RemoteArtifacts remote = new RemoteArtifacts(objects);
        assertThat(remote.has(digest)).isFalse();
        assertThat(remote.list()).singleElement().matches(stored -> !stored.whole());

        Unreliable second = new Unreliable(objects, 0);
        new RemoteArtifacts(second).publish(made, () -> {});

        first.written.keySet().removeIf(key -> key.endsWith("/config.json"));
        assertThat(first.written).hasSize(1);
        assertThat(second.written.keySet())
                .as("config.json again, so that what was left is young")
                .contains(digest + "/config.json")
                .doesNotContainAnyElementsOf(first.written.keySet());
        assertThat(remote.fetch(digest, here)).isDirectory();
    }

    @ParameterizedTest
    @ValueSource(strings = {"folder", "s3"})
    void a_damaged_object_stays_where_only_sizes_are_looked_at_and_is_mended_by_bytes(String kind)
            throws IOException {
        ObjectStore objects = store(kind);
        RemoteArtifacts remote = new RemoteArtifacts(objects);
        remote.publish(made, () -> {});
        String key =
                objects.list(digest).stream()
                        .map(ObjectStore.Entry::key)
                        .filter(each -> each.endsWith(".safetensors"))
                        .findFirst()
                        .orElseThrow();
        byte[] bytes =
                Files.readAllBytes(made.folder().resolve(key.substring(digest.length() + 1)));
        bytes[bytes.length - 1] ^= 1;
        objects.write(key, Files.write(temp.resolve("damaged"), bytes));

        remote.publish(made, () -> {});
        assertRefused(Reason.MODEL_UNREADABLE, () -> remote.fetch(digest, here), "tensor");

        List<String> mended = new ArrayList<>();
        remote.mend(made, () -> {}, mended::add);
        assertThat(mended).containsExactly(objects.address(key));
        assertThat(remote.fetch(digest, here)).isDirectory();
        mended.clear();
        remote.mend(made, () -> {}, mended::add);
        assertThat(mended).isEmpty();
    }

    /// It would be as full five attempts later.
    @Test
    void a_full_disk_ends_the_fetch_at_once_and_is_called_so() {
        try (RemoteArtifacts remote = new RemoteArtifacts(store("folder"))) {
            remote.publish(made, () -> {});
        }
        Unreliable counted = new Unreliable(store("folder"), 0);
        String key = digest + "/config.json";
        long size = counted.size(key).orElseThrow();
        AtomicInteger writes = new AtomicInteger();
        Fetcher fetcher =
                new Fetcher(
                        counted,
                        temp,
                        temp,
                        (_, _, _) -> {
                            writes.incrementAndGet();
                            throw new IOException("No space left on device");
                        });
        assertRefused(
                Reason.STORAGE_FAILED,
                () ->
                        fetcher.fetch(
                                List.of(new RemoteArtifacts.Download(key, "config.json", size))),
                "config.json",
                "cannot be written: No space left on device");
        assertThat(writes).hasValue(1);
        assertThat(temp.resolve("config.json.pieces")).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"folder", "s3"})
    void whose_the_store_is_stands_in_a_note_beside_the_artifacts(String kind) {
        RemoteArtifacts remote = new RemoteArtifacts(store(kind));
        remote.publish(made, () -> {});
        assertThat(remote.owner()).isEmpty();
        remote.claim("cluster-1");
        assertThat(remote.owner()).contains("cluster-1");
        assertThat(remote.list())
                .singleElement()
                .extracting(RemoteArtifacts.Stored::digest)
                .isEqualTo(digest);
    }

    @Test
    void a_folder_may_be_a_link(@TempDir Path folder) throws Exception {
        Path real = Files.createDirectory(folder.resolve("real"));
        Path link = Files.createSymbolicLink(folder.resolve("link"), real);
        try (RemoteArtifacts remote = new RemoteArtifacts(new FolderObjects(link))) {
            remote.publish(made, () -> {});
            assertThat(remote.list()).hasSize(1);
            assertThat(remote.fetch(digest, here)).isDirectory();
        }
    }

    @Test
    void two_who_fetch_the_same_at_once_fetch_it_once() {
        try (RemoteArtifacts remote = new RemoteArtifacts(store("folder"))) {
            remote.publish(made, () -> {});
        }
        Unreliable counted = new Unreliable(store("folder"), 0);
        long bytes = counted.list(digest).stream().mapToLong(ObjectStore.Entry::bytes).sum();
        RemoteArtifacts remote = new RemoteArtifacts(counted);
        List<CompletableFuture<Path>> both =
                Stream.generate(() ->
                                CompletableFuture.supplyAsync(() -> remote.fetch(digest, here)))
                        .limit(2)
                        .toList();

        assertThat(both).allSatisfy(each -> assertThat(each.join()).isDirectory());
        assertThat(counted.bytesRead.get()).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"folder", "s3"})
    void large_files_go_in_pieces(String kind) throws Exception {
        byte[] bytes = new byte[40 << 20];
        new java.util.Random(7).nextBytes(bytes);
        Path file = Files.write(temp.resolve("large"), bytes);
        try (ObjectStore objects = store(kind)) {
            objects.write("a/large", file);
            new Fetcher(objects, temp.resolve("got"), temp)
                    .fetch(List.of(new RemoteArtifacts.Download("a/large", "large", bytes.length)));

            assertThat(Arrays.equals(Files.readAllBytes(temp.resolve("got/large")), bytes))
                    .isTrue();
            assertThat(objects.list("a/"))
                    .singleElement()
                    .matches(entry -> entry.bytes() == bytes.length);
            objects.delete("a/large");
            objects.delete("a/large");
            assertThat(objects.list("")).isEmpty();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"folder", "s3"})
    void old_artifacts_are_deleted_and_young_ones_stay(String kind) {
        try (RemoteArtifacts remote = new RemoteArtifacts(store(kind))) {
            remote.publish(made, () -> {});
            assertThat(remote.delete(digest, Instant.now().minusSeconds(3600))).isFalse();
            assertThat(remote.has(digest)).isTrue();
            assertThat(remote.delete(digest, Instant.now().plusSeconds(60))).isTrue();
            assertThat(remote.list()).isEmpty();
        }
    }
}

package dev.tokenlog.conversion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.artifactstore.hub.HubSettings;
import dev.tokenlog.artifactstore.object.RemoteArtifacts;
import dev.tokenlog.artifactstore.provenance.Algorithm;
import dev.tokenlog.artifactstore.provenance.ProvenanceFile;
import dev.tokenlog.artifactstore.provenance.SigningKey;
import dev.tokenlog.contracts.ConversionEvent.ArtifactWritten;
import dev.tokenlog.contracts.ConversionEvent.ConversionAccepted;
import dev.tokenlog.contracts.ConversionEvent.ConversionCancelled;
import dev.tokenlog.contracts.ConversionEvent.ConversionFailed;
import dev.tokenlog.contracts.ConversionEvent.ConversionFinished;
import dev.tokenlog.contracts.ConversionEvent.ConversionResumed;
import dev.tokenlog.contracts.ConversionEvent.ManifestPublished;
import dev.tokenlog.contracts.ConversionEvent.ProvenanceSigned;
import dev.tokenlog.contracts.ConversionEvent.SourceResolved;
import dev.tokenlog.contracts.ConversionEvent.TensorConverted;
import dev.tokenlog.contracts.ConversionRequest;
import dev.tokenlog.contracts.ConversionRequest.Calibration;
import dev.tokenlog.contracts.ConversionRequest.ConversionCancelRequested;
import dev.tokenlog.contracts.ConversionRequest.ConversionRequested;
import dev.tokenlog.contracts.ConversionRequest.Recipe;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.Converter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The desk with the real engine on the bundled model, and a log in memory.
class ConversionDeskTest {

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @TempDir Path folder;

    private final MemoryConversionLog log = new MemoryConversionLog();
    private final List<Long> acknowledged = new CopyOnWriteArrayList<>();
    private final AtomicInteger connections = new AtomicInteger();
    private volatile SigningKey signing;
    private RemoteArtifacts remote;
    private ConversionDesk desk;
    private long offset;

    /// Of the worker: how it reaches the hub.
    private final Map<String, String> hub = new ConcurrentHashMap<>(Map.of("HF_HUB_OFFLINE", "1"));

    @BeforeEach
    void open() {
        desk = desk(folder.resolve("artifacts"));
        desk.start();
    }

    @AfterEach
    void close() {
        desk.close();
    }

    private ConversionDesk desk(Path artifacts) {
        return new ConversionDesk(
                new ConversionRun.Workshop(
                        new ArtifactStore(artifacts),
                        new Converter(2),
                        () -> new Hub(HubSettings.of(hub, folder)),
                        () -> Optional.ofNullable(signing),
                        Optional.ofNullable(remote),
                        "worker"),
                () -> {
                    connections.incrementAndGet();
                    return log;
                },
                2,
                Duration.ofMillis(10));
    }

    @Test
    void tellsAWholeConversionInOrder() {
        submit(request("c1", DemoModel.folder()));
        awaitAcknowledged(1);

        assertThat(log.types().stream().distinct())
                .containsExactly(
                        "ConversionAccepted",
                        "SourceResolved",
                        "TensorConverted",
                        "ArtifactWritten",
                        "ModelManifest",
                        "ManifestPublished",
                        "ConversionFinished");
        SourceResolved source = log.all(SourceResolved.class).getFirst();
        assertThat(source.family()).isEqualTo("llama");
        assertThat(source.files()).extracting(f -> f.path()).contains("model.safetensors");

        List<TensorConverted> tensors = log.all(TensorConverted.class);
        // Six layers of seven matrices and two norms, the embedding and the last norm.
        assertThat(tensors).hasSize(6 * 9 + 2);
        assertThat(tensors.getLast().of()).isEqualTo(tensors.size());
        assertThat(tensors.getLast().bytesDone()).isEqualTo(tensors.getLast().bytesTotal());
        assertThat(tensors).extracting(TensorConverted::number).isSorted().doesNotHaveDuplicates();
        assertThat(tensors).extracting(TensorConverted::bytesDone).isSorted();

        ArtifactWritten written = log.all(ArtifactWritten.class).getFirst();
        ModelManifest manifest = log.all(ModelManifest.class).getFirst();
        assertThat(manifest.modelId()).isEqualTo("demo");
        assertThat(manifest.modelDigest()).isEqualTo(written.modelDigest());
        assertThat(manifest.quantization()).isEqualTo("int4-g32");
        assertThat(manifest.source()).isEqualTo(DemoModel.folder().toString());
        try (Artifact artifact = Artifact.open(Path.of(manifest.location()), true)) {
            assertThat(artifact.digest()).contains(manifest.modelDigest());
        }
        ConversionFinished finished = log.all(ConversionFinished.class).getFirst();
        assertThat(finished.ratioToFp32()).isGreaterThan(4);
    }

    @Test
    void withAKeyTheArtifactIsSignedAndTheManifestNamesTheStatement() {
        signing = SigningKey.create(folder.resolve("keys/signing.pem"), Algorithm.ECDSA_P256);
        submit(request("c1", DemoModel.folder()));
        awaitAcknowledged(1);

        assertThat(log.types().stream().distinct())
                .containsExactly(
                        "ConversionAccepted",
                        "SourceResolved",
                        "TensorConverted",
                        "ArtifactWritten",
                        "ProvenanceSigned",
                        "ModelManifest",
                        "ManifestPublished",
                        "ConversionFinished");
        ProvenanceSigned signed = log.all(ProvenanceSigned.class).getFirst();
        ModelManifest manifest = log.all(ModelManifest.class).getFirst();
        assertThat(manifest.provenance()).isEqualTo(signed.provenance());
        assertThat(signed.manifestSha256()).isEqualTo(manifest.manifestSha256());
        assertThat(signed.provenance().keyId()).isEqualTo(signing.publicKey().id());
        try (Artifact artifact = Artifact.open(Path.of(manifest.location()), true)) {
            assertThat(ProvenanceFile.require(artifact, List.of(signing.publicKey())))
                    .isEqualTo(signing.publicKey());
        }
    }

    /// The bundled model, as the hub's client would have downloaded it.
    private Path cachedDemo(String commit) throws IOException {
        hub.put("HF_HOME", folder.resolve("home").toString());
        Path repository = folder.resolve("home/hub/models--org--Demo");
        Path snapshot = Files.createDirectories(repository.resolve("snapshots/" + commit));
        try (Stream<Path> files = Files.list(DemoModel.folder())) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.copy(file, snapshot.resolve(file.getFileName()));
            }
        }
        Files.createDirectories(repository.resolve("refs"));
        Files.writeString(repository.resolve("refs/main"), commit);
        return snapshot;
    }

    @Test
    void aModelOfTheHubIsNamedByItsCommit() throws IOException {
        String commit = "0123456789abcdef0123456789abcdef01234567";
        cachedDemo(commit);
        submit(new ConversionRequested("c1", null, "hub:org/Demo@main", null, null, null));
        awaitAcknowledged(1);

        assertThat(log.types()).endsWith("ConversionFinished");
        SourceResolved source = log.all(SourceResolved.class).getFirst();
        assertThat(source.location()).isEqualTo("hub:org/Demo@" + commit);
        assertThat(source.repository()).isEqualTo("org/Demo");
        assertThat(source.revision()).isEqualTo(commit);
        ModelManifest manifest = log.all(ModelManifest.class).getFirst();
        assertThat(manifest.modelId()).isEqualTo("demo");
        assertThat(manifest.source()).isEqualTo("hub:org/Demo@" + commit);
        try (Artifact artifact = Artifact.open(Path.of(manifest.location()), true)) {
            assertThat(artifact.manifest().source().repository()).isEqualTo("org/Demo");
            assertThat(artifact.manifest().source().revision()).isEqualTo(commit);
        }
    }

    @Test
    void anInterruptedConversionStaysWithItsCommitWhereverTheBranchHasGone() throws IOException {
        String commit = "0123456789abcdef0123456789abcdef01234567";
        cachedDemo(commit);
        log.before =
                event -> {
                    if (event instanceof TensorConverted tensor && tensor.number() == 5) {
                        desk.abandon();
                    }
                };
        ConversionRequested request =
                new ConversionRequested("c1", null, "hub:org/Demo", null, null, null);
        submit(request);
        await().atMost(PATIENCE).until(() -> log.all(TensorConverted.class).size() >= 5);
        cachedDemo("f".repeat(40));
        log.before = event -> {};

        submit(request);
        awaitAcknowledged(1);

        assertThat(log.types()).endsWith("ConversionFinished");
        assertThat(log.all(ModelManifest.class).getFirst().source())
                .isEqualTo("hub:org/Demo@" + commit);
    }

    @Test
    void aDownloadThatFailsHasItsCodeAndLeavesNothing() throws IOException {
        submit(new ConversionRequested("c1", null, "hub:org/Absent", null, null, null));
        submit(new ConversionRequested("c2", null, "hub:not an id", null, null, null));
        submit(new ConversionRequested("c3", "bad id", "hub:org/Absent", null, null, null));
        submit(new ConversionRequested("c4", null, "hub:org/Demo@v1", "v2", null, null));
        awaitAcknowledged(4);
        hub.put("HF_ENDPOINT", "gopher:nowhere");
        submit(new ConversionRequested("c5", null, "hub:org/Absent", null, null, null));
        awaitAcknowledged(5);

        assertThat(log.all(ConversionFailed.class))
                .extracting(ConversionFailed::code)
                .containsExactly(
                        ErrorCode.SOURCE_UNAVAILABLE,
                        ErrorCode.PARAMETER_OUT_OF_RANGE,
                        ErrorCode.PARAMETER_OUT_OF_RANGE,
                        ErrorCode.PARAMETER_OUT_OF_RANGE,
                        ErrorCode.PARAMETER_OUT_OF_RANGE);
        assertThat(folder.resolve("artifacts")).doesNotExist();
    }

    @Test
    void whatNobodyGoesOnWithIsDeletedAtTheStart() throws IOException {
        Path work = folder.resolve("other/.work");
        Path old = Files.createDirectories(work.resolve("old/artifact"));
        Path recent = Files.createDirectories(work.resolve("recent/artifact"));
        Instant now = Instant.now();
        Files.setLastModifiedTime(old, FileTime.from(now.minus(Duration.ofDays(8))));
        Files.setLastModifiedTime(recent, FileTime.from(now.minus(Duration.ofDays(6))));
        try (ConversionDesk starting = desk(folder.resolve("other"))) {
            starting.start();
            await().until(() -> Files.notExists(work.resolve("old")));
        }
        assertThat(recent).exists();
    }

    @Test
    void theSameRequestAgainIsNotDoneAgain() {
        submit(request("c1", DemoModel.folder()));
        awaitAcknowledged(1);
        int events = log.events.size();

        submit(request("c1", DemoModel.folder()));
        awaitAcknowledged(2);
        assertThat(log.events).hasSize(events);
    }

    @Test
    void anInterruptedConversionGoesOnWhereTheLogEnds() {
        log.before =
                event -> {
                    if (event instanceof TensorConverted tensor && tensor.number() == 20) {
                        desk.abandon();
                    }
                };
        submit(request("c1", DemoModel.folder()));
        await().atMost(PATIENCE).until(() -> log.all(TensorConverted.class).size() >= 20);
        desk.close();
        log.before = event -> {};
        assertThat(acknowledged).isEmpty();
        assertThat(log.types()).doesNotContain("ConversionFinished", "ConversionCancelled");
        int done = log.all(TensorConverted.class).size();

        desk = desk(folder.resolve("artifacts"));
        desk.start();
        submit(request("c1", DemoModel.folder()));
        awaitAcknowledged(1);

        assertThat(log.all(ConversionResumed.class))
                .extracting(ConversionResumed::tensorsDone)
                .containsExactly(done);
        assertThat(log.all(TensorConverted.class))
                .hasSize(6 * 9 + 2)
                .extracting(TensorConverted::number)
                .isSorted()
                .doesNotHaveDuplicates();
        assertThat(log.all(SourceResolved.class)).hasSize(1);
        assertThat(log.all(ConversionAccepted.class)).hasSize(1);
        assertThat(log.types().getLast()).isEqualTo("ConversionFinished");
    }

    @Test
    void aLogThatFailsIsTriedAgainUntilTheEndIsDurable() {
        AtomicInteger failures = new AtomicInteger(3);
        log.before =
                event -> {
                    if (event instanceof ManifestPublished && failures.getAndDecrement() > 0) {
                        throw new ConversionLog.UnavailableException("broker away", null);
                    }
                };
        submit(request("c1", DemoModel.folder()));
        awaitAcknowledged(1);

        assertThat(connections).hasValue(4);
        assertThat(log.all(ConversionResumed.class)).hasSize(3);
        assertThat(log.all(ConversionFinished.class)).hasSize(1);
    }

    @Test
    void cancelsWhileRunning() {
        log.before =
                event -> {
                    if (event instanceof TensorConverted tensor && tensor.number() == 5) {
                        submit(new ConversionCancelRequested("c1", "alice"));
                    }
                };
        submit(request("c1", DemoModel.folder()));
        awaitAcknowledged(2);

        assertThat(log.all(ConversionCancelled.class))
                .containsExactly(new ConversionCancelled("c1", "alice"));
        assertThat(log.types()).doesNotContain("ConversionFinished", "ModelManifest");
    }

    @Test
    void cancelsBeforeAndWhileWaiting() {
        log.before =
                event -> {
                    if (event instanceof ConversionAccepted accepted
                            && accepted.conversionId().equals("c1")) {
                        submit(request("c2", DemoModel.folder()));
                        submit(new ConversionCancelRequested("c2", "alice"));
                        submit(new ConversionCancelRequested("c3", "bob"));
                        submit(request("c3", DemoModel.folder()));
                    }
                };
        submit(request("c1", DemoModel.folder()));
        awaitAcknowledged(5);

        assertThat(log.all(ConversionCancelled.class))
                .containsExactly(
                        new ConversionCancelled("c2", "alice"),
                        new ConversionCancelled("c3", "bob"));
        assertThat(log.all(ConversionAccepted.class))
                .extracting(ConversionAccepted::conversionId)
                .containsExactly("c1");
    }

    @Test
    void aCancelAfterTheEndChangesNothing() {
        submit(request("c1", DemoModel.folder()));
        awaitAcknowledged(1);
        int events = log.events.size();

        submit(new ConversionCancelRequested("c1", "alice"));
        awaitAcknowledged(2);
        assertThat(log.events).hasSize(events);
    }

    @Test
    void aMissingSourceFails() {
        submit(request("c1", folder.resolve("nothing-here")));
        awaitAcknowledged(1);

        assertThat(failure().code()).isEqualTo(ErrorCode.SOURCE_NOT_FOUND);
        assertThat(failure().message()).contains("nothing-here");
    }

    @Test
    void aTruncatedSourceFailsNamingTheFile() throws IOException {
        submit(request("c1", DemoModel.truncated(folder.resolve("cut"))));
        awaitAcknowledged(1);

        assertThat(failure().code()).isEqualTo(ErrorCode.SOURCE_UNREADABLE);
        assertThat(failure().message()).contains("model.safetensors");
    }

    @Test
    void anUnknownFamilyIsUnsupportedByName() throws IOException {
        submit(request("c1", DemoModel.ofAnotherFamily(folder.resolve("mamba"))));
        awaitAcknowledged(1);

        assertThat(failure().code()).isEqualTo(ErrorCode.UNSUPPORTED);
        assertThat(failure().message()).contains("mamba");
    }

    @Test
    void aSourceWithoutATokenizerIsRefusedBeforeItIsConverted() throws IOException {
        submit(request("c1", DemoModel.without(folder.resolve("mute"), "tokenizer.json")));
        awaitAcknowledged(1);

        assertThat(failure().code()).isEqualTo(ErrorCode.SOURCE_NOT_FOUND);
        assertThat(failure().message()).contains("tokenizer.json: not found", "tokenizer.model");
        assertThat(log.all(TensorConverted.class)).isEmpty();
    }

    @Test
    void aSourceWithoutATemplateIsConvertedWithAWarning() throws IOException {
        submit(request("c1", DemoModel.without(folder.resolve("base"), "tokenizer_config.json")));
        awaitAcknowledged(1);

        assertThat(log.all(SourceResolved.class).getFirst().warnings())
                .singleElement(InstanceOfAssertFactories.STRING)
                .contains("base has no chat template");
        assertThat(log.all(ConversionFinished.class)).hasSize(1);
    }

    @Test
    void aTextCanHelpToFindCodes() {
        submit(
                request(
                        "c1",
                        "demo",
                        new Recipe("int4", null, null, new Calibration("gptq", null, 64, null))));
        submit(
                request(
                        "c2",
                        "demo",
                        new Recipe("int4", null, null, new Calibration("magic", null, 64, null))));
        submit(
                request(
                        "c3",
                        "demo",
                        new Recipe(
                                "int4", null, null, new Calibration("gptq", "/none", 64, null))));
        // Calibrating is work: on a busy machine more than a test usually waits for.
        await().atMost(Duration.ofMinutes(5))
                .until(() -> log.all(ConversionFinished.class).size() == 1);
        awaitAcknowledged(3);

        assertThat(log.all(ConversionAccepted.class).getFirst().recipe().calibration())
                .isEqualTo(new Calibration("gptq", "demo-model/calibration.jsonl", 64, null));
        assertThat(log.all(ConversionFailed.class))
                .extracting(ConversionFailed::code)
                .containsExactly(ErrorCode.UNSUPPORTED, ErrorCode.SOURCE_NOT_FOUND);
    }

    @Test
    void aModelCanBeRotatedAndThinned() {
        submit(request("c1", "demo", recipe("hadamard-heads", null)));
        submit(request("c2", "demo", recipe(null, 30)));
        submit(request("c3", "demo", recipe("spin", null)));
        submit(request("c4", "demo", recipe(null, 99)));
        await().atMost(Duration.ofMinutes(5))
                .until(() -> log.all(ConversionFinished.class).size() == 2);
        awaitAcknowledged(4);

        assertThat(log.all(SourceResolved.class))
                .extracting(SourceResolved::recipe)
                .extracting(Recipe::rotation, Recipe::lossySparsity)
                .containsExactlyInAnyOrder(tuple("hadamard-heads:0", null), tuple(null, 30));
        assertThat(log.all(ConversionFinished.class))
                .extracting(ConversionFinished::modelDigest)
                .doesNotHaveDuplicates();
        assertThat(log.all(ConversionFailed.class))
                .hasSize(2)
                .extracting(ConversionFailed::code)
                .containsOnly(ErrorCode.UNSUPPORTED);
    }

    private static Recipe recipe(String rotation, Integer lossySparsity) {
        return new Recipe("int4", null, null, null, rotation, lossySparsity);
    }

    @Test
    void recipesThatTheEngineDoesNotKnowAreUnsupported() {
        submit(request("c1", "demo", new Recipe("int3", null, null)));
        submit(request("c2", "demo", new Recipe("int4", 7, null)));
        submit(request("c3", "demo", new Recipe("int4", null, "gptq")));
        awaitAcknowledged(3);

        assertThat(log.all(ConversionFailed.class))
                .hasSize(3)
                .extracting(ConversionFailed::code)
                .containsOnly(ErrorCode.UNSUPPORTED);
    }

    @Test
    void aModelIdThatIsNoneIsRefused() {
        submit(request("c1", "../demo", null));
        submit(request("c2", "a b", null));
        awaitAcknowledged(2);

        assertThat(log.all(ConversionFailed.class))
                .hasSize(2)
                .extracting(ConversionFailed::code)
                .containsOnly(ErrorCode.PARAMETER_OUT_OF_RANGE);
    }

    @Test
    void aStoreThatCannotBeWrittenFails() throws IOException {
        desk.close();
        Path file = Files.createFile(folder.resolve("file"));
        desk = desk(file.resolve("artifacts"));
        desk.start();
        submit(request("c1", DemoModel.folder()));
        awaitAcknowledged(1);

        assertThat(failure().code()).isEqualTo(ErrorCode.STORAGE_FAILED);
    }

    @Test
    void anUnreadableRequestIsADeadLetterAndTheNextOneHasItsTurn() {
        submit((byte[]) null);
        submit("no json".getBytes(StandardCharsets.UTF_8));
        submit("{\"type\":\"ConversionRequested\"}".getBytes(StandardCharsets.UTF_8));
        submit(request("c1", folder.resolve("nothing-here")));
        awaitAcknowledged(4);

        assertThat(log.deadLetters)
                .extracting(letter -> letter.reason())
                .containsExactly(
                        ErrorCode.UNREADABLE, ErrorCode.UNREADABLE, ErrorCode.INVALID_SHAPE);
        assertThat(failure().code()).isEqualTo(ErrorCode.SOURCE_NOT_FOUND);
    }

    @Test
    void aDefectEndsTheConversionAndNotTheDesk() {
        log.before =
                event -> {
                    if (event instanceof SourceResolved) {
                        throw new IllegalStateException("a defect");
                    }
                };
        submit(request("c1", DemoModel.folder()));
        awaitAcknowledged(1);

        assertThat(failure().code()).isEqualTo(ErrorCode.INTERNAL);
        assertThat(desk.isAlive()).isTrue();
    }

    @Test
    void theTopicWaitsWhileTooMuchIsWaiting() {
        desk.close();
        desk = desk(folder.resolve("artifacts"));
        Path missing = folder.resolve("nothing-here");
        assertThat(submit(request("c1", missing))).isTrue();
        assertThat(submit(request("c2", missing))).isFalse();
        var room = desk.submit(record(EventJson.write(request("c3", missing))), () -> {});
        desk.start();

        await().until(() -> room.toCompletableFuture().isDone());
    }

    @Test
    void modelIdsComeFromTheFoldersName() {
        assertThat(ModelIds.of(Path.of("/models/My Model (v2)"))).contains("my-model-v2");
        assertThat(ModelIds.of(Path.of("/models/SmolLM2-135M-Instruct/")))
                .contains("smollm2-135m-instruct");
        assertThat(ModelIds.of(Path.of("/models/a/../tiny.llama"))).contains("tiny.llama");
        assertThat(ModelIds.of(Path.of("/models/…"))).isEmpty();
        assertThat(ModelIds.of(Path.of("/"))).isEmpty();
    }

    private ConversionFailed failure() {
        List<ConversionFailed> failures = log.all(ConversionFailed.class);
        assertThat(failures).hasSize(1);
        return failures.getFirst();
    }

    private static ConversionRequested request(String id, Path source) {
        return new ConversionRequested(id, "demo", source.toString(), null, null, "test");
    }

    private static ConversionRequested request(String id, String modelId, Recipe recipe) {
        return new ConversionRequested(
                id, modelId, DemoModel.folder().toString(), null, recipe, "test");
    }

    private boolean submit(ConversionRequest request) {
        return submit(EventJson.write((Event) request));
    }

    /// @return whether there is room for the next one
    private boolean submit(byte[] value) {
        ConsumerRecord<byte[], byte[]> record = record(value);
        return desk.submit(record, () -> acknowledged.add(record.offset()))
                .toCompletableFuture()
                .isDone();
    }

    private ConsumerRecord<byte[], byte[]> record(byte[] value) {
        return new ConsumerRecord<>("conversion-requests", 0, offset++, null, value);
    }

    private void awaitAcknowledged(int count) {
        await().atMost(PATIENCE).until(() -> acknowledged.size() == count);
    }
}

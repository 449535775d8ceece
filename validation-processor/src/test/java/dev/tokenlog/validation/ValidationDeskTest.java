package dev.tokenlog.validation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.contracts.AccuracyEvent.AccuracyMeasured;
import dev.tokenlog.contracts.AccuracyEvent.ReplayFailed;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ValidationRequest.ReplayRequested;
import dev.tokenlog.contracts.ValidationRequest.ValidationRequested;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.evaluate.TensorError;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// The desk with an engine whose answers are known, and a log in memory.
class ValidationDeskTest {

    private static final String DIGEST = "sha256-" + "a".repeat(64);
    private static final String OTHER = "sha256-" + "b".repeat(64);

    private final MemoryValidationLog log = new MemoryValidationLog();
    private final KnownComparison comparison = new KnownComparison();
    private final List<Long> acknowledged = new CopyOnWriteArrayList<>();
    private final ValidationDesk desk =
            new ValidationDesk(
                    comparison,
                    new EngineReplays(CpuOptions.automatic()),
                    () -> log,
                    ValidationDeskTest::noHub,
                    (_, location) -> Path.of(location),
                    "worker",
                    Duration.ofMillis(10));
    private long offset;

    private static Hub noHub() {
        throw new EngineException(
                EngineException.Reason.SOURCE_UNAVAILABLE, "there is no hub in this test");
    }

    /// Answers as it is told, and notes what it was asked.
    private static final class KnownComparison implements Comparison {
        final List<String> asked = new CopyOnWriteArrayList<>();
        volatile double ratio = 1.03;
        volatile double divergence = 0.02;
        volatile boolean finite = true;
        volatile RuntimeException failure;
        volatile boolean endless;

        @Override
        public Measurement compare(
                Path artifact, String modelDigest, Path baseline, BooleanSupplier stop) {
            asked.add(artifact + " " + modelDigest + " " + baseline);
            if (failure != null) {
                throw failure;
            }
            if (endless) {
                await().until(stop::getAsBoolean);
                throw new CancellationException("stopped");
            }
            return new Measurement(
                    Reports.of(finite, ratio, divergence),
                    List.of(new TensorError("w", "int4-g32", 0.07, 0.1, 0.99)),
                    "text");
        }

        @Override
        public String numericsId() {
            return "cpu-2/kv16";
        }
    }

    @AfterEach
    void close() {
        desk.close();
    }

    @Test
    void aNewManifestIsMeasuredAndJudged() {
        publish(manifest(DIGEST, 4));
        awaitAcknowledged(1);

        ValidationFinished verdict = onlyVerdict();
        assertThat(verdict.verdict()).isEqualTo(Verdict.PASS);
        assertThat(verdict.modelDigest()).isEqualTo(DIGEST);
        assertThat(verdict.numericsId()).isEqualTo("cpu-2/kv16");
        assertThat(verdict.baselineNumericsId()).isEqualTo("float-1/kv32");
        assertThat(verdict.policy()).isEqualTo("default-4bit");
        assertThat(verdict.positions()).isEqualTo(4096);
        assertThat(verdict.message()).contains("held-out text text");
        assertThat(comparison.asked)
                .containsExactly("/artifacts/" + DIGEST + " " + DIGEST + " /models/demo");
        assertThat(log.all(AccuracyMeasured.class))
                .extracting(AccuracyMeasured::check)
                .contains(
                        "finite",
                        "perplexity_ratio",
                        "mean_kl_divergence",
                        "top1_agreement",
                        "perplexity",
                        "tensor_relative_error");
        assertThat(log.events.getLast()).isEqualTo(verdict);
    }

    @Test
    void theSameFiguresFailAt8BitAndSayWhich() {
        publish(manifest(DIGEST, 8));
        awaitAcknowledged(1);

        assertThat(onlyVerdict().verdict()).isEqualTo(Verdict.FAIL);
        assertThat(onlyVerdict().message())
                .contains("perplexity_ratio is 1.0300, at most 1.02 passes");
        assertThat(log.all(AccuracyMeasured.class))
                .filteredOn(m -> Boolean.FALSE.equals(m.passed()))
                .extracting(AccuracyMeasured::check)
                .containsExactly("perplexity_ratio", "mean_kl_divergence");
    }

    @Test
    void nothingButNumbersIsWrittenWhereTheModelGivesNone() {
        comparison.finite = false;
        comparison.ratio = Double.NaN;
        comparison.divergence = Double.POSITIVE_INFINITY;
        publish(manifest(DIGEST, 4));
        awaitAcknowledged(1);

        assertThat(onlyVerdict().verdict()).isEqualTo(Verdict.FAIL);
        assertThat(onlyVerdict().code()).isEqualTo(ErrorCode.NON_FINITE);
        assertThat(onlyVerdict().perplexity()).isNull();
    }

    @Test
    void aSourceThatIsGoneGivesNoVerdict() {
        comparison.failure =
                new EngineException(
                        EngineException.Reason.SOURCE_NOT_FOUND, "/models/demo: not there");
        publish(manifest(DIGEST, 4));
        awaitAcknowledged(1);

        assertThat(onlyVerdict().verdict()).isEqualTo(Verdict.NONE);
        assertThat(onlyVerdict().code()).isEqualTo(ErrorCode.SOURCE_GONE);
        assertThat(onlyVerdict().message()).contains("/models/demo");
    }

    @Test
    void aBrokenArtifactGivesNoVerdict() {
        comparison.failure =
                new EngineException(EngineException.Reason.MODEL_UNREADABLE, "tensor w: digest");
        publish(manifest(DIGEST, 4));
        awaitAcknowledged(1);

        assertThat(onlyVerdict().verdict()).isEqualTo(Verdict.NONE);
        assertThat(onlyVerdict().code()).isEqualTo(ErrorCode.MODEL_UNREADABLE);
    }

    @Test
    void aJudgedDigestIsNotJudgedAgainButARequestDoesSo() {
        publish(manifest(DIGEST, 4));
        publish(manifest(DIGEST, 4));
        awaitAcknowledged(2);
        assertThat(comparison.asked).hasSize(1);

        request(new ValidationRequested("v1", "demo", null, null, null, "op"));
        awaitAcknowledged(3);
        assertThat(comparison.asked).hasSize(2);
        assertThat(log.all(ValidationFinished.class).getLast().validationId()).isEqualTo("v1");
    }

    @Test
    void theSameDigestUnderAnotherModelIdGetsAVerdictOfItsOwn() {
        publish(manifest("demo", DIGEST, 4));
        publish(manifest("twin", DIGEST, 4));
        awaitAcknowledged(2);

        assertThat(log.all(ValidationFinished.class))
                .extracting(ValidationFinished::modelId)
                .containsExactly("demo", "twin");
    }

    @Test
    void aRequestThatIsDeliveredAgainIsAnsweredOnce() {
        log.manifests.add(manifest(DIGEST, 4));
        request(new ValidationRequested("v1", "demo", null, null, null, "op"));
        request(new ValidationRequested("v1", "demo", null, null, null, "op"));
        awaitAcknowledged(2);

        assertThat(log.all(ValidationFinished.class)).hasSize(1);
    }

    @Test
    void noVerdictIsTriedAgainWhenTheManifestIsPublishedAgain() {
        comparison.failure =
                new EngineException(EngineException.Reason.SOURCE_NOT_FOUND, "not there");
        publish(manifest(DIGEST, 4));
        awaitAcknowledged(1);
        comparison.failure = null;
        publish(manifest(DIGEST, 4));
        awaitAcknowledged(2);

        assertThat(log.all(ValidationFinished.class))
                .extracting(ValidationFinished::verdict)
                .containsExactly(Verdict.NONE, Verdict.PASS);
    }

    @Test
    void aRequestNamesDigestAndBaseline() {
        log.manifests.add(manifest(DIGEST, 4));
        log.manifests.add(manifest(OTHER, 8));
        request(new ValidationRequested("v1", "demo", DIGEST, "/elsewhere", "default", "op"));
        awaitAcknowledged(1);

        assertThat(comparison.asked)
                .containsExactly("/artifacts/" + DIGEST + " " + DIGEST + " /elsewhere");
        assertThat(onlyVerdict().policy()).isEqualTo("default-4bit");
    }

    @Test
    void anUnknownProfileGivesNoVerdict() {
        log.manifests.add(manifest(DIGEST, 4));
        request(new ValidationRequested("v1", "demo", null, null, "lenient", "op"));
        awaitAcknowledged(1);

        assertThat(onlyVerdict().verdict()).isEqualTo(Verdict.NONE);
        assertThat(onlyVerdict().code()).isEqualTo(ErrorCode.UNSUPPORTED);
    }

    @Test
    void whatCannotBeAnsweredIsADeadLetterAndTheNextOneHasItsTurn() {
        request(new ValidationRequested("v1", "nobody", null, null, null, "op"));
        submit("validation-requests", "no json".getBytes(StandardCharsets.UTF_8));
        submit("model-manifests", "[]".getBytes(StandardCharsets.UTF_8));
        submit("model-manifests", null);
        publish(manifest(DIGEST, 4));
        awaitAcknowledged(5);

        assertThat(log.deadLetters)
                .extracting(letter -> letter.reason())
                .containsExactly(
                        ErrorCode.MODEL_UNKNOWN, ErrorCode.UNREADABLE, ErrorCode.INVALID_SHAPE);
        assertThat(onlyVerdict().verdict()).isEqualTo(Verdict.PASS);
    }

    @Test
    void aReplayOfWhatTheLogDoesNotHoldSaysSoOnce() {
        ReplayRequested request =
                new ReplayRequested("r1", "demo", "g1", null, null, "op", null, null);
        request(request);
        request(request);
        awaitAcknowledged(2);

        assertThat(log.all(ReplayFailed.class))
                .singleElement()
                .satisfies(failed -> {
                    assertThat(failed.code()).isEqualTo(ErrorCode.GENERATION_UNKNOWN);
                    assertThat(failed.generationId()).isEqualTo("g1");
                });
    }

    @Test
    void aDefectGivesNoVerdictSoThatNobodyWaitsForOne() {
        comparison.failure = new UnsupportedOperationException("a defect");
        publish(manifest(DIGEST, 4));
        awaitAcknowledged(1);

        assertThat(onlyVerdict().verdict()).isEqualTo(Verdict.NONE);
        assertThat(onlyVerdict().code()).isEqualTo(ErrorCode.INTERNAL);
        assertThat(desk.isAlive()).isTrue();
    }

    @Test
    void aLogThatFailsIsTriedAgainUntilTheVerdictIsDurable() {
        log.failures.set(3);
        publish(manifest(DIGEST, 4));
        awaitAcknowledged(1);

        assertThat(comparison.asked).hasSize(4);
        assertThat(onlyVerdict().verdict()).isEqualTo(Verdict.PASS);
    }

    @Test
    void abandonedWorkIsNotAcknowledgedAndSaysNothing() {
        comparison.endless = true;
        publish(manifest(DIGEST, 4));
        await().until(() -> comparison.asked.size() == 1);
        desk.abandon("validation-requests");
        assertThat(acknowledged).isEmpty();
        desk.abandon("model-manifests");
        comparison.endless = false;
        log.manifests.add(manifest(DIGEST, 4));
        request(new ValidationRequested("v1", "demo", null, null, null, "op"));
        awaitAcknowledged(1);

        assertThat(acknowledged).containsExactly(1L);
        assertThat(log.all(ValidationFinished.class)).hasSize(1);
    }

    private void publish(ModelManifest manifest) {
        log.manifests.add(manifest);
        submit("model-manifests", EventJson.write(manifest));
    }

    private void request(Event request) {
        submit("validation-requests", EventJson.write(request));
    }

    private void submit(String topic, byte[] value) {
        ConsumerRecord<byte[], byte[]> record =
                new ConsumerRecord<>(topic, 0, offset++, null, value);
        Runnable acknowledge = () -> acknowledged.add(record.offset());
        if (topic.equals("model-manifests")) {
            desk.manifest(record, acknowledge);
        } else {
            desk.request(record, acknowledge);
        }
    }

    private void awaitAcknowledged(int count) {
        await().atMost(Duration.ofSeconds(10)).until(() -> acknowledged.size() == count);
    }

    private ValidationFinished onlyVerdict() {
        List<ValidationFinished> verdicts = new ArrayList<>(log.all(ValidationFinished.class));
        assertThat(verdicts).hasSize(1);
        return verdicts.getFirst();
    }

    private static ModelManifest manifest(String digest, double bits) {
        return manifest("demo", digest, bits);
    }

    private static ModelManifest manifest(String modelId, String digest, double bits) {
        return new ModelManifest(
                modelId,
                digest,
                "w",
                "m",
                "/artifacts/" + digest,
                "/models/demo",
                "llama",
                "int4-g32",
                bits,
                bits + 0.5,
                5_000_000,
                3_000_000,
                56,
                512,
                "c",
                "tokenlog-1",
                null);
    }
}

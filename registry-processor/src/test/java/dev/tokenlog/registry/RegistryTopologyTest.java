package dev.tokenlog.registry;

import static dev.tokenlog.registry.Samples.A;
import static dev.tokenlog.registry.Samples.B;
import static dev.tokenlog.registry.Samples.C;
import static dev.tokenlog.registry.Samples.finished;
import static dev.tokenlog.registry.Samples.manifest;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.groups.Tuple.tuple;

import dev.tokenlog.contracts.AccuracyEvent.AccuracyMeasured;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.ModelServing.State;
import dev.tokenlog.contracts.ModelServing.Version;
import dev.tokenlog.contracts.RegistryCommand.Drain;
import dev.tokenlog.contracts.RegistryCommand.PromoteRequested;
import dev.tokenlog.contracts.RegistryCommand.RevokeRequested;
import dev.tokenlog.contracts.RegistryCommand.RollbackRequested;
import dev.tokenlog.contracts.RegistryCommand.UnpublishRequested;
import dev.tokenlog.contracts.Topic;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.test.TestRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class RegistryTopologyTest {

    private TopologyTestDriver driver;
    private TestInputTopic<byte[], byte[]> manifests;
    private TestInputTopic<byte[], byte[]> accuracy;
    private TestInputTopic<byte[], byte[]> commands;
    private TestOutputTopic<String, byte[]> registry;
    private TestOutputTopic<byte[], byte[]> deadLetters;

    @BeforeEach
    void open() {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "registry-test");
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "unused:1");
        driver = new TopologyTestDriver(RegistryTopology.build("p."), settings);
        manifests = input(Topic.MODEL_MANIFESTS);
        accuracy = input(Topic.ACCURACY_METRICS);
        commands = input(Topic.REGISTRY_COMMANDS);
        registry =
                driver.createOutputTopic(
                        Topic.MODEL_REGISTRY.name("p."),
                        new StringDeserializer(),
                        new ByteArrayDeserializer());
        deadLetters =
                driver.createOutputTopic(
                        Topic.DEAD_LETTERS.name("p."),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer());
    }

    @AfterEach
    void close() {
        driver.close();
    }

    @Test
    void aManifestAloneIsACandidate() {
        publish(A);

        ModelServing serving = onlyChange();
        assertThat(serving.state()).isEqualTo(State.CANDIDATE);
        assertThat(serving.current()).isNull();
        assertThat(serving.versions()).extracting(Version::modelDigest).containsExactly(A);
        assertThat(serving.versions().getFirst().location()).isEqualTo("/artifacts/" + A);
    }

    @Test
    void aPassingVerdictForExactlyThisDigestServesIt() {
        publish(A);
        judge(A, Verdict.PASS);

        ModelServing serving = lastChange();
        assertThat(serving.state()).isEqualTo(State.SERVING);
        assertThat(serving.current().modelDigest()).isEqualTo(A);
        assertThat(serving.current().verdict()).isEqualTo(Verdict.PASS);
        assertThat(serving.current().numericsId()).isEqualTo("cpu-2/kv16");
        assertThat(serving.current().contextLength()).isEqualTo(512);
    }

    @Test
    void aVerdictBeforeItsManifestCounts() {
        judge(A, Verdict.PASS);
        assertThat(registry.isEmpty()).isTrue();

        publish(A);
        assertThat(lastCurrent()).isEqualTo(A);
    }

    @Test
    void aFailedVersionStaysCandidateAndThePreviousOneGoesOnServing() {
        publish(A);
        judge(A, Verdict.PASS);
        publish(B);
        judge(B, Verdict.FAIL);

        ModelServing serving = lastChange();
        assertThat(serving.state()).isEqualTo(State.SERVING);
        assertThat(serving.current().modelDigest()).isEqualTo(A);
        assertThat(serving.versions())
                .extracting(Version::modelDigest, Version::state, Version::verdict)
                .containsExactly(
                        tuple(A, State.SERVING, Verdict.PASS),
                        tuple(B, State.CANDIDATE, Verdict.FAIL));
    }

    @Test
    void aNewDigestTakesOverWhenItPasses() {
        publish(A);
        judge(A, Verdict.PASS);
        publish(B);
        assertThat(lastCurrent()).isEqualTo(A);

        judge(B, Verdict.PASS);
        ModelServing serving = lastChange();
        assertThat(serving.current().modelDigest()).isEqualTo(B);
        assertThat(serving.versions())
                .extracting(Version::state)
                .containsExactly(State.UNPUBLISHED, State.SERVING);
    }

    @Test
    void aVerdictForAnotherDigestIsKeptButDoesNotTouchTheCurrentOne() {
        publish(A);
        judge(A, Verdict.PASS);
        judge(B, Verdict.PASS);
        assertThat(lastCurrent()).isEqualTo(A);

        publish(B);
        assertThat(lastCurrent()).isEqualTo(B);
    }

    @Test
    void anOlderVersionThatPassesLateDoesNotReplaceANewerOne() {
        publish(A);
        publish(B);
        judge(B, Verdict.PASS);
        judge(A, Verdict.PASS);

        assertThat(lastCurrent()).isEqualTo(B);
    }

    @Test
    void noVerdictDoesNotServeAndSaysWhy() {
        publish(A);
        send(accuracy, finished(A, Verdict.NONE, ErrorCode.SOURCE_GONE, "/models/demo is gone"));

        ModelServing serving = lastChange();
        assertThat(serving.state()).isEqualTo(State.CANDIDATE);
        assertThat(serving.versions().getFirst().verdict()).isEqualTo(Verdict.NONE);
        assertThat(serving.versions().getFirst().reason())
                .isEqualTo("SOURCE_GONE: /models/demo is gone");
    }

    @Test
    void noVerdictDoesNotTakeAPassingOneBack() {
        publish(A);
        judge(A, Verdict.PASS);
        registry.readRecordsToList();
        send(accuracy, finished(A, Verdict.NONE, ErrorCode.SOURCE_GONE, "gone"));

        assertThat(registry.isEmpty()).isTrue();
    }

    @Test
    void aLaterFailureOfTheServedDigestEndsItsService() {
        publish(A);
        judge(A, Verdict.PASS);
        publish(B);
        judge(B, Verdict.PASS);
        judge(B, Verdict.FAIL);

        ModelServing serving = lastChange();
        assertThat(serving.current()).isNull();
        assertThat(serving.state()).isEqualTo(State.CANDIDATE);
    }

    @Test
    void theSameEventsAgainChangeNothing() {
        publish(A);
        publish(A);
        judge(A, Verdict.PASS);
        judge(A, Verdict.PASS);
        send(commands, new PromoteRequested("demo", A, null, "op"));
        send(commands, new RevokeRequested("demo", B, "bad", "op", null));
        send(commands, new RevokeRequested("demo", B, "bad", "op", null));

        assertThat(registry.readRecordsToList()).hasSize(2);
        assertThat(deadLetters.isEmpty()).isTrue();
    }

    @Test
    void aForcedPromotionServesWithoutAVerdictAndSaysSo() {
        publish(A);
        send(commands, new PromoteRequested("demo", A, true, "alice"));

        ModelServing serving = lastChange();
        assertThat(serving.state()).isEqualTo(State.SERVING);
        assertThat(serving.current().verdict()).isNull();
        assertThat(serving.current().reason())
                .isEqualTo("promoted without a passing verdict by alice");
    }

    @Test
    void aPromotionWithoutForceNeedsAPassingVerdict() {
        publish(A);
        judge(A, Verdict.FAIL);
        send(commands, new PromoteRequested("demo", A, false, "alice"));

        ModelServing serving = lastChange();
        assertThat(serving.state()).isEqualTo(State.CANDIDATE);
        assertThat(serving.versions().getFirst().reason()).startsWith("promotion refused");
        assertThat(onlyDeadLetter().reason()).isEqualTo(ErrorCode.MODEL_NOT_VALIDATED);
    }

    @Test
    void anOlderPassedVersionCanBePromoted() {
        publish(A);
        judge(A, Verdict.PASS);
        publish(B);
        judge(B, Verdict.PASS);
        send(commands, new PromoteRequested("demo", A, null, "op"));

        ModelServing serving = lastChange();
        assertThat(serving.current().modelDigest()).isEqualTo(A);
        assertThat(serving.versions()).extracting(Version::modelDigest).containsExactly(B, A);
    }

    @Test
    void aRollbackServesWhatWasServedBeforeAndIsNotUndoneByItself() {
        publish(A);
        judge(A, Verdict.PASS);
        publish(B);
        judge(B, Verdict.PASS);
        send(commands, new RollbackRequested("demo", "op"));
        assertThat(lastCurrent()).isEqualTo(A);

        judge(B, Verdict.FAIL);
        judge(B, Verdict.PASS);
        assertThat(lastCurrent()).isEqualTo(A);

        publish(C);
        judge(C, Verdict.PASS);
        assertThat(lastCurrent()).isEqualTo(C);
    }

    @Test
    void rollbacksGoBackStepByStepAndEndInARefusal() {
        for (String digest : List.of(A, B, C)) {
            publish(digest);
            judge(digest, Verdict.PASS);
        }
        send(commands, new RollbackRequested("demo", "op"));
        assertThat(lastCurrent()).isEqualTo(B);
        send(commands, new RollbackRequested("demo", "op"));
        assertThat(lastCurrent()).isEqualTo(A);
        send(commands, new RollbackRequested("demo", "op"));

        assertThat(registry.isEmpty()).isTrue();
        assertThat(onlyDeadLetter().message()).contains("served nothing before");
    }

    @Test
    void unpublishedIsServedAgainOnlyByAPromotionOrANewVersion() {
        publish(A);
        judge(A, Verdict.PASS);
        send(commands, new UnpublishRequested("demo", "op"));
        ModelServing withdrawn = lastChange();
        assertThat(withdrawn.state()).isEqualTo(State.UNPUBLISHED);
        assertThat(withdrawn.current()).isNull();

        judge(A, Verdict.FAIL);
        judge(A, Verdict.PASS);
        assertThat(lastChange().state()).isEqualTo(State.UNPUBLISHED);

        send(commands, new PromoteRequested("demo", A, null, "op"));
        assertThat(lastCurrent()).isEqualTo(A);
    }

    @Test
    void aRevokedDigestIsNotServedAgainAndNothingOlderTakesItsPlaceByItself() {
        publish(A);
        judge(A, Verdict.PASS);
        publish(B);
        judge(B, Verdict.PASS);
        send(commands, new RevokeRequested("demo", B, "leaks", "op", null));

        ModelServing revoked = lastChange();
        assertThat(revoked.state()).isEqualTo(State.REVOKED);
        assertThat(revoked.current()).isNull();
        assertThat(revoked.versions().getLast().reason()).isEqualTo("leaks");

        send(commands, new PromoteRequested("demo", B, true, "op"));
        assertThat(registry.isEmpty()).isTrue();
        assertThat(onlyDeadLetter().reason()).isEqualTo(ErrorCode.MODEL_REVOKED);

        send(commands, new RollbackRequested("demo", "op"));
        assertThat(lastCurrent()).isEqualTo(A);
    }

    @Test
    void aRevocationSaysWhoWhyAndWhatBecomesOfRunningGenerations() {
        publish(A);
        judge(A, Verdict.PASS);
        send(commands, new RevokeRequested("demo", A, "leaks", "anna", null));
        Version revoked = lastChange().versions().getLast();
        assertThat(revoked.revokedBy()).isEqualTo("anna");
        assertThat(revoked.reason()).isEqualTo("leaks");
        assertThat(revoked.drain()).isEqualTo(Drain.FINISH);

        send(commands, new RevokeRequested("demo", A, "leaks a lot", "ben", Drain.STOP));
        Version stopped = lastChange().versions().getLast();
        assertThat(stopped.revokedBy()).isEqualTo("ben");
        assertThat(stopped.reason()).isEqualTo("leaks a lot");
        assertThat(stopped.drain()).isEqualTo(Drain.STOP);

        // What has been stopped does not come back.
        send(commands, new RevokeRequested("demo", A, "not so bad", "cid", Drain.FINISH));
        assertThat(registry.isEmpty()).isTrue();
    }

    @Test
    void aRevocationOutlivesTombstoneAndRepublication() {
        publish(A);
        judge(A, Verdict.PASS);
        send(commands, new RevokeRequested("demo", A, "leaks", "op", null));
        removeManifest();
        registry.readRecordsToList();
        publish(A);

        assertThat(lastChange().state()).isEqualTo(State.REVOKED);
    }

    /// Generations still run on it, and have to hear that they must not.
    @Test
    void aStopIsToldAfterTheModelWasTakenBackToo() {
        publish(A);
        judge(A, Verdict.PASS);
        send(commands, new UnpublishRequested("demo", "op"));
        assertThat(lastChange().state()).isEqualTo(State.UNPUBLISHED);
        send(commands, new RevokeRequested("demo", A, "leaks", "op", Drain.FINISH));
        assertThat(lastChange().versions().getLast().drain()).isEqualTo(Drain.FINISH);

        removeManifest();
        assertThat(registry.readRecordsToList().getLast().value()).isNull();
        send(commands, new RevokeRequested("demo", A, "leaks", "op", Drain.STOP));
        ModelServing last = lastChange();
        assertThat(last.state()).isEqualTo(State.REVOKED);
        assertThat(last.current()).isNull();
        Version stopped = last.versions().getLast();
        assertThat(stopped.modelDigest()).isEqualTo(A);
        assertThat(stopped.state()).isEqualTo(State.REVOKED);
        assertThat(stopped.drain()).isEqualTo(Drain.STOP);
        assertThat(stopped.location()).isNull();
    }

    @Test
    void aStopOfAModelThatNeverWasIsToldOnlyWhenItComes() {
        send(commands, new RevokeRequested("demo", A, "leaks", "op", Drain.STOP));
        assertThat(registry.readRecordsToList())
                .allSatisfy(told -> assertThat(told.value()).isNull());

        publish(A);
        ModelServing last = lastChange();
        assertThat(last.state()).isEqualTo(State.REVOKED);
        assertThat(last.versions().getLast().drain()).isEqualTo(Drain.STOP);
    }

    @Test
    void aTombstoneTakesTheModelOutOfTheRegistry() {
        publish(A);
        judge(A, Verdict.PASS);
        removeManifest();

        TestRecord<String, byte[]> last = registry.readRecordsToList().getLast();
        assertThat(last.key()).isEqualTo("demo");
        assertThat(last.value()).isNull();

        publish(A);
        assertThat(lastCurrent()).isEqualTo(A);
    }

    @Test
    void theSameDigestFromANewConversionIsPublishedAnew() {
        publish(A);
        judge(A, Verdict.PASS);
        publish(B);
        judge(B, Verdict.PASS);
        send(manifests, manifest("demo", A, "another-conversion"));

        assertThat(lastCurrent()).isEqualTo(A);
    }

    @Test
    void modelsDoNotMix() {
        send(manifests, manifest("demo", A, "c"));
        send(manifests, manifest("other", A, "c"));
        judge(A, Verdict.PASS);

        assertThat(changes())
                .extracting(ModelServing::modelId, ModelServing::state)
                .containsExactly(
                        tuple("demo", State.CANDIDATE),
                        tuple("other", State.CANDIDATE),
                        tuple("demo", State.SERVING));
    }

    @Test
    void theModelIdIsTheBodysWhateverTheKeyIs() {
        manifests.pipeInput(null, EventJson.write(manifest("demo", A, "c")));
        accuracy.pipeInput(
                bytes("elsewhere"), EventJson.write(finished(A, Verdict.PASS, null, null)));

        assertThat(lastCurrent()).isEqualTo(A);
    }

    @Test
    void measurementsAreNoVerdict() {
        publish(A);
        registry.readRecordsToList();
        send(
                accuracy,
                new AccuracyMeasured(
                        "v", "demo", A, "n", "finite", null, 1.0, null, null, true, null));

        assertThat(registry.isEmpty()).isTrue();
        assertThat(deadLetters.isEmpty()).isTrue();
    }

    @Test
    void unreadableRecordsBecomeDeadLettersAndTheStreamGoesOn() {
        byte[] key = {1, 2};
        byte[] broken = bytes("{\"type\":\"Model");
        manifests.pipeInput(key, broken);
        accuracy.pipeInput(key, bytes("[]"));
        accuracy.pipeInput(key, (byte[]) null);
        commands.pipeInput(key, bytes("{\"type\":\"Dance\",\"model_id\":\"demo\"}"));
        commands.pipeInput(key, bytes("{\"type\":\"RevokeRequested\",\"model_id\":\"demo\"}"));
        manifests.pipeInput(null, (byte[]) null);
        publish(A);

        List<TestRecord<byte[], byte[]>> letters = deadLetters.readRecordsToList();
        assertThat(letters)
                .extracting(l -> DeadLetter.of(l.headers()).orElseThrow().reason())
                .containsExactly(
                        ErrorCode.UNREADABLE,
                        ErrorCode.INVALID_SHAPE,
                        ErrorCode.UNREADABLE,
                        ErrorCode.UNKNOWN_VERSION,
                        ErrorCode.INVALID_SHAPE,
                        ErrorCode.INVALID_SHAPE);
        assertThat(letters.getFirst().key()).isEqualTo(key);
        assertThat(letters.getFirst().value()).isEqualTo(broken);
        assertThat(DeadLetter.of(letters.getFirst().headers()).orElseThrow().topic())
                .isEqualTo("p.model-manifests");
        assertThat(onlyChange().state()).isEqualTo(State.CANDIDATE);
    }

    @Test
    void commandsForUnknownModelsLeaveATrace() {
        send(commands, new PromoteRequested("nobody", A, true, "op"));
        send(commands, new RollbackRequested("nobody", "op"));
        send(commands, new UnpublishRequested("nobody", "op"));

        assertThat(deadLetters.readRecordsToList())
                .hasSize(3)
                .extracting(l -> DeadLetter.of(l.headers()).orElseThrow().reason())
                .containsOnly(ErrorCode.MODEL_UNKNOWN);
        assertThat(registry.isEmpty()).isTrue();
    }

    @Test
    void traceContextIsPassedOnAndTheTypeIsOurs() {
        TestRecord<byte[], byte[]> record =
                new TestRecord<>(null, EventJson.write(manifest("demo", A, "c")));
        EventHeaders.set(record.headers(), EventHeaders.TYPE, "ModelManifest");
        EventHeaders.set(record.headers(), EventHeaders.TRACEPARENT, "00-1-2-01");
        EventHeaders.set(record.headers(), "x-team", "blue");
        manifests.pipeInput(record);

        TestRecord<String, byte[]> out = registry.readRecord();
        assertThat(EventHeaders.text(out.headers(), EventHeaders.TYPE)).contains("ModelServing");
        assertThat(EventHeaders.text(out.headers(), EventHeaders.TRACEPARENT))
                .contains("00-1-2-01");
        assertThat(EventHeaders.text(out.headers(), "x-team")).contains("blue");
    }

    @Test
    void theHistoryStaysBoundedAndKeepsWhatMatters() {
        publish(A);
        judge(A, Verdict.PASS);
        send(commands, new RevokeRequested("demo", B, "leaks", "op", null));
        for (int i = 0; i < ModelHistory.VERSION_LIMIT + 20; i++) {
            publish("sha256-" + "%064x".formatted(i));
        }
        ModelServing serving = lastChange();
        assertThat(serving.versions()).hasSizeLessThanOrEqualTo(ModelHistory.VERSION_LIMIT);
        assertThat(serving.current().modelDigest()).isEqualTo(A);
        assertThat(EventJson.write(serving)).hasSizeLessThan(1 << 20);

        publish(B);
        judge(B, Verdict.PASS);
        assertThat(lastCurrent()).isEqualTo(A);
    }

    private TestInputTopic<byte[], byte[]> input(Topic topic) {
        return driver.createInputTopic(
                topic.name("p."), new ByteArraySerializer(), new ByteArraySerializer());
    }

    private void publish(String digest) {
        send(manifests, manifest("demo", digest, "conversion-of-" + digest));
    }

    private void judge(String digest, Verdict verdict) {
        send(accuracy, finished(digest, verdict, null, null));
    }

    private void removeManifest() {
        manifests.pipeInput(bytes("demo"), (byte[]) null);
    }

    private static void send(TestInputTopic<byte[], byte[]> topic, Event event) {
        topic.pipeInput(bytes("key"), EventJson.write(event));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private List<ModelServing> changes() {
        return registry.readValuesToList().stream().map(Samples::serving).toList();
    }

    private ModelServing lastChange() {
        return changes().getLast();
    }

    private String lastCurrent() {
        return lastChange().current().modelDigest();
    }

    private ModelServing onlyChange() {
        List<ModelServing> changes = changes();
        assertThat(changes).hasSize(1);
        return changes.getFirst();
    }

    private DeadLetter onlyDeadLetter() {
        List<TestRecord<byte[], byte[]>> letters = deadLetters.readRecordsToList();
        assertThat(letters).hasSize(1);
        return DeadLetter.of(letters.getFirst().headers()).orElseThrow();
    }
}

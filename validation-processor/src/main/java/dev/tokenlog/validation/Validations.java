package dev.tokenlog.validation;

import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.artifactstore.hub.HubSettings;
import dev.tokenlog.artifactstore.object.ArtifactFinder;
import dev.tokenlog.artifactstore.object.RemoteArtifacts;
import dev.tokenlog.contracts.ClusterAccess;
import dev.tokenlog.contracts.Participant;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.transformer.CpuOptions;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import io.smallrye.common.annotation.Identifier;
import io.smallrye.reactive.messaging.kafka.IncomingKafkaRecord;
import io.smallrye.reactive.messaging.kafka.api.IncomingKafkaRecordMetadata;
import jakarta.annotation.Priority;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import jakarta.inject.Inject;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletionStage;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.eclipse.microprofile.reactive.messaging.Acknowledgment;
import org.eclipse.microprofile.reactive.messaging.Incoming;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Hands manifests and validation requests to the desk, which acknowledges them.
@ApplicationScoped
public class Validations {

    static final String MANIFESTS = "validation-manifests-in";
    static final String REQUESTS = "validation-requests-in";

    private static final Logger LOG = LoggerFactory.getLogger(Validations.class);

    private final ValidationDesk desk;
    private final ClusterAccess access;

    @Inject
    Validations(
            @Identifier("default-kafka-broker") Map<String, Object> kafka,
            @ConfigProperty(name = "tokenlog.topic-prefix") Optional<String> prefix,
            @ConfigProperty(name = KvType.KEY, defaultValue = "kv16") String kv,
            @ConfigProperty(name = "tokenlog.artifacts") Optional<Path> artifacts,
            @ConfigProperty(name = "tokenlog.data", defaultValue = "data") Path data,
            ObjectStoreConfig objects,
            ValidationConfig config) {
        CpuOptions automatic =
                CpuOptions.automatic().withCompute(config.compute()).withKv(KvType.of(kv));
        CpuOptions options =
                config.threads().isPresent()
                        ? automatic.withThreads(config.threads().getAsInt())
                        : automatic;
        this.access = new ClusterAccess(kafka, prefix.orElse(""), Participant.VALIDATION_PROCESSOR);
        this.desk =
                new ValidationDesk(
                        new EngineComparison(
                                config.heldOut(),
                                config.tokens(),
                                config.longestDocument(),
                                options),
                        new EngineReplays(options),
                        () -> new KafkaValidationLog(kafka, prefix.orElse("")),
                        // Anew each time: a token that was added meanwhile counts.
                        () -> new Hub(HubSettings.ofProcess()),
                        new ArtifactFinder(
                                        new ArtifactStore(
                                                artifacts.orElse(data.resolve("artifacts"))),
                                        objects.open().map(RemoteArtifacts::open))
                                ::folder,
                        "validation-" + UUID.randomUUID(),
                        config.retryInterval());
    }

    void onStart(@Observes @Priority(1) StartupEvent event) {
        access.requireUnlessAway()
                .ifPresent(away -> LOG.warn("validation waits for the cluster reason={}", away));
    }

    void onStop(@Observes ShutdownEvent event) {
        desk.close();
    }

    @Incoming(MANIFESTS)
    @Acknowledgment(Acknowledgment.Strategy.MANUAL)
    CompletionStage<Void> manifest(IncomingKafkaRecord<byte[], byte[]> message) {
        return desk.manifest(recordOf(message), message::ack);
    }

    @Incoming(REQUESTS)
    @Acknowledgment(Acknowledgment.Strategy.MANUAL)
    CompletionStage<Void> request(IncomingKafkaRecord<byte[], byte[]> message) {
        return desk.request(recordOf(message), message::ack);
    }

    @SuppressWarnings("unchecked")
    private static ConsumerRecord<byte[], byte[]> recordOf(
            IncomingKafkaRecord<byte[], byte[]> message) {
        return message.getMetadata(IncomingKafkaRecordMetadata.class)
                .orElseThrow(() -> new IllegalStateException("a record without metadata"))
                .getRecord();
    }

    boolean isWorking() {
        return desk.isAlive();
    }

    ClusterAccess.Status access() {
        return access.status();
    }

    /// A topic's partition has gone elsewhere.
    void abandon(String topic) {
        desk.abandon(topic);
    }
}

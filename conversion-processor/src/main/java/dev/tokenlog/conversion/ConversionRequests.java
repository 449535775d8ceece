package dev.tokenlog.conversion;

import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.artifactstore.hub.HubSettings;
import dev.tokenlog.artifactstore.object.RemoteArtifacts;
import dev.tokenlog.contracts.ClusterAccess;
import dev.tokenlog.contracts.Participant;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.Converter;
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

/// Hands the records of `conversion-requests` to the desk, which acknowledges them.
@ApplicationScoped
public class ConversionRequests {

    static final String CHANNEL = "conversion-requests-in";

    private static final Logger LOG = LoggerFactory.getLogger(ConversionRequests.class);

    private final ConversionDesk desk;
    private final ClusterAccess access;

    @Inject
    ConversionRequests(
            @Identifier("default-kafka-broker") Map<String, Object> kafka,
            @ConfigProperty(name = "tokenlog.topic-prefix") Optional<String> prefix,
            @ConfigProperty(name = "tokenlog.artifacts") Path artifacts,
            SigningKeys signing,
            ObjectStoreConfig objects,
            ConversionConfig config) {
        Converter converter =
                config.threads().isPresent()
                        ? new Converter(config.threads().getAsInt())
                        : new Converter();
        // A key that others may read, or that is not there, is said before the first conversion.
        signing.get();
        this.access = new ClusterAccess(kafka, prefix.orElse(""), Participant.CONVERSION_PROCESSOR);
        this.desk =
                new ConversionDesk(
                        new ConversionRun.Workshop(
                                new ArtifactStore(artifacts),
                                converter,
                                // Anew each time: a token that was added meanwhile counts.
                                () -> new Hub(HubSettings.ofProcess()),
                                signing,
                                objects.open().map(RemoteArtifacts::open),
                                "conversion-" + UUID.randomUUID()),
                        () -> new KafkaConversionLog(kafka, prefix.orElse("")),
                        config.backlog(),
                        config.retryInterval());
    }

    void onStart(@Observes @Priority(1) StartupEvent event) {
        access.requireUnlessAway()
                .ifPresent(away -> LOG.warn("conversion waits for the cluster reason={}", away));
        desk.start();
    }

    void onStop(@Observes ShutdownEvent event) {
        desk.close();
    }

    @Incoming(CHANNEL)
    @Acknowledgment(Acknowledgment.Strategy.MANUAL)
    CompletionStage<Void> receive(IncomingKafkaRecord<byte[], byte[]> message) {
        return desk.submit(recordOf(message), message::ack);
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

    /// The partition has gone elsewhere.
    void abandon() {
        desk.abandon();
    }
}

package dev.tokenlog.registry;

import dev.tokenlog.contracts.ClusterAccess;
import dev.tokenlog.contracts.Participant;
import dev.tokenlog.contracts.TopicException;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import io.smallrye.common.annotation.Identifier;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import jakarta.inject.Inject;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Runs a topology from the application's start to its end: waits for the cluster and its topics,
/// starts Kafka Streams, and starts it again after a failure. What went wrong last stands in
/// [#status()] until it is over.
@ApplicationScoped
public class RegistryStreams {

    private static final Logger LOG = LoggerFactory.getLogger(RegistryStreams.class);

    private static final Duration CLUSTER_TIMEOUT = Duration.ofSeconds(5);
    private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);

    /// @param running whether records are being processed
    /// @param detail state of Streams, or why there is none
    public record Status(boolean running, String detail) {}

    private final StreamsApplication application;
    private final RegistrySettings settings;
    private final ClusterAccess access;
    private volatile ScheduledExecutorService starter;
    private volatile KafkaStreams streams;
    private volatile String problem = "not started";

    @Inject
    RegistryStreams(
            @Identifier("default-kafka-broker") Map<String, Object> kafka,
            @ConfigProperty(name = "tokenlog.topic-prefix") Optional<String> prefix,
            @ConfigProperty(name = "tokenlog.data", defaultValue = "data") Path data,
            RegistryConfig config) {
        this(
                StreamsApplication.REGISTRY,
                new RegistrySettings(kafka, prefix.orElse(""), data, config));
    }

    RegistryStreams(StreamsApplication application, RegistrySettings settings) {
        this.application = application;
        this.settings = settings;
        this.access =
                new ClusterAccess(
                        settings.kafka(), settings.prefix(), Participant.REGISTRY_PROCESSOR);
    }

    void onStart(@Observes StartupEvent event) {
        access.requireUnlessAway()
                .ifPresent(away -> LOG.warn("registry waits for the cluster reason={}", away));
        start();
    }

    void onStop(@Observes ShutdownEvent event) {
        stop();
    }

    /// Returns at once. May be called again after [#stop].
    synchronized void start() {
        starter =
                Executors.newSingleThreadScheduledExecutor(
                        Thread.ofPlatform()
                                .daemon()
                                .name(application.idWithoutPrefix() + "-starter")
                                .factory());
        problem = "starting";
        starter.execute(this::attempt);
    }

    synchronized void stop() {
        if (starter != null) {
            starter.shutdownNow();
        }
        closeStreams();
        problem = "stopped";
    }

    public ClusterAccess.Status access() {
        return access.status();
    }

    /// A view as it is now, to be read from any thread; empty while there is none.
    <V> Map<String, V> view(String store) {
        KafkaStreams present = streams;
        Map<String, V> view = new TreeMap<>();
        if (present == null || present.state() != KafkaStreams.State.RUNNING) {
            return view;
        }
        try (KeyValueIterator<String, V> all =
                present.store(
                                StoreQueryParameters.fromNameAndType(
                                        store, QueryableStoreTypes.<String, V>keyValueStore()))
                        .all()) {
            all.forEachRemaining(entry -> view.put(entry.key, entry.value));
        } catch (InvalidStateStoreException | IllegalStateException e) {
            // The partition is another instance's, or on its way, or all is being closed: nothing
            // is known here.
            LOG.debug("no view of {}", store, e);
        }
        return view;
    }

    public Status status() {
        KafkaStreams present = streams;
        if (present == null) {
            return new Status(false, problem);
        }
        KafkaStreams.State state = present.state();
        return new Status(state == KafkaStreams.State.RUNNING, state.name());
    }

    private void attempt() {
        closeStreams();
        try (Admin admin = Admin.create(settings.admin(CLUSTER_TIMEOUT))) {
            String clusterId =
                    admin.describeCluster()
                            .clusterId()
                            .get(CLUSTER_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
            admin.describeTopics(topics())
                    .allTopicNames()
                    .get(CLUSTER_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
            // After a failure of Streams it may be this.
            access.require();
            run(clusterId);
        } catch (TopicException e) {
            again(e.getMessage());
        } catch (ExecutionException | KafkaException e) {
            Throwable cause = e instanceof ExecutionException ? e.getCause() : e;
            again(
                    cause instanceof UnknownTopicOrPartitionException
                            ? "topics are missing (create them with `tokenlog topics`): "
                                    + cause.getMessage()
                            : cause.toString());
        } catch (TimeoutException e) {
            again("no answer from the Kafka cluster within " + CLUSTER_TIMEOUT.toSeconds() + " s");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private List<String> topics() {
        return application.topics().stream().map(topic -> topic.name(settings.prefix())).toList();
    }

    private synchronized void run(String clusterId) {
        if (starter.isShutdown()) {
            return;
        }
        KafkaStreams next =
                new KafkaStreams(
                        application.topology(settings.prefix()),
                        settings.streams(application, clusterId));
        next.setUncaughtExceptionHandler(failure -> {
            LOG.error("{} failed", application, failure);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        next.setStateListener((now, before) -> {
            LOG.info("{} state={} before={}", application, now, before);
            if (now == KafkaStreams.State.ERROR) {
                again("Kafka Streams stopped after a failure; see the log");
            }
        });
        streams = next;
        next.start();
    }

    private void again(String why) {
        if (!why.equals(problem)) {
            LOG.warn("{} waits reason={}", application, why);
        }
        problem = why;
        try {
            starter.schedule(
                    this::attempt,
                    settings.config().retryInterval().toMillis(),
                    TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException e) {
            LOG.debug("{} is being stopped", application, e);
        }
    }

    private synchronized void closeStreams() {
        KafkaStreams present = streams;
        streams = null;
        if (present != null) {
            // Who leaves need not be waited for by whoever comes next.
            present.close(
                    CloseOptions.groupMembershipOperation(GroupMembershipOperation.LEAVE_GROUP)
                            .withTimeout(CLOSE_TIMEOUT));
        }
    }
}

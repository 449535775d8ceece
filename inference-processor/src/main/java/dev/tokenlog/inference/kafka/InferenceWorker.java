package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.ClusterAccess;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.Participant;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.inference.model.EngineInference;
import dev.tokenlog.inference.model.ModelLoader;
import dev.tokenlog.inference.model.ModelMemory;
import dev.tokenlog.inference.model.ModelPool;
import dev.tokenlog.inference.protocol.Assignment;
import dev.tokenlog.inference.protocol.HaltPoints;
import dev.tokenlog.inference.protocol.PromptRecord;
import dev.tokenlog.inference.protocol.PromptTopic.Commit;
import dev.tokenlog.inference.protocol.Worker;
import dev.tokenlog.inference.protocol.WorkerPorts;
import dev.tokenlog.inference.protocol.WorkerSettings;
import io.micrometer.core.instrument.MeterRegistry;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.Startup;
import io.smallrye.common.annotation.Identifier;
import jakarta.annotation.PostConstruct;
import jakarta.annotation.PreDestroy;
import jakarta.annotation.Priority;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jboss.logging.Logger;

/// The life of this process's worker: puts the protocol on Kafka, passes on what happens, and hands
/// everything over at the end.
@Startup
@ApplicationScoped
public class InferenceWorker {

    /// Fetches of the reader that follows the log, and of those that look for something, or for the
    /// end of a partition that has just come.
    private static final Duration FOLLOWING = Duration.ofMillis(500);

    private static final Duration LOOKING = Duration.ofMillis(10);

    private static final Logger LOG = Logger.getLogger(InferenceWorker.class);
    private static final Duration TOPICS_TIMEOUT = Duration.ofSeconds(30);
    private static final Duration READ_TIMEOUT = Duration.ofSeconds(30);
    private static final Duration OFFSETS_TIMEOUT = Duration.ofSeconds(10);
    private static final long READ_CHECK_MILLIS = 10;
    private static final Duration END_TIMEOUT = Duration.ofSeconds(4);

    private final InferenceConfiguration configuration;
    private final Map<String, Object> kafka;
    private final String prefix;
    private final ModelLoader loader;
    private final MeterRegistry meters;
    private final ClusterAccess access;
    private final String workerId = "inference-" + UUID.randomUUID();
    private final CompletableFuture<PromptCommits> commits = new CompletableFuture<>();

    private ProtocolThread protocol;
    private LogReader log;
    private RecordSender sender;
    private RegistryView registry;
    private ControlReader controls;
    private ControlLetters letters;
    private KafkaPromptTopic prompts;
    private EngineInference inference;
    private Worker worker;
    private WorkerAnnouncer announcer;
    private volatile boolean stopping;

    InferenceWorker(
            InferenceConfiguration configuration,
            @Identifier("default-kafka-broker") Map<String, Object> kafka,
            @ConfigProperty(name = "tokenlog.topic-prefix") Optional<String> prefix,
            ModelLoader loader,
            MeterRegistry meters) {
        this.configuration = configuration;
        this.kafka = kafka;
        this.prefix = prefix.orElse("");
        this.loader = loader;
        this.meters = meters;
        this.access =
                new ClusterAccess(
                        kafka,
                        this.prefix,
                        Participant.INFERENCE_PROCESSOR,
                        List.of(configuration.group()));
    }

    @PostConstruct
    void start() {
        // Whatever can be refused is refused while nothing runs yet.
        ConfigurationRanges.require(configuration);
        loader.numericsId();
        requireRetention();
        requireTopics();
        KafkaClients clients = new KafkaClients(kafka, workerId);
        HaltPoints halts = ProcessHalt.of(configuration.halt());
        Duration clockOffset = configuration.clockOffset();
        protocol = new ProtocolThread(clockOffset, () -> Quarkus.asyncExit(1));
        log = new LogReader(clients.reader("log", FOLLOWING), clients.reader("new", LOOKING));
        sender = new RecordSender(clients.producer(), protocol);
        registry =
                new RegistryView(
                        Topic.MODEL_REGISTRY.name(prefix), log, protocol, this::modelsChanged);
        prompts =
                new KafkaPromptTopic(
                        Topic.PROMPTS.name(prefix),
                        () -> clients.reader("past-" + UUID.randomUUID(), LOOKING),
                        commits,
                        clockOffset,
                        protocol);
        inference =
                new EngineInference(
                        loader,
                        protocol,
                        workerId,
                        ModelMemory.budget(configuration.models().memoryBytes()),
                        registry::isServed,
                        event -> protocol.execute(() -> announcer.tell(event)));
        KafkaTokenTopic tokens =
                new KafkaTokenTopic(Topic.TOKENS.name(prefix), sender, log, protocol);
        WorkerMetrics metrics = new WorkerMetrics(meters, registry);
        worker =
                new Worker(
                        settings(),
                        new WorkerPorts(
                                protocol,
                                tokens,
                                prompts,
                                new KafkaDeadLetterTopic(prefix, sender),
                                registry,
                                inference,
                                halts,
                                metrics));
        letters =
                new ControlLetters(
                        prefix,
                        sender,
                        told ->
                                commits.thenAccept(
                                        channel -> channel.commitShared(controls(), told)),
                        protocol);
        controls =
                new ControlReader(
                        Topic.GENERATION_CONTROLS.name(prefix), log, protocol, worker, letters);
        announcer =
                new WorkerAnnouncer(
                        prefix,
                        workerId,
                        worker,
                        loader,
                        inference.models(),
                        sender,
                        protocol,
                        configuration.snapshotInterval());
        registry.start();
        controls.start(configuration.rules().maxAge());
        log.start();
        protocol.execute(announcer::check);
        protocol.execute(() -> metrics.watch(worker, inference.models(), protocol));
        LOG.infof(
                "worker=%s numerics=%s %s, %d threads, models up to %d MiB",
                workerId,
                loader.numericsId(),
                loader.compute(),
                loader.threads(),
                inference.models().budgetBytes() >> 20);
        if (configuration.warmUp().isPositive()) {
            // The channel subscribes when this bean is there.
            new WarmUp(protocol, inference, prompts, tokens)
                    .run(configuration.warmUp(), this::isReady, this::pinModels);
        }
    }

    private void modelsChanged() {
        pinModels();
        worker.modelsChanged();
    }

    /// What the registry serves now under the names that are pinned.
    private Set<ModelPool.Pin> pinModels() {
        Set<ModelPool.Pin> pins = new LinkedHashSet<>();
        for (String name : configuration.models().pinned().orElse(Set.of())) {
            registry.find(name)
                    .filter(model -> model.state() == ModelServing.State.SERVING)
                    .map(ModelServing::current)
                    .ifPresentOrElse(
                            current ->
                                    pins.add(
                                            new ModelPool.Pin(
                                                    name,
                                                    current.modelDigest(),
                                                    current.location())),
                            () -> LOG.debugf("model_id=%s is pinned, but not served", name));
        }
        inference.models().pin(pins);
        return pins;
    }

    /// A prompt that is young enough to be taken up again must still be there, and so must its
    /// tokens.
    private void requireRetention() {
        Duration maxAge = configuration.rules().maxAge();
        Duration kept = Topic.TOKENS.kept().retention().orElseThrow();
        if (maxAge.multipliedBy(2).compareTo(kept) > 0) {
            throw new IllegalArgumentException(
                    "tokenlog.inference.rules.max-age=%s: records are kept for %s, which must be at least twice as long"
                            .formatted(maxAge, kept));
        }
    }

    private void requireTopics() {
        Optional<String> notAsked = access.requireUnlessAway();
        try (TopicAdmin topics = TopicAdmin.connect(kafka, prefix, TOPICS_TIMEOUT)) {
            topics.require(Participant.INFERENCE_PROCESSOR.topics(), OptionalInt.empty());
        }
        if (notAsked.isPresent()) {
            // The cluster is there, and was only slow: without its rights a worker would take
            // partitions
            // whose prompts it cannot answer.
            access.requireUnlessAway()
                    .ifPresent(why ->
                            LOG.warnf("the cluster did not say whether all is allowed: %s", why));
        }
    }

    private WorkerSettings settings() {
        return new WorkerSettings(
                workerId,
                new WorkerSettings.PromptDefaults(
                        configuration.defaults().maxTokens(),
                        configuration.defaults().temperature(),
                        configuration.defaults().topK(),
                        configuration.defaults().topP()),
                configuration.tokens().size(),
                configuration.tokens().interval(),
                configuration.rules().dedupeWindow(),
                configuration.rules().maxAge(),
                configuration.rules().clockSkew(),
                configuration.limits().tokens(),
                configuration.limits().generations(),
                configuration.limits().heldPrompts(),
                configuration.limits().heldBytes());
    }

    // ---- What the channel tells

    void commitsBy(PromptCommits channel) {
        commits.complete(channel);
    }

    CompletionStage<Void> prompt(PromptRecord record) {
        CompletableFuture<Void> room = new CompletableFuture<>();
        protocol.execute(() -> worker.prompt(record, () -> room.complete(null)));
        return room;
    }

    /// The first prompts that the partitions still hold.
    ///
    /// @throws KafkaException that of the question, or if it is not answered in time
    Map<TopicPartition, Long> beginnings(Collection<TopicPartition> partitions) {
        CompletableFuture<Map<TopicPartition, Long>> found = log.beginnings(partitions);
        try {
            return found.get(OFFSETS_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            found.cancel(false);
            throw new org.apache.kafka.common.errors.TimeoutException(
                    "the first offsets of " + partitions + " are not known", e);
        } catch (ExecutionException e) {
            throw (KafkaException) e.getCause();
        } catch (InterruptedException e) {
            throw new InterruptException(e);
        }
    }

    /// Gives the partitions to the worker, once registry and controls have been read.
    void assigned(List<Assignment> assignments) {
        long until = System.nanoTime() + READ_TIMEOUT.toNanos();
        try {
            while (!isReady() && System.nanoTime() < until) {
                Thread.sleep(READ_CHECK_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (!stopping) {
            protocol.execute(() -> assignments.forEach(worker::assigned));
        }
    }

    /// Where all workers read the cancels.
    TopicPartition controls() {
        return new TopicPartition(Topic.GENERATION_CONTROLS.name(prefix), 0);
    }

    /// From now on this worker tells of the controls that nobody can read.
    ///
    /// @param told up to where that has been done
    void controlsAssigned(long told) {
        protocol.execute(() -> letters.assigned(told));
    }

    private void controlsLost(Collection<Integer> partitions) {
        if (partitions.contains(ControlLetters.PARTITION)) {
            protocol.execute(letters::lost);
        }
    }

    /// Waits until the worker has handed the partitions over.
    ///
    /// @return what may be committed at last
    Map<Integer, Commit> revoked(Collection<Integer> partitions) {
        controlsLost(partitions);
        CompletableFuture<Map<Integer, Commit>> handedOver = new CompletableFuture<>();
        protocol.execute(() -> worker.revoked(partitions, handedOver::complete));
        try {
            return handedOver.get(
                    configuration.handOverTimeout().toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            LOG.warnf(
                    "partitions=%s not handed over within %s, left to the log",
                    partitions, configuration.handOverTimeout());
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        lost(partitions);
        return Map.of();
    }

    void lost(Collection<Integer> partitions) {
        controlsLost(partitions);
        protocol.execute(() -> worker.lost(partitions));
    }

    // ---- Health and end

    boolean isAlive() {
        return protocol.isAlive() && log.isAlive();
    }

    /// Whether the cluster lets the worker do all that it has to.
    ClusterAccess.Status access() {
        return access.status();
    }

    boolean isReady() {
        return registry.isRead() && controls.isRead();
    }

    /// Before the channel closes: hands over what runs, commits, says goodbye.
    void end(@Observes @Priority(1) ShutdownEvent event) {
        stopping = true;
        if (!protocol.isAlive()) {
            return; // nobody would answer
        }
        try {
            List<Integer> partitions =
                    protocol.ask(worker::partitions)
                            .get(END_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
            Map<Integer, Commit> last = revoked(partitions);
            CompletableFuture<Void> left = leave(last);
            CompletableFuture<Void> gone = new CompletableFuture<>();
            protocol.execute(() -> announcer.end(_ -> gone.complete(null)));
            left.get(END_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
            gone.get(END_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException e) {
            LOG.warnf("not everything was handed over at the end: %s", e.toString());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// So that the others have the partitions now, and not when the channel has closed.
    private CompletableFuture<Void> leave(Map<Integer, Commit> last) {
        PromptCommits channel = commits.getNow(null);
        if (channel == null) {
            return CompletableFuture.completedFuture(null);
        }
        CompletableFuture<Void> left = new CompletableFuture<>();
        channel.leave(Topic.PROMPTS.name(prefix), last, () -> left.complete(null));
        return left;
    }

    @PreDestroy
    void close() {
        // First: its tasks use all the others.
        protocol.close();
        prompts.close();
        log.close();
        inference.close();
        sender.close();
    }
}

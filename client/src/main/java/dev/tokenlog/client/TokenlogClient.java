package dev.tokenlog.client;

import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ConversionRequest.ConversionRequested;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.RegistryCommand;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.Usage;
import dev.tokenlog.contracts.ValidationRequest.CandidateReplayRequested;
import dev.tokenlog.contracts.ValidationRequest.ReplayRequested;
import dev.tokenlog.contracts.ValidationRequest.ValidationRequested;
import dev.tokenlog.contracts.WorkerEvent.ModelEvent;
import dev.tokenlog.contracts.WorkerState;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/// The platform, seen from outside: prompts, token streams, conversions, models and the audit
/// trail, all of it over the topics and nothing else. Thread-safe; the streams that it gives are
/// for one thread each.
///
/// Every call throws [TokenlogException] where the cluster does not answer in time, does not allow
/// it, or lacks what was asked for.
public final class TokenlogClient implements AutoCloseable {

    private final Cluster cluster;
    private final Generations generations;
    private final Conversions conversions;
    private final Models models;
    private final Audit audit;
    private final DeadLetters deadLetters;

    private TokenlogClient(Cluster cluster) {
        this.cluster = cluster;
        this.generations = new Generations(cluster);
        this.conversions = new Conversions(cluster);
        this.models = new Models(cluster);
        this.audit = new Audit(cluster);
        this.deadLetters = new DeadLetters(cluster);
    }

    /// Connects, and finds the topics.
    ///
    /// @param kafka settings of the Kafka clients; `bootstrap.servers` at least
    /// @throws TokenlogException `UNREACHABLE`, `NOT_ALLOWED`, or `TOPICS` where they are missing
    public static TokenlogClient connect(Map<String, Object> kafka, String topicPrefix) {
        return connect(ClientOptions.of(kafka, topicPrefix));
    }

    public static TokenlogClient connect(ClientOptions options) {
        return new TokenlogClient(Cluster.connect(options));
    }

    // Generations

    /// Sends a prompt, and returns when it is durable. Where it has no generation id, it gets a new
    /// one. One that has an id and was sent before, with the same body, is the same generation as
    /// before, if it has the same `conversation_id`.
    ///
    /// @throws TokenlogException `REFUSED` with [ErrorCode#TOO_LARGE] or [ErrorCode#INVALID_ID];
    ///   nothing is sent then
    public GenerationHandle submit(PromptSubmitted prompt) {
        return submit(prompt, Map.of());
    }

    /// @param headers of the record: `traceparent`, and the caller's own, which are passed to the
    ///   token events where they begin with `x-`
    public GenerationHandle submit(PromptSubmitted prompt, Map<String, String> headers) {
        return generations.submit(prompt, headers);
    }

    /// Reads a generation from its beginning, as often as wanted.
    public GenerationStream stream(GenerationHandle handle) {
        return generations.stream(handle);
    }

    /// Submits and streams.
    public GenerationStream generate(PromptSubmitted prompt) {
        return generate(prompt, Map.of());
    }

    public GenerationStream generate(PromptSubmitted prompt, Map<String, String> headers) {
        return generations.generate(prompt, headers);
    }

    /// Where a generation is that somebody asked for; empty if the log holds neither its prompt nor
    /// its beginning. Reads all of `tokens`, and of `prompts` where it has not begun.
    public Optional<GenerationHandle> find(String generationId) {
        return generations.find(generationId);
    }

    /// Reads any generation from its first token, from any machine, by its id alone.
    ///
    /// @throws TokenlogException `NOT_FOUND`
    public GenerationStream attach(String generationId) {
        return stream(
                find(generationId)
                        .orElseThrow(() ->
                                new TokenlogException(
                                        TokenlogException.Kind.NOT_FOUND,
                                        "the log holds no generation " + generationId)));
    }

    /// Follows every event of `tokens` that was appended at or after this time, of all generations,
    /// void ones included: [dev.tokenlog.contracts.GenerationLog] says which count. Has no end.
    public EventStream<TokenEvent> followTokens(Instant since) {
        return cluster.stream(
                Topic.TOKENS.baseName(),
                cluster.since(cluster.all(Topic.TOKENS), since),
                TokenEvent.class,
                _ -> true,
                _ -> false);
    }

    /// Asks for the end of a generation, whether it has begun or not; harmless after its end.
    public void cancel(String generationId, String reason) {
        generations.cancel(generationId, reason);
    }

    // Conversions

    /// Asks for a conversion and follows it to its end. Where the request has no id, or no
    /// requester, they are filled in; the id is the stream's.
    public EventStream<ConversionEvent> convert(ConversionRequested request) {
        return conversions.convert(request);
    }

    /// Follows a conversion from its first event.
    public EventStream<ConversionEvent> followConversion(String conversionId) {
        return conversions.follow(conversionId);
    }

    public void cancelConversion(String conversionId) {
        conversions.cancel(conversionId);
    }

    // Models

    /// Every model id that has a manifest or an entry in the registry, in alphabetical order.
    public List<ModelEntry> models() {
        return models.list();
    }

    /// What the cluster calls itself: each has another id.
    public String clusterId() {
        return cluster.id();
    }

    /// Every model digest that the log still holds in a manifest or in the registry: artifacts of
    /// other digests can be deleted.
    public Set<String> namedDigests() {
        return models.named();
    }

    public Optional<ModelEntry> model(String modelId) {
        return models().stream().filter(entry -> entry.modelId().equals(modelId)).findFirst();
    }

    /// Tells the registry what is to be served.
    public CommandHandle command(RegistryCommand command) {
        return models.command(command);
    }

    /// Why the registry refused a command; empty as long as it has not refused it.
    public Optional<DeadLetter> refusal(CommandHandle command) {
        return models.refusal(command);
    }

    /// Follows what the registry says about a model id, up to where exactly this digest is served.
    public EventStream<ModelServing> followServing(String modelId, String modelDigest) {
        return models.followServing(modelId, modelDigest);
    }

    /// Follows what is measured about a digest under a model id, from the first measurement to the
    /// first verdict.
    ///
    /// @param since a verdict `NONE` that was appended before is passed over: it said nothing about
    ///   the model, and what was published since is validated anew
    public EventStream<AccuracyEvent> followAccuracy(
            String modelId, String modelDigest, Instant since) {
        return models.followAccuracy(modelId, modelDigest, since);
    }

    /// Asks for a validation and follows it to its verdict.
    public EventStream<AccuracyEvent> validate(ValidationRequested request) {
        return models.validate(request);
    }

    // Replays

    /// The generations that began at or after this time, as far as the log holds them.
    ///
    /// @param modelId null: of all models
    public List<PastGeneration> generationsSince(Instant since, String modelId) {
        return generations.past(since, _ -> true).stream()
                .filter(each -> modelId == null || modelId.equals(each.modelId()))
                .toList();
    }

    /// What the log knows of one generation that has begun; the latest, if an id was used again.
    public Optional<PastGeneration> pastGeneration(String generationId) {
        return generations.past(Instant.EPOCH, generationId::equals).stream()
                .reduce((_, later) -> later);
    }

    /// Asks for a past generation to be computed again, and follows it to its one answer:
    /// `ReplayVerified`, `ReplayDiverged` or `ReplayFailed`. Where the request has no id, or no
    /// requester, they are filled in.
    public EventStream<AccuracyEvent> replay(ReplayRequested request) {
        return models.replay(request);
    }

    /// Asks what another model would have made of a past generation: `CandidateReplayed` or
    /// `ReplayFailed`.
    public EventStream<AccuracyEvent> replay(CandidateReplayRequested request) {
        return models.replay(request);
    }

    // The platform

    /// The workers that have said what they are and have not said goodbye, by worker id. One that
    /// was killed said none: when it was last heard stands at its event.
    public List<LogEvent<WorkerState>> workers() {
        Map<String, LogEvent<WorkerState>> workers = new TreeMap<>();
        cluster.scan(
                List.of(Topic.WORKER_EVENTS),
                record -> {
                    if (record.tombstone()) {
                        record.key().ifPresent(workers::remove);
                    }
                    record.event(WorkerState.class)
                            .ifPresent(worker ->
                                    workers.put(worker.workerId(), LogEvent.of(record, worker)));
                });
        return List.copyOf(workers.values());
    }

    /// What models did in each minute that began at or after this time, oldest first, of one minute
    /// by model id. The present minute is told as far as it has come.
    ///
    /// @param modelId null: of all models
    public List<Usage> usage(Instant since, String modelId) {
        Map<String, Usage> latest = new TreeMap<>();
        cluster.scan(
                List.of(Topic.USAGE),
                record ->
                        record.event(Usage.class)
                                .filter(each -> each.windowStart() >= since.toEpochMilli())
                                .filter(each -> modelId == null || modelId.equals(each.modelId()))
                                .ifPresent(each ->
                                        latest.put(each.windowStart() + each.modelId(), each)));
        return latest.values().stream()
                .sorted(Comparator.comparingLong(Usage::windowStart).thenComparing(Usage::modelId))
                .toList();
    }

    /// Where a prompt waits, and for how long about, as its worker told last; empty if it does not
    /// wait, or behind [WorkerState#QUEUE_LIMIT] others, or where nobody says it any more: its
    /// worker has died, or lost partitions to another one.
    public Optional<WorkerState.Waiting> waiting(String generationId) {
        return Queues.place(workers(), generationId);
    }

    /// Loads and evictions of models that the log still holds, of all workers, oldest first. The
    /// topic is compacted: what is old may be gone.
    public List<LogEvent<ModelEvent>> modelEvents() {
        List<LogEvent<ModelEvent>> events = new ArrayList<>();
        cluster.scan(
                List.of(Topic.WORKER_EVENTS),
                record ->
                        record.event(ModelEvent.class)
                                .ifPresent(event -> events.add(LogEvent.of(record, event))));
        return events;
    }

    /// Everything that was given up, oldest first.
    public List<DeadLetterEntry> deadLetters() {
        return deadLetters.list();
    }

    /// Sends a record that was given up again: to its topic and partition, with its key, value and
    /// headers and a header [DeadLetter#RESENT]. A prompt that names a generation gets a new id.
    ///
    /// @throws TokenlogException `REFUSED` if it is no request of a client or an operator, or holds
    ///   nothing
    public ResentLetter resend(DeadLetterEntry letter) {
        return deadLetters.send(letter);
    }

    /// Everything that the log holds about a generation id, a conversion id, a model id or a model
    /// digest; empty if it holds nothing.
    public Optional<Timeline> audit(String id) {
        return audit.timeline(id);
    }

    /// Ends the client; its streams fail with `CLOSED`.
    @Override
    public void close() {
        cluster.close();
    }
}

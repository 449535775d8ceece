package dev.tokenlog.chaos;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.chaos.Platform.Processor;
import dev.tokenlog.chaos.Schedule.ConversionKill;
import dev.tokenlog.client.ClientOptions;
import dev.tokenlog.client.EventStream;
import dev.tokenlog.client.LogEvent;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.client.TokenlogException;
import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ConversionEvent.ConversionFinished;
import dev.tokenlog.contracts.ConversionEvent.TensorConverted;
import dev.tokenlog.contracts.ConversionRequest;
import dev.tokenlog.contracts.ConversionRequest.ConversionRequested;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/// Conversions of the bundled model, whose worker is killed in their middle, and what must come of
/// them: the artifact of an undisturbed conversion, each tensor told once, a verdict, a place in
/// the registry.
final class Conversions implements AutoCloseable {

    private static final Duration SILENCE = Duration.ofSeconds(240);
    private static final Duration TIMEOUT = Duration.ofSeconds(60);

    /// @param id the conversion, and the model's name
    /// @param digest what an undisturbed conversion gives
    record Asked(String id, String digest) {}

    private final Platform platform;
    private final Path source;
    private final RunLog log;
    private final TokenlogClient client;
    private final List<Child> workers = new ArrayList<>();
    private final Map<Recipe, String> digests = new HashMap<>();
    private final List<Asked> asked = new ArrayList<>();

    Conversions(Platform platform, Path source, RunLog log) {
        this.platform = platform;
        this.source = source;
        this.log = log;
        this.client =
                TokenlogClient.connect(
                        ClientOptions.of(Map.of("bootstrap.servers", platform.bootstrap()), "")
                                .withTimeout(TIMEOUT));
    }

    /// Two workers, one of which has the partition.
    void start() {
        for (int i = 0; i < 2; i++) {
            workers.add(platform.start(Processor.CONVERSION, threads()));
        }
    }

    private static List<String> threads() {
        return List.of("tokenlog.conversion.threads=1");
    }

    /// One that nobody kills.
    ///
    /// @return where its artifact lies, once the registry serves it
    Path convert(String id, ConversionKill recipe) {
        request(id, recipe);
        try (EventStream<ConversionEvent> events = client.followConversion(id)) {
            if (!(events.forEach(SILENCE, _ -> {}) instanceof ConversionFinished finished)) {
                throw new IllegalStateException("the conversion of " + id + " failed");
            }
            try (EventStream<ModelServing> serving =
                    client.followServing(id, finished.modelDigest())) {
                serving.forEach(SILENCE, _ -> {});
            }
            return platform.artifacts().resolve(finished.modelDigest());
        }
    }

    /// Conversions one after the other, each killed at its tensor.
    void run(List<ConversionKill> kills) throws InterruptedException {
        for (int i = 0; i < kills.size(); i++) {
            ConversionKill kill = kills.get(i);
            String id = "chaos-" + i + "-" + kill.code() + "-g" + kill.groupSize();
            request(id, kill);
            killAtTensor(id, kill.tensor());
            awaitEnd(id);
        }
    }

    private void request(String id, ConversionKill kill) {
        asked.add(new Asked(id, undisturbed(kill)));
        ConversionRequested request =
                new ConversionRequested(
                        id,
                        id,
                        source.toString(),
                        null,
                        new ConversionRequest.Recipe(kill.code(), kill.groupSize(), kill.scales()),
                        "chaos");
        while (true) {
            try {
                client.convert(request).close();
                return;
            } catch (TokenlogException e) {
                // The same request again is the same conversion.
                log.event("conversion %s asked for again: %s", id, e.getMessage());
            }
        }
    }

    private void killAtTensor(String id, int tensor) throws InterruptedException {
        boolean killed = false;
        try (EventStream<ConversionEvent> events = client.followConversion(id)) {
            while (!killed && !events.ended()) {
                Optional<ConversionEvent> event = events.next(SILENCE).map(LogEvent::event);
                killed =
                        event.isEmpty()
                                || event.get() instanceof TensorConverted converted
                                        && converted.number() >= tensor;
            }
        } catch (TokenlogException e) {
            log.event("conversion %s not followed: %s", id, e.getMessage());
        }
        killWorkerOf(id);
        log.killed("conversion");
    }

    private void killWorkerOf(String id) throws InterruptedException {
        int busy = workers.getFirst().hasSaid("conversion begins id=" + id + " ") ? 0 : 1;
        Child victim = workers.get(busy);
        victim.kill();
        log.event("%s killed in conversion %s", victim.name(), id);
        workers.set(busy, platform.start(Processor.CONVERSION, threads()));
    }

    private void awaitEnd(String id) {
        for (int tries = 0; tries < 3; tries++) {
            try (EventStream<ConversionEvent> events = client.followConversion(id)) {
                events.forEach(SILENCE, _ -> {});
                return;
            } catch (TokenlogException e) {
                log.event("conversion %s not followed: %s", id, e.getMessage());
            }
        }
        log.violation(new Violation("conversion", id, "did not end"));
    }

    /// Until the registry serves everything that was converted.
    void awaitServed() {
        for (Asked each : asked) {
            try (EventStream<ModelServing> serving =
                    client.followServing(each.id(), each.digest())) {
                serving.forEach(SILENCE, _ -> {});
            } catch (TokenlogException e) {
                log.violation(new Violation("verdict", each.id(), "not served: " + e.getMessage()));
            }
        }
    }

    int count() {
        return asked.size();
    }

    /// The digest of an undisturbed conversion, in this process.
    private String undisturbed(ConversionKill kill) {
        Recipe usual = Recipe.of(Recipe.codeOf(kill.code()), kill.groupSize());
        Recipe recipe =
                new Recipe(
                        usual.code(),
                        usual.groupSize(),
                        usual.embeddingCode(),
                        Recipe.scalesOf(kill.scales()));
        return digests.computeIfAbsent(recipe, this::convertHere);
    }

    private String convertHere(Recipe recipe) {
        try (SourceModel model = SourceModel.open(source);
                Artifact artifact =
                        new Converter(1)
                                .convert(
                                        model,
                                        recipe,
                                        new ArtifactStore(platform.folder().resolve("undisturbed")),
                                        new ConversionListener() {})) {
            return artifact.manifest().modelDigest();
        }
    }

    /// What the log says of each, and what lies in the store.
    void judge() {
        RawLog events = RawLog.read(platform.bootstrap(), "conversion-events");
        RawLog metrics = RawLog.read(platform.bootstrap(), "accuracy-metrics");
        Set<String> verdicts = new HashSet<>();
        for (RawLog.Entry entry : metrics.entries()) {
            ObjectNode event = entry.json();
            if (event.path("type").asText().equals("ValidationFinished")) {
                verdicts.add(
                        event.path("model_id").asText()
                                + " "
                                + event.path("model_digest").asText());
            }
        }
        Map<String, List<ObjectNode>> byId = new TreeMap<>();
        for (RawLog.Entry entry : events.entries()) {
            ObjectNode event = entry.json();
            byId.computeIfAbsent(event.path("conversion_id").asText(), _ -> new ArrayList<>())
                    .add(event);
        }
        for (Asked each : asked) {
            told(each, byId.getOrDefault(each.id(), List.of()));
            if (!verdicts.contains(each.id() + " " + each.digest())) {
                log.violation(new Violation("verdict", each.id(), "there is none"));
            }
        }
        store();
    }

    private void told(Asked conversion, List<ObjectNode> events) {
        Set<String> tensors = new HashSet<>();
        String digest = null;
        for (ObjectNode event : events) {
            switch (event.path("type").asText()) {
                case "TensorConverted" -> {
                    if (!tensors.add(event.path("name").asText())) {
                        log.violation(
                                new Violation(
                                        "conversion",
                                        conversion.id(),
                                        "tensor told twice: " + event.path("name").asText()));
                    }
                }
                case "ConversionFinished" ->
                        digest = digest == null ? event.path("model_digest").asText() : digest;
                case "ConversionFailed", "ConversionCancelled" ->
                        log.violation(
                                new Violation("conversion", conversion.id(), event.toString()));
                default -> {}
            }
        }
        if (!conversion.digest().equals(digest)) {
            log.violation(
                    new Violation(
                            "conversion",
                            conversion.id(),
                            "has digest %s, undisturbed it is %s"
                                    .formatted(digest, conversion.digest())));
        }
    }

    /// Whatever has a name in the store is whole.
    private void store() {
        ArtifactStore store = new ArtifactStore(platform.artifacts());
        for (String digest : store.list()) {
            try {
                store.open(digest, true).close();
            } catch (RuntimeException e) {
                log.violation(new Violation("artifact", digest, e.getMessage()));
            }
        }
    }

    @Override
    public void close() {
        client.close();
    }
}

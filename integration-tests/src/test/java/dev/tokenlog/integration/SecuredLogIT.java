package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.tokenlog.contracts.Participant;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.embeddedkafka.RecordingAuthorizer;
import dev.tokenlog.embeddedkafka.RecordingAuthorizer.Decision;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.resource.PatternType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The four processors, each a process with a user of its own that has exactly the rules of
/// [Participant], on a broker with TLS and SCRAM that allows nothing by default; and the command
/// line beside them.
class SecuredLogIT {

    private static final String PREFIX = "acme.";

    private static final List<Participant> PROCESSORS =
            Stream.of(Participant.values()).filter(p -> !p.groups("").isEmpty()).toList();

    @TempDir private Path folder;

    private final Map<Participant, Processor> processors = new EnumMap<>(Participant.class);
    private final Map<Participant, AclBinding> taken = new EnumMap<>(Participant.class);
    private final List<CommandLine.Result> commands = new ArrayList<>();
    private SecuredCluster cluster;
    private String generation;

    @Test
    void everyProcessorWorksWithItsRightsAndNamesTheOneThatIsMissing() throws Exception {
        try (SecuredCluster secured = new SecuredCluster(folder, PREFIX)) {
            cluster = secured;
            List<Processor> refused = startWithoutWhatTheyNeed();
            try {
                // Before the others start: six processes at once would take two cores so long that
                // the cluster looked as if it were away.
                theyEndedAndSaidWhy(refused);
                startAll();
                answer("first");
                replay();
                everyoneRefusesSomething();
                rightsThatAreTakenAwayAreNamedAndGivenBack();
                answer("second");
                everyRightWasUsedAndNoOtherAskedFor();
            } finally {
                for (Processor processor : processors.values()) {
                    processor.close();
                }
            }
            noPasswordIsShown(refused);
        }
    }

    /// The three ways in which an operator can say it.
    private void startAll() {
        Path data = folder.resolve("data");
        for (Participant part : PROCESSORS) {
            Map<String, Object> kafka = cluster.settings(part.title());
            Path file = cluster.file(part.title(), kafka, "kafka.");
            String prefix = "-Dtokenlog.topic-prefix=" + PREFIX;
            processors.put(
                    part,
                    switch (part) {
                        case CONVERSION_PROCESSOR ->
                                Processor.start(
                                        part.title(),
                                        data,
                                        Map.of("QUARKUS_CONFIG_LOCATIONS", file.toString()),
                                        prefix);
                        case VALIDATION_PROCESSOR ->
                                Processor.start(part.title(), data, variables(kafka), prefix);
                        default ->
                                Processor.start(
                                        part.title(),
                                        data,
                                        Map.of(),
                                        prefix,
                                        "-Dquarkus.config.locations=" + file);
                    });
        }
        processors.values().forEach(Processor::awaitReady);
    }

    private static Map<String, String> variables(Map<String, Object> kafka) {
        Map<String, String> variables = new HashMap<>();
        kafka.forEach((name, value) ->
                variables.put(
                        "KAFKA_" + name.toUpperCase(Locale.ROOT).replace('.', '_'),
                        value.toString()));
        return variables;
    }

    /// A conversion, its verdict, and an answer.
    private void answer(String name) {
        tokenlog("convert", Checkout.demoModel().toString(), "--bits", "8", "--name", name);
        await("served")
                .atMost(Duration.ofSeconds(60))
                .pollInterval(Duration.ofMillis(500))
                .until(() -> isServed(tokenlog("models", "--json").out(), name));
        CommandLine.Result answer =
                tokenlog("generate", name, "Once upon a time", "--max-tokens", "12", "--json");
        generation = answer.out().replaceAll("(?s).*?\"generation_id\":\"([^\"]+)\".*", "$1");
    }

    private static boolean isServed(String models, String name) throws IOException {
        for (JsonNode model : new ObjectMapper().readTree(models).path("models")) {
            if (model.path("model_id").asText().equals(name)) {
                return model.path("serving").path("state").asText().equals("SERVING");
            }
        }
        return false;
    }

    private void replay() {
        assertThat(tokenlog("replay", generation).out()).containsIgnoringCase("equal");
    }

    /// A record on each topic of requests that nobody can read.
    private void everyoneRefusesSomething() {
        List<Topic> refusable =
                List.of(
                        Topic.PROMPTS,
                        Topic.CONVERSION_REQUESTS,
                        Topic.VALIDATION_REQUESTS,
                        Topic.REGISTRY_COMMANDS);
        for (Topic topic : refusable) {
            cluster.send(topic.baseName(), "not JSON".getBytes(StandardCharsets.UTF_8));
        }
        await("dead letters of all four")
                .atMost(Duration.ofSeconds(20))
                .until(() -> {
                    String letters = tokenlog("dead-letters", "list", "--json").out();
                    return Stream.of("prompts", "conversion-requests", "validation-requests")
                                    .allMatch(topic -> letters.contains(PREFIX + topic))
                            && letters.contains(PREFIX + "registry-commands");
                });
    }

    private CommandLine.Result tokenlog(String... arguments) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--bootstrap", cluster.bootstrap(), "--topic-prefix", PREFIX));
        Path file = cluster.file("client", cluster.settings("client"), "");
        all.addAll(List.of("--properties", file.toString()));
        CommandLine.Result result =
                CommandLine.tokenlog(folder.resolve("home"), all.toArray(String[]::new));
        assertThat(result.status()).as(result.toString()).isZero();
        commands.add(result);
        return result;
    }

    /// A wrong password, and a user who lacks one right of those that the processor needs.
    private List<Processor> startWithoutWhatTheyNeed() {
        cluster.allow(
                cluster.rules(Participant.INFERENCE_PROCESSOR, "newcomer").stream()
                        .filter(rule ->
                                !(rule.pattern().name().equals(PREFIX + "tokens")
                                        && rule.entry().operation() == AclOperation.WRITE))
                        .toList());
        Path newcomer = cluster.file("newcomer", cluster.settings("newcomer"), "kafka.");
        Path guessed =
                cluster.file(
                        "guessed",
                        cluster.withPassword("conversion-processor", "guessed-1"),
                        "kafka.");
        return List.of(
                refused("inference-processor", newcomer), refused("conversion-processor", guessed));
    }

    private Processor refused(String module, Path file) {
        return Processor.start(
                module,
                folder.resolve("refused"),
                Map.of(),
                "-Dtokenlog.topic-prefix=" + PREFIX,
                "-Dquarkus.config.locations=" + file);
    }

    private static void theyEndedAndSaidWhy(List<Processor> refused) throws Exception {
        for (Processor processor : refused) {
            assertThat(processor.end(Duration.ofSeconds(60))).as(processor.log()).hasValue(1);
        }
        assertThat(refused.getFirst().log())
                .contains("inference-processor lacks Write on topic acme.tokens");
        assertThat(refused.getLast().log()).contains("does not let this client in");
    }

    /// One of each processor, all at the same time.
    private void rightsThatAreTakenAwayAreNamedAndGivenBack() {
        taken.put(
                Participant.CONVERSION_PROCESSOR,
                rule(Participant.CONVERSION_PROCESSOR, "conversion-requests", AclOperation.READ));
        taken.put(
                Participant.VALIDATION_PROCESSOR,
                rule(Participant.VALIDATION_PROCESSOR, "accuracy-metrics", AclOperation.WRITE));
        taken.put(
                Participant.REGISTRY_PROCESSOR,
                rule(Participant.REGISTRY_PROCESSOR, "tokenlog-registry", AclOperation.READ));
        taken.put(
                Participant.INFERENCE_PROCESSOR,
                rule(Participant.INFERENCE_PROCESSOR, "prompts", AclOperation.READ));
        cluster.take(taken.values());
        cluster.take(inferenceWrites());
        taken.forEach((part, rule) ->
                await(part + " names the right")
                        .atMost(Duration.ofSeconds(60))
                        .untilAsserted(() -> {
                            Processor.Health health = processors.get(part).health();
                            assertThat(health.ready()).as(health.text()).isFalse();
                            assertThat(health.text()).contains(words(rule));
                        }));
        theWorkerTriesToWrite();
        cluster.allow(taken.values());
        cluster.allow(inferenceWrites());
        processors.values().forEach(Processor::awaitReady);
    }

    /// All of them: a producer that may write nowhere has to find back as well.
    private List<AclBinding> inferenceWrites() {
        Participant part = Participant.INFERENCE_PROCESSOR;
        return cluster.rules(part, part.title()).stream()
                .filter(rule -> rule.entry().operation() == AclOperation.WRITE)
                .toList();
    }

    private void theWorkerTriesToWrite() {
        cluster.send(
                Topic.GENERATION_CONTROLS.baseName(), "not JSON".getBytes(StandardCharsets.UTF_8));
        Processor worker = processors.get(Participant.INFERENCE_PROCESSOR);
        await("a letter that could not be written")
                .atMost(Duration.ofSeconds(30))
                .until(() -> worker.log().contains("not told of"));
    }

    private static String words(AclBinding rule) {
        return "%s on %s %s"
                .formatted(
                        rule.entry().operation() == AclOperation.READ ? "Read" : "Write",
                        rule.pattern().resourceType().name().toLowerCase(Locale.ROOT),
                        rule.pattern().name());
    }

    private AclBinding rule(Participant part, String name, AclOperation operation) {
        return cluster.rules(part, part.title()).stream()
                .filter(rule -> rule.pattern().name().equals(PREFIX + name))
                .filter(rule -> rule.entry().operation() == operation)
                .findFirst()
                .orElseThrow();
    }

    private void everyRightWasUsedAndNoOtherAskedFor() {
        List<Decision> decisions = RecordingAuthorizer.decisions();
        for (Participant part : PROCESSORS) {
            for (AclBinding rule : cluster.rules(part, part.title())) {
                assertThat(decisions)
                        .as("%s uses %s", part, rule)
                        .anyMatch(decision ->
                                decision.allowed()
                                        && decision.user().equals(part.title())
                                        && decision.operation() == rule.entry().operation()
                                        && covers(rule, decision));
            }
        }
        // What was taken away was denied until it was given back, and nothing else ever.
        List<String> names =
                Stream.concat(taken.values().stream(), inferenceWrites().stream())
                        .map(rule -> rule.pattern().name())
                        .collect(Collectors.toCollection(ArrayList::new));
        // Of a producer that may write nowhere the broker says it so.
        names.add("kafka-cluster");
        assertThat(decisions)
                .filteredOn(d -> !d.allowed())
                .filteredOn(d -> PROCESSORS.stream().anyMatch(p -> p.title().equals(d.user())))
                .extracting(Decision::name)
                .isSubsetOf(names);
    }

    private static boolean covers(AclBinding rule, Decision decision) {
        return rule.pattern().resourceType() == decision.resource()
                && (rule.pattern().patternType() == PatternType.PREFIXED
                        ? decision.name().startsWith(rule.pattern().name())
                        : decision.name().equals(rule.pattern().name()));
    }

    private void noPasswordIsShown(List<Processor> refused) {
        List<String> shown = new ArrayList<>();
        processors.values().forEach(processor -> shown.add(processor.log()));
        refused.forEach(processor -> shown.add(processor.log()));
        commands.forEach(command -> shown.add(command.toString()));
        for (String secret : cluster.secrets()) {
            assertThat(shown).noneMatch(text -> text.contains(secret));
        }
        assertThat(shown).noneMatch(text -> text.contains("guessed-1"));
    }
}

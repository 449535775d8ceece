package dev.tokenlog.contracts;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class TopicTest {

    /// The table of the design, by hand.
    private static final Map<String, String> KEPT =
            Map.ofEntries(
                    Map.entry("conversion-requests", "delete 604800000"),
                    Map.entry("conversion-events", "delete -1"),
                    Map.entry("model-manifests", "compact -1"),
                    Map.entry("validation-requests", "delete 604800000"),
                    Map.entry("accuracy-metrics", "delete -1"),
                    Map.entry("registry-commands", "delete -1"),
                    Map.entry("model-registry", "compact -1"),
                    Map.entry("usage", "compact,delete 2592000000"),
                    Map.entry("prompts", "delete 604800000"),
                    Map.entry("generation-controls", "delete 604800000"),
                    Map.entry("tokens", "delete 604800000"),
                    Map.entry("worker-events", "compact,delete 86400000"),
                    Map.entry("dead-letters", "delete 2592000000"));

    @Test
    void everyTopicIsKeptAsTheDesignSays() {
        assertThat(
                        Arrays.stream(Topic.values())
                                .collect(
                                        Collectors.toMap(
                                                Topic::baseName,
                                                topic ->
                                                        topic.settings().get("cleanup.policy")
                                                                + " "
                                                                + topic.settings()
                                                                        .get("retention.ms"))))
                .isEqualTo(KEPT);
    }

    @Test
    void limitsAndPartitions() {
        assertThat(Topic.PROMPTS.settings()).containsEntry("max.message.bytes", "1048576");
        assertThat(Topic.DEAD_LETTERS.settings()).containsEntry("max.message.bytes", "2097152");
        assertThat(Topic.PROMPTS.partitions(12)).isEqualTo(12);
        assertThat(Topic.TOKENS.partitions(12)).isEqualTo(12);
        assertThat(Topic.GENERATION_CONTROLS.partitions(12)).isEqualTo(1);
        assertThat(Topic.TOKENS.name("acme.")).isEqualTo("acme.tokens");
    }

    @Test
    void everyTopicHasWritersAndReaders() {
        Set<Topic> read = EnumSet.noneOf(Topic.class);
        Set<Topic> written = EnumSet.noneOf(Topic.class);
        for (Participant participant : Participant.values()) {
            read.addAll(participant.reads());
            written.addAll(participant.writes());
        }
        assertThat(read).containsExactly(Topic.values());
        assertThat(written).containsExactly(Topic.values());
    }

    @Test
    void accessIsLeastAndNamesPrefixAndGroup() {
        assertThat(Participant.INFERENCE_PROCESSOR.aclCommands("acme.", "User:worker"))
                .contains(
                        "--add --allow-principal User:worker --operation Read --operation DescribeConfigs --topic acme.prompts --resource-pattern-type literal",
                        "--add --allow-principal User:worker --operation Read --operation Write --operation DescribeConfigs --topic acme.tokens --resource-pattern-type literal",
                        "--add --allow-principal User:worker --operation Read --group acme.tokenlog-inference --resource-pattern-type literal")
                .noneMatch(line -> line.contains("usage"))
                .hasSize(Participant.INFERENCE_PROCESSOR.topics().size() + 1);
        assertThat(Participant.REGISTRY_PROCESSOR.aclCommands("", "User:registry"))
                .anyMatch(line ->
                        line.contains("--transactional-id tokenlog-registry-")
                                && line.endsWith("prefixed"));
        assertThat(Participant.CLIENT.groups("")).isEmpty();
    }

    @Test
    void generationIds() {
        assertThat(GenerationId.assigned(3, 17)).isEqualTo("3-17");
        assertThat(GenerationId.refusal(GenerationId.random())).isEmpty();
        assertThat(GenerationId.refusal("3-17")).isPresent();
        assertThat(GenerationId.refusal("3-17-1")).isEmpty();
        assertThat(GenerationId.refusal(" ")).isPresent();
        assertThat(GenerationId.refusal("a\nb")).isPresent();
        assertThat(GenerationId.refusal("x".repeat(201))).isPresent();
    }
}

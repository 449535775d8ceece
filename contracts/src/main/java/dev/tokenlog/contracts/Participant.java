package dev.tokenlog.contracts;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourceType;

/// Who takes part: what each process reads and writes, under which group, and so what a secured
/// cluster has to allow it.
public enum Participant {
    CONVERSION_PROCESSOR(
            List.of("tokenlog-conversion"),
            Set.of(Topic.CONVERSION_REQUESTS, Topic.CONVERSION_EVENTS),
            Set.of(Topic.CONVERSION_EVENTS, Topic.MODEL_MANIFESTS, Topic.DEAD_LETTERS)),
    VALIDATION_PROCESSOR(
            List.of("tokenlog-validation-manifests", "tokenlog-validation-requests"),
            Set.of(Topic.MODEL_MANIFESTS, Topic.VALIDATION_REQUESTS, Topic.ACCURACY_METRICS),
            Set.of(Topic.ACCURACY_METRICS, Topic.DEAD_LETTERS)),
    REGISTRY_PROCESSOR(
            List.of("tokenlog-registry"),
            Set.of(
                    Topic.MODEL_MANIFESTS,
                    Topic.ACCURACY_METRICS,
                    Topic.REGISTRY_COMMANDS,
                    Topic.MODEL_REGISTRY,
                    Topic.CONVERSION_EVENTS,
                    Topic.TOKENS),
            Set.of(Topic.MODEL_REGISTRY, Topic.USAGE, Topic.DEAD_LETTERS)),
    INFERENCE_PROCESSOR(
            List.of("tokenlog-inference"),
            Set.of(
                    Topic.PROMPTS,
                    Topic.TOKENS,
                    Topic.GENERATION_CONTROLS,
                    Topic.MODEL_REGISTRY,
                    Topic.MODEL_MANIFESTS),
            Set.of(Topic.TOKENS, Topic.WORKER_EVENTS, Topic.DEAD_LETTERS)),
    /// Reads everything for the audit trail, without a group.
    CLIENT(
            List.of(),
            EnumSet.allOf(Topic.class),
            Set.of(
                    Topic.PROMPTS,
                    Topic.GENERATION_CONTROLS,
                    Topic.CONVERSION_REQUESTS,
                    Topic.VALIDATION_REQUESTS,
                    Topic.REGISTRY_COMMANDS));

    private final List<String> groups;
    private final Set<Topic> reads;
    private final Set<Topic> writes;

    Participant(List<String> groups, Set<Topic> reads, Set<Topic> writes) {
        this.groups = groups;
        this.reads = reads;
        this.writes = writes;
    }

    /// The consumer groups, under the topics' prefix so that one rule can cover both; none for who
    /// reads without one. The registry's is also the application id of its Kafka Streams.
    public List<String> groups(String prefix) {
        return groups.stream().map(name -> prefix + name).toList();
    }

    public Set<Topic> reads() {
        return reads;
    }

    public Set<Topic> writes() {
        return writes;
    }

    /// One rule that a secured cluster has to have for this participant's principal.
    public record Access(
            ResourceType resource,
            PatternType pattern,
            String name,
            List<AclOperation> operations) {}

    /// All rules for this participant.
    public List<Access> access(String prefix) {
        List<Access> rules = new ArrayList<>();
        for (Topic topic : Topic.values()) {
            // Every participant checks the topics when it starts.
            List<AclOperation> operations =
                    new ArrayList<>(List.of(AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS));
            if (reads.contains(topic)) {
                operations.add(AclOperation.READ);
            }
            if (writes.contains(topic)) {
                operations.add(AclOperation.WRITE);
            }
            rules.add(
                    new Access(
                            ResourceType.TOPIC,
                            PatternType.LITERAL,
                            topic.name(prefix),
                            List.copyOf(operations)));
        }
        for (String name : groups(prefix)) {
            rules.add(
                    new Access(
                            ResourceType.GROUP,
                            PatternType.LITERAL,
                            name,
                            List.of(AclOperation.READ)));
        }
        if (this == REGISTRY_PROCESSOR) {
            rules.addAll(streams(groups(prefix).getFirst()));
        }
        return rules;
    }

    /// Kafka Streams makes topics and transactions of its own, named after its application.
    private static List<Access> streams(String application) {
        return List.of(
                new Access(
                        ResourceType.TOPIC,
                        PatternType.PREFIXED,
                        application + "-",
                        List.of(
                                AclOperation.CREATE,
                                AclOperation.DELETE,
                                AclOperation.DESCRIBE,
                                AclOperation.DESCRIBE_CONFIGS,
                                AclOperation.READ,
                                AclOperation.WRITE)),
                new Access(
                        ResourceType.TRANSACTIONAL_ID,
                        PatternType.PREFIXED,
                        application + "-",
                        List.of(AclOperation.DESCRIBE, AclOperation.WRITE)));
    }

    /// The rules as arguments of Kafka's own `kafka-acls.sh --add`, one line each.
    public List<String> aclCommands(String prefix, String principal) {
        return access(prefix).stream().map(rule -> command(rule, principal)).toList();
    }

    private static String command(Access rule, String principal) {
        String operations =
                String.join(
                        " ",
                        rule.operations().stream()
                                .map(operation -> "--operation " + camelCase(operation.name()))
                                .toList());
        String resource =
                switch (rule.resource()) {
                    case TOPIC -> "--topic";
                    case GROUP -> "--group";
                    case TRANSACTIONAL_ID -> "--transactional-id";
                    case UNKNOWN, ANY, CLUSTER, DELEGATION_TOKEN, USER ->
                            throw new IllegalStateException("no rule names " + rule.resource());
                };
        return "--add --allow-principal %s %s %s %s --resource-pattern-type %s"
                .formatted(
                        principal,
                        operations,
                        resource,
                        rule.name(),
                        camelCase(rule.pattern().name()).toLowerCase(Locale.ROOT));
    }

    private static String camelCase(String constant) {
        StringBuilder text = new StringBuilder();
        Arrays.stream(constant.split("_"))
                .forEach(word ->
                        text.append(word.charAt(0))
                                .append(word.substring(1).toLowerCase(Locale.ROOT)));
        return text.toString();
    }
}

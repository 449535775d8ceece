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
/// cluster has to allow it. Reading and writing imply that one may know of a topic; nothing else is
/// asked for.
public enum Participant {
    CONVERSION_PROCESSOR(
            List.of("tokenlog-conversion"),
            Set.of(Topic.CONVERSION_REQUESTS, Topic.CONVERSION_EVENTS),
            Set.of(Topic.CONVERSION_EVENTS, Topic.MODEL_MANIFESTS, Topic.DEAD_LETTERS)),
    /// Prompts and tokens are for replays.
    VALIDATION_PROCESSOR(
            List.of("tokenlog-validation-manifests", "tokenlog-validation-requests"),
            Set.of(
                    Topic.MODEL_MANIFESTS,
                    Topic.VALIDATION_REQUESTS,
                    Topic.ACCURACY_METRICS,
                    Topic.PROMPTS,
                    Topic.TOKENS),
            Set.of(Topic.ACCURACY_METRICS, Topic.DEAD_LETTERS)),
    REGISTRY_PROCESSOR(
            List.of("tokenlog-registry", "tokenlog-registry-usage"),
            Set.of(
                    Topic.MODEL_MANIFESTS,
                    Topic.ACCURACY_METRICS,
                    Topic.REGISTRY_COMMANDS,
                    Topic.PROMPTS,
                    Topic.TOKENS),
            Set.of(Topic.MODEL_REGISTRY, Topic.USAGE, Topic.DEAD_LETTERS)),
    /// Checks partitions and settings of its topics at every start.
    INFERENCE_PROCESSOR(
            List.of("tokenlog-inference"),
            Set.of(Topic.PROMPTS, Topic.TOKENS, Topic.GENERATION_CONTROLS, Topic.MODEL_REGISTRY),
            Set.of(Topic.TOKENS, Topic.WORKER_EVENTS, Topic.DEAD_LETTERS)),
    /// The client library and every command but `topics`: reads everything for the audit trail,
    /// without a group, and writes requests.
    CLIENT(
            List.of(),
            EnumSet.allOf(Topic.class),
            Set.of(
                    Topic.PROMPTS,
                    Topic.GENERATION_CONTROLS,
                    Topic.CONVERSION_REQUESTS,
                    Topic.VALIDATION_REQUESTS,
                    Topic.REGISTRY_COMMANDS)),
    /// The command `topics`: creates and checks topics, and sets the times of the groups.
    OPERATOR(List.of(), Set.of(), Set.of());

    private final List<String> groups;
    private final Set<Topic> reads;
    private final Set<Topic> writes;

    Participant(List<String> groups, Set<Topic> reads, Set<Topic> writes) {
        this.groups = groups;
        this.reads = reads;
        this.writes = writes;
    }

    /// The consumer groups, under the topics' prefix so that one rule can cover both; none for who
    /// reads without one. The registry's are also the application ids of its Kafka Streams, the
    /// first a beginning of the second.
    public List<String> groups(String prefix) {
        return groups.stream().map(name -> prefix + name).toList();
    }

    public Set<Topic> reads() {
        return reads;
    }

    public Set<Topic> writes() {
        return writes;
    }

    /// What people call it.
    public String title() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /// What it reads or writes.
    public Set<Topic> topics() {
        Set<Topic> all = EnumSet.noneOf(Topic.class);
        all.addAll(reads);
        all.addAll(writes);
        return all;
    }

    /// One rule that a secured cluster has to have for this participant's principal.
    public record Access(
            ResourceType resource,
            PatternType pattern,
            String name,
            List<AclOperation> operations) {}

    /// All rules for this participant, and none that it could do without.
    public List<Access> access(String prefix) {
        return access(prefix, groups(prefix));
    }

    /// @param groups that it uses, in place of its usual ones
    List<Access> access(String prefix, List<String> groups) {
        if (this == OPERATOR) {
            return operator(prefix);
        }
        List<Access> rules = new ArrayList<>();
        for (Topic topic : topics()) {
            List<AclOperation> operations = new ArrayList<>();
            if (reads.contains(topic)) {
                operations.add(AclOperation.READ);
            }
            if (writes.contains(topic)) {
                operations.add(AclOperation.WRITE);
            }
            if (this == INFERENCE_PROCESSOR) {
                operations.add(AclOperation.DESCRIBE_CONFIGS);
            }
            rules.add(topic(topic.name(prefix), operations));
        }
        for (String name : groups) {
            rules.add(group(name, AclOperation.READ));
        }
        if (this == REGISTRY_PROCESSOR) {
            rules.addAll(streams(groups.getFirst()));
        }
        return rules;
    }

    private static List<Access> operator(String prefix) {
        List<Access> rules = new ArrayList<>();
        for (Topic topic : Topic.values()) {
            rules.add(
                    topic(
                            topic.name(prefix),
                            List.of(
                                    AclOperation.CREATE,
                                    AclOperation.DESCRIBE,
                                    AclOperation.DESCRIBE_CONFIGS)));
        }
        for (Participant part : withGroupTimes()) {
            part.groups(prefix).forEach(name -> rules.add(group(name, AclOperation.ALTER_CONFIGS)));
        }
        return rules;
    }

    /// Whose groups get their times from the cluster: Kafka Streams has a protocol of its own,
    /// whose times its members say.
    public static List<Participant> withGroupTimes() {
        return Arrays.stream(values()).filter(part -> part != REGISTRY_PROCESSOR).toList();
    }

    private static Access topic(String name, List<AclOperation> operations) {
        return new Access(ResourceType.TOPIC, PatternType.LITERAL, name, List.copyOf(operations));
    }

    private static Access group(String name, AclOperation operation) {
        return new Access(ResourceType.GROUP, PatternType.LITERAL, name, List.of(operation));
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
                                // Of the records of its repartition topics that it is done with.
                                AclOperation.DELETE,
                                AclOperation.READ,
                                AclOperation.WRITE)),
                new Access(
                        ResourceType.TRANSACTIONAL_ID,
                        PatternType.PREFIXED,
                        application + "-",
                        List.of(AclOperation.WRITE)));
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
                                .map(operation ->
                                        "--operation " + AccessDenied.operationName(operation))
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
                        rule.pattern().name().toLowerCase(Locale.ROOT));
    }
}

package dev.tokenlog.contracts;

import dev.tokenlog.contracts.TopicException.Kind;
import dev.tokenlog.contracts.TopicException.Problem;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/// Creates and checks the topics of a cluster: the one place that does.
///
/// Every question waits at most the timeout given, and a call throws [TopicException] if the
/// cluster does not answer, refuses, or has topics that Tokenlog cannot work with.
public final class TopicAdmin implements AutoCloseable {

    private static final Duration BETWEEN_LOOKS = Duration.ofMillis(50);

    private static final System.Logger LOG = System.getLogger(TopicAdmin.class.getName());

    /// Only says what is forgotten when, on a topic that holds no truth: nobody who finds it
    /// otherwise has to stop.
    private static final Topic RENEWED = Topic.WORKER_EVENTS;

    private static final Set<String> RENEWED_SETTINGS =
            Set.of("cleanup.policy", "retention.ms", "segment.ms");

    private final Admin admin;
    private final String prefix;
    private final Duration timeout;

    public TopicAdmin(Admin admin, String prefix, Duration timeout) {
        this.admin = admin;
        this.prefix = prefix;
        this.timeout = timeout;
    }

    /// @param kafka client settings; `bootstrap.servers` at least
    /// @throws TopicException `NOT_ALLOWED` if the listener speaks another protocol
    public static TopicAdmin connect(Map<String, Object> kafka, String prefix, Duration timeout) {
        Map<String, Object> settings = new HashMap<>(kafka);
        settings.put("default.api.timeout.ms", Math.toIntExact(timeout.toMillis()));
        settings.put("request.timeout.ms", Math.toIntExact(Math.min(timeout.toMillis(), 30_000)));
        ListenerProbe.require(settings);
        try {
            return new TopicAdmin(Admin.create(settings), prefix, timeout);
        } catch (org.apache.kafka.common.KafkaException e) {
            throw new TopicException(Kind.UNREACHABLE, AccessDenied.chain(e), e);
        }
    }

    /// Creates the topics that are missing, waits until all are visible, and checks all.
    ///
    /// @return the topics that were created
    public List<Topic> create(TopicLayout layout) {
        Set<String> present =
                await(admin.listTopics().names(), AclOperation.DESCRIBE, "the cluster");
        List<Topic> missing =
                Arrays.stream(Topic.values())
                        .filter(topic -> !present.contains(topic.name(prefix)))
                        .toList();
        List<Topic> created = new ArrayList<>();
        Map<String, KafkaFuture<Void>> results =
                admin.createTopics(missing.stream().map(topic -> newTopic(topic, layout)).toList())
                        .values();
        for (Topic topic : missing) {
            try {
                await(results.get(topic.name(prefix)), AclOperation.CREATE, topicName(topic));
                created.add(topic);
            } catch (TopicException e) {
                // Somebody else created it in the meantime: the check below judges it.
                if (!(e.getCause() instanceof TopicExistsException)) {
                    throw e;
                }
            }
        }
        awaitVisible();
        onceKnown(() -> {
            renew();
            return List.of();
        });
        refuse(insisted(checkCreated(OptionalInt.of(layout.partitions()))));
        return created;
    }

    /// As [#check], for topics that are there: each question goes to any broker, and what one shows
    /// the next may not know yet.
    public List<Problem> checkCreated(OptionalInt partitions) {
        return onceKnown(() -> check(partitions));
    }

    private List<Problem> onceKnown(Supplier<List<Problem>> question) {
        long until = System.nanoTime() + timeout.toNanos();
        while (true) {
            boolean last = System.nanoTime() > until;
            try {
                List<Problem> problems = question.get();
                if (last || problems.stream().noneMatch(p -> p.setting().equals("topic"))) {
                    return problems;
                }
            } catch (TopicException e) {
                if (last || !(e.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw e;
                }
            }
            pause();
        }
    }

    /// Gives `worker-events` of an earlier version what is kept of it today. Where the cluster does
    /// not allow that the topic stays as it is: [#check] says so, and nobody insists.
    public void renew() {
        List<AlterConfigOp> changes =
                outdated().stream()
                        .map(problem -> set(problem.setting(), problem.expected()))
                        .toList();
        if (changes.isEmpty()) {
            return;
        }
        ConfigResource resource =
                new ConfigResource(ConfigResource.Type.TOPIC, RENEWED.name(prefix));
        try {
            await(
                    admin.incrementalAlterConfigs(Map.of(resource, changes)).all(),
                    AclOperation.ALTER_CONFIGS,
                    topicName(RENEWED));
        } catch (TopicException e) {
            if (e.kind() == Kind.UNREACHABLE) {
                throw e;
            }
            LOG.log(
                    System.Logger.Level.WARNING,
                    "{0} keeps its old settings: {1}",
                    topicName(RENEWED),
                    e.getMessage());
            return;
        }
        // The broker that answers next may not know it yet.
        long until = System.nanoTime() + timeout.toNanos();
        while (!outdated().isEmpty() && System.nanoTime() < until) {
            pause();
        }
    }

    /// Empty too if something else is wrong with the topic: it is judged as it is then.
    private List<Problem> outdated() {
        List<Problem> problems = settingProblems(describe(EnumSet.of(RENEWED)).keySet());
        return problems.stream().allMatch(this::isRenewed) ? problems : List.of();
    }

    private boolean isRenewed(Problem problem) {
        return problem.topic().equals(RENEWED.name(prefix))
                && RENEWED_SETTINGS.contains(problem.setting());
    }

    private NewTopic newTopic(Topic topic, TopicLayout layout) {
        return new NewTopic(
                        topic.name(prefix),
                        topic.partitions(layout.partitions()),
                        layout.replication())
                .configs(topic.settings());
    }

    /// A topic is there for its users when every partition has a leader in a broker's metadata.
    private void awaitVisible() {
        long until = System.nanoTime() + timeout.toNanos();
        List<String> waitingFor = invisible();
        while (!waitingFor.isEmpty()) {
            if (System.nanoTime() > until) {
                throw new TopicException(
                        Kind.UNREACHABLE,
                        "after %d s these topics still have no leader: %s"
                                .formatted(timeout.toSeconds(), String.join(", ", waitingFor)),
                        null);
            }
            pause();
            waitingFor = invisible();
        }
    }

    private List<String> invisible() {
        Map<Topic, TopicDescription> found = describe(EnumSet.allOf(Topic.class));
        return Arrays.stream(Topic.values())
                .filter(topic ->
                        !found.containsKey(topic)
                                || found.get(topic).partitions().stream()
                                        .anyMatch(partition -> partition.leader() == null))
                .map(topic -> topic.name(prefix))
                .toList();
    }

    private static void pause() {
        try {
            Thread.sleep(BETWEEN_LOOKS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TopicException(Kind.UNREACHABLE, "interrupted", e);
        }
    }

    /// Whether all topics are there and such that one can work with them; any number of partitions
    /// will do.
    public boolean isUsable() {
        return insisted(check(OptionalInt.empty())).isEmpty();
    }

    /// @throws TopicException with every problem that is insisted on, if there is one: not with
    ///   what [#renew] would alter
    public void require(OptionalInt partitions) {
        require(EnumSet.allOf(Topic.class), partitions);
    }

    /// As [#require(OptionalInt)] for these topics alone.
    public void require(Set<Topic> topics, OptionalInt partitions) {
        refuse(insisted(check(topics, partitions)));
    }

    private static void refuse(List<Problem> problems) {
        if (!problems.isEmpty()) {
            throw new TopicException(problems);
        }
    }

    private List<Problem> insisted(List<Problem> problems) {
        return problems.stream().filter(problem -> !isRenewed(problem)).toList();
    }

    /// Everything that is wrong with the cluster's topics.
    ///
    /// @param partitions what the operator wants `prompts` and `tokens` to have; empty: any number,
    ///   as long as they are equal
    public List<Problem> check(OptionalInt partitions) {
        return check(EnumSet.allOf(Topic.class), partitions);
    }

    private List<Problem> check(Set<Topic> topics, OptionalInt partitions) {
        Map<Topic, TopicDescription> found = describe(topics);
        List<Problem> problems = new ArrayList<>();
        for (Topic topic : topics) {
            if (!found.containsKey(topic)) {
                problems.add(new Problem(topic.name(prefix), "topic", "present", "missing"));
            }
        }
        int wanted =
                partitions.orElseGet(() ->
                        found.containsKey(Topic.PROMPTS)
                                ? found.get(Topic.PROMPTS).partitions().size()
                                : 1);
        found.forEach((topic, description) -> {
            int count = description.partitions().size();
            if (count != topic.partitions(wanted)) {
                problems.add(
                        new Problem(
                                topic.name(prefix),
                                "partitions",
                                Integer.toString(topic.partitions(wanted)),
                                Integer.toString(count)));
            }
        });
        problems.addAll(settingProblems(found.keySet()));
        return List.copyOf(problems);
    }

    private List<Problem> settingProblems(Collection<Topic> topics) {
        Map<Topic, ConfigResource> resources = new LinkedHashMap<>();
        for (Topic topic : topics) {
            resources.put(topic, new ConfigResource(ConfigResource.Type.TOPIC, topic.name(prefix)));
        }
        Map<ConfigResource, KafkaFuture<Config>> configs =
                admin.describeConfigs(resources.values()).values();
        List<Problem> problems = new ArrayList<>();
        resources.forEach((topic, resource) -> {
            Config config =
                    await(configs.get(resource), AclOperation.DESCRIBE_CONFIGS, topicName(topic));
            topic.settings()
                    .forEach((name, expected) -> {
                        ConfigEntry entry = config.get(name);
                        String value = entry == null ? "unset" : entry.value();
                        if (!sameSetting(expected, value)) {
                            problems.add(new Problem(topic.name(prefix), name, expected, value));
                        }
                    });
        });
        return problems;
    }

    /// `compact,delete` and `delete, compact` say the same.
    private static boolean sameSetting(String expected, String found) {
        return Set.of(expected.split("\\s*,\\s*"))
                .equals(Arrays.stream(found.split("\\s*,\\s*")).collect(Collectors.toSet()));
    }

    private Map<Topic, TopicDescription> describe(Set<Topic> topics) {
        List<String> names = topics.stream().map(t -> t.name(prefix)).toList();
        Map<String, KafkaFuture<TopicDescription>> results =
                admin.describeTopics(names).topicNameValues();
        Map<Topic, TopicDescription> found = new LinkedHashMap<>();
        for (Topic topic : topics) {
            try {
                found.put(
                        topic,
                        await(
                                results.get(topic.name(prefix)),
                                AclOperation.DESCRIBE,
                                topicName(topic)));
            } catch (TopicException e) {
                if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw e;
                }
            }
        }
        return found;
    }

    /// Sets how fast a group notices a lost member, for groups of `group.protocol=consumer`, where
    /// these times are the cluster's and not the client's.
    ///
    /// @throws TopicException which names the broker setting to change, if the cluster forbids them
    public void setGroupTimes(String group, Duration heartbeat, Duration session) {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        List<AlterConfigOp> changes =
                List.of(
                        setting("consumer.heartbeat.interval.ms", heartbeat),
                        setting("consumer.session.timeout.ms", session));
        try {
            await(
                    admin.incrementalAlterConfigs(Map.of(resource, changes)).all(),
                    AclOperation.ALTER_CONFIGS,
                    "group " + group);
        } catch (TopicException e) {
            if (e.kind() != Kind.REFUSED) {
                throw e;
            }
            throw new TopicException(
                    Kind.REFUSED,
                    "group %s cannot have a heartbeat of %d ms and a session of %d ms: %s. Lower group.consumer.min.heartbeat.interval.ms and group.consumer.min.session.timeout.ms of the brokers, or ask for longer times."
                            .formatted(
                                    group,
                                    heartbeat.toMillis(),
                                    session.toMillis(),
                                    e.getCause().getMessage()),
                    e.getCause());
        }
    }

    private static AlterConfigOp setting(String name, Duration value) {
        return set(name, Long.toString(value.toMillis()));
    }

    private static AlterConfigOp set(String name, String value) {
        return new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
    }

    @Override
    public void close() {
        admin.close(Duration.ofSeconds(2));
    }

    private String topicName(Topic topic) {
        return "topic " + topic.name(prefix);
    }

    /// @param asked what the cluster has to allow
    /// @param where of which resource
    private <T> T await(KafkaFuture<T> future, AclOperation asked, String where) {
        try {
            return future.get(timeout.toMillis() + 1_000, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw unreachable(e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof org.apache.kafka.common.errors.TimeoutException) {
                throw unreachable(e.getCause());
            }
            throw refusal(e.getCause(), asked, where);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TopicException(Kind.UNREACHABLE, "interrupted", e);
        }
    }

    private static TopicException refusal(Throwable cause, AclOperation asked, String where) {
        return switch (cause) {
            case AuthenticationException e ->
                    new TopicException(Kind.NOT_ALLOWED, AccessDenied.message(e), e);
            case AuthorizationException e ->
                    new TopicException(Kind.NOT_ALLOWED, AccessDenied.message(e, asked, where), e);
            default -> new TopicException(Kind.REFUSED, AccessDenied.chain(cause), cause);
        };
    }

    private TopicException unreachable(Throwable cause) {
        return new TopicException(
                Kind.UNREACHABLE,
                "no answer from the Kafka cluster within %d s: %s"
                        .formatted(timeout.toSeconds(), AccessDenied.chain(cause)),
                cause);
    }
}

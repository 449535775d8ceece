package dev.tokenlog.contracts;

import dev.tokenlog.contracts.Participant.Access;
import dev.tokenlog.contracts.TopicException.Kind;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeConsumerGroupsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourceType;

/// Whether a cluster lets a participant in and allows it all that it needs: asked of the cluster,
/// at the start and for the health page. A cluster without access rules allows everything.
///
/// Safe for use by several threads.
public final class ClusterAccess {

    /// One right that is missing.
    public record Missing(ResourceType resource, String name, AclOperation operation) {
        @Override
        public String toString() {
            return AccessDenied.right(operation, resource, name);
        }
    }

    /// For a health page.
    ///
    /// @param allowed false: the cluster refuses something, and `detail` says what
    public record Status(boolean allowed, String detail) {}

    private static final Duration TIMEOUT = Duration.ofSeconds(5);
    private static final long FRESH_NANOS = Duration.ofSeconds(5).toNanos();

    private final Map<String, Object> kafka;
    private final String prefix;
    private final Participant participant;
    private final List<String> groups;
    private Status last = new Status(true, "not asked yet");
    private long askedAt = System.nanoTime() - FRESH_NANOS;

    /// @param kafka client settings; `bootstrap.servers` at least
    /// @param participant not the operator, whose rights a cluster tells only to who uses them
    public ClusterAccess(Map<String, Object> kafka, String prefix, Participant participant) {
        this(kafka, prefix, participant, participant.groups(""));
    }

    /// @param groups that it was told to use in place of its usual ones, without the prefix
    public ClusterAccess(
            Map<String, Object> kafka,
            String prefix,
            Participant participant,
            List<String> groups) {
        if (participant == Participant.OPERATOR) {
            throw new IllegalArgumentException("the operator's command asks by doing");
        }
        this.kafka = new HashMap<>(kafka);
        // What belongs to groups is not an administrator's.
        this.kafka.keySet().removeIf(name -> name.startsWith("group."));
        int millis = Math.toIntExact(TIMEOUT.toMillis());
        this.kafka.put("default.api.timeout.ms", millis);
        this.kafka.put("request.timeout.ms", millis);
        this.prefix = prefix;
        this.participant = participant;
        this.groups = groups.stream().map(name -> prefix + name).toList();
    }

    /// @throws TopicException `NOT_ALLOWED` if the cluster does not let this client in, speaks
    ///   another protocol, or does not allow something, which the message names; `UNREACHABLE` if
    ///   it does not answer
    public void require() {
        List<Missing> missing = missing();
        if (!missing.isEmpty()) {
            throw new TopicException(Kind.NOT_ALLOWED, refusal(missing), null);
        }
    }

    /// As [#require], but a cluster that is away is nothing that a later attempt could not cure.
    ///
    /// @return why the cluster was not asked, if it is away
    public Optional<String> requireUnlessAway() {
        try {
            require();
            return Optional.empty();
        } catch (TopicException e) {
            if (e.kind() == Kind.UNREACHABLE) {
                return Optional.of(e.getMessage());
            }
            throw e;
        }
    }

    /// How it is now, or was a few seconds ago. A cluster that is away changes nothing about it.
    public synchronized Status status() {
        if (System.nanoTime() - askedAt >= FRESH_NANOS) {
            try {
                List<Missing> missing = missing();
                last =
                        missing.isEmpty()
                                ? new Status(true, "all that is needed is allowed")
                                : new Status(false, refusal(missing));
            } catch (TopicException e) {
                if (e.kind() != Kind.UNREACHABLE) {
                    last = new Status(false, e.getMessage());
                }
            }
            askedAt = System.nanoTime();
        }
        return last;
    }

    private String refusal(List<Missing> missing) {
        return "%s lacks %s; 'tokenlog topics --acls' prints the rules that it needs"
                .formatted(
                        participant.title(),
                        missing.stream().map(Missing::toString).collect(Collectors.joining(", ")));
    }

    /// What the cluster does not allow; nothing is changed by asking.
    ///
    /// @throws TopicException `NOT_ALLOWED` if the cluster does not let this client in;
    ///   `UNREACHABLE` if it does not answer
    public List<Missing> missing() {
        ListenerProbe.require(kafka);
        try (Admin admin = Admin.create(kafka)) {
            // All questions first, then all answers.
            List<Supplier<List<Missing>>> answers =
                    participant.access(prefix, groups).stream()
                            .map(rule -> ask(admin, rule))
                            .toList();
            return answers.stream().flatMap(answer -> answer.get().stream()).toList();
        } catch (KafkaException e) {
            throw failure(e);
        }
    }

    private static Supplier<List<Missing>> ask(Admin admin, Access access) {
        return switch (access.resource()) {
            case TOPIC ->
                    access.pattern() == PatternType.LITERAL
                            ? namedTopic(admin, access)
                            : internalTopics(admin, access);
            case GROUP -> answer(access, access.name(), group(admin, access.name()));
            case TRANSACTIONAL_ID ->
                    answer(access, access.name(), transactions(admin, access.name()));
            case UNKNOWN, ANY, CLUSTER, DELEGATION_TOKEN, USER ->
                    throw new IllegalStateException("no rule names " + access.resource());
        };
    }

    private static Supplier<List<Missing>> answer(
            Access access, String name, KafkaFuture<Optional<Set<AclOperation>>> allowed) {
        return () -> lacking(access, name, allowed(allowed));
    }

    /// @param allowed empty: the cluster does not say, so all that can be asked without trying is
    private static List<Missing> lacking(
            Access access, String name, Optional<Set<AclOperation>> allowed) {
        return allowed.map(operations ->
                        access.operations().stream()
                                .filter(operation -> !operations.contains(operation))
                                .map(operation -> new Missing(access.resource(), name, operation))
                                .toList())
                .orElse(List.of());
    }

    /// Whoever may not know of a topic is not told what else is allowed, so settings are asked for.
    private static Supplier<List<Missing>> namedTopic(Admin admin, Access access) {
        Supplier<List<Missing>> using =
                answer(
                        only(access, operation -> operation != AclOperation.DESCRIBE_CONFIGS),
                        access.name(),
                        topic(admin, access.name()));
        Access settings = only(access, operation -> operation == AclOperation.DESCRIBE_CONFIGS);
        if (settings.operations().isEmpty()) {
            return using;
        }
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, access.name());
        Supplier<List<Missing>> looking =
                answer(
                        settings,
                        access.name(),
                        admin.describeConfigs(List.of(resource))
                                .all()
                                .thenApply(_ -> Optional.empty()));
        return () -> Stream.concat(using.get().stream(), looking.get().stream()).toList();
    }

    /// A topic that is missing is not a matter of rights.
    private static KafkaFuture<Optional<Set<AclOperation>>> topic(Admin admin, String name) {
        return admin.describeTopics(
                        List.of(name),
                        new DescribeTopicsOptions().includeAuthorizedOperations(true))
                .topicNameValues()
                .get(name)
                .thenApply(topic -> Optional.ofNullable(topic.authorizedOperations()));
    }

    /// Of a group that nobody has joined yet the cluster tells only whether one may know of it.
    private static KafkaFuture<Optional<Set<AclOperation>>> group(Admin admin, String name) {
        return admin.describeConsumerGroups(
                        List.of(name),
                        new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true))
                .describedGroups()
                .get(name)
                .thenApply(group -> Optional.ofNullable(group.authorizedOperations()));
    }

    private static KafkaFuture<Optional<Set<AclOperation>>> transactions(Admin admin, String id) {
        return admin.describeTransactions(List.of(id))
                .description(id)
                .thenApply(_ -> Optional.empty());
    }

    /// Topics that the participant makes itself: whether it may, and those that it has made.
    private static Supplier<List<Missing>> internalTopics(Admin admin, Access access) {
        KafkaFuture<Set<String>> listed = admin.listTopics().names();
        NewTopic tried = new NewTopic(access.name() + "access-check", 1, (short) 1);
        KafkaFuture<Optional<Set<AclOperation>>> created =
                admin.createTopics(List.of(tried), new CreateTopicsOptions().validateOnly(true))
                        .all()
                        .thenApply(_ -> Optional.empty());
        return () -> {
            List<Missing> missing =
                    new ArrayList<>(
                            lacking(
                                    only(access, operation -> operation == AclOperation.CREATE),
                                    access.name() + "*",
                                    allowed(created)));
            Access others = only(access, operation -> operation != AclOperation.CREATE);
            for (String name : await(listed)) {
                if (name.startsWith(access.name())) {
                    missing.addAll(lacking(others, name, allowed(topic(admin, name))));
                }
            }
            return missing;
        };
    }

    private static Access only(Access access, Predicate<AclOperation> wanted) {
        return new Access(
                access.resource(),
                access.pattern(),
                access.name(),
                access.operations().stream().filter(wanted).toList());
    }

    /// @return what is allowed, nothing if the question itself is denied, and empty if the cluster
    ///   answers in another way
    private static Optional<Set<AclOperation>> allowed(
            KafkaFuture<Optional<Set<AclOperation>>> answer) {
        try {
            return await(answer);
        } catch (AuthorizationException e) {
            return Optional.of(Set.of());
        } catch (AuthenticationException | org.apache.kafka.common.errors.TimeoutException e) {
            throw e;
        } catch (KafkaException other) {
            return Optional.empty();
        }
    }

    private static <T> T await(KafkaFuture<T> future) {
        try {
            return future.get(TIMEOUT.toMillis() + 500, TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof KafkaException kafka
                    ? kafka
                    : new KafkaException(e.getCause());
        } catch (TimeoutException e) {
            throw new org.apache.kafka.common.errors.TimeoutException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new org.apache.kafka.common.errors.InterruptException(e);
        }
    }

    private static TopicException failure(KafkaException e) {
        return switch (e) {
            case AuthenticationException refused ->
                    new TopicException(Kind.NOT_ALLOWED, AccessDenied.message(refused), refused);
            case org.apache.kafka.common.errors.TimeoutException _,
                    org.apache.kafka.common.errors.InterruptException _ ->
                    new TopicException(
                            Kind.UNREACHABLE,
                            "no answer from the Kafka cluster within %d s"
                                    .formatted(TIMEOUT.toSeconds()),
                            e);
            default -> new TopicException(Kind.REFUSED, AccessDenied.chain(e), e);
        };
    }
}

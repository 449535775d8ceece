package dev.tokenlog.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicException;
import dev.tokenlog.contracts.TopicException.Kind;
import dev.tokenlog.contracts.TopicLayout;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeTopicsResult;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.internals.KafkaFutureImpl;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Topic administration against a real broker.
class TopicAdminTest {

    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final Broker broker = Broker.shared();
    private final String prefix = Broker.newPrefix();
    private TopicAdmin topics;
    private Admin admin;

    @BeforeEach
    void connect() {
        topics = TopicAdmin.connect(broker.settings(), prefix, PATIENCE);
        admin = Admin.create(broker.settings());
    }

    @AfterEach
    void disconnect() {
        topics.close();
        admin.close();
    }

    @Test
    void createsWhatIsMissingAndNothingTwice() throws Exception {
        assertThat(topics.check(OptionalInt.empty())).hasSize(Topic.values().length);

        assertThat(topics.create(TopicLayout.EMBEDDED)).containsExactly(Topic.values());

        assertThat(topics.create(TopicLayout.EMBEDDED)).isEmpty();
        assertThat(topics.check(OptionalInt.of(4))).isEmpty();
        Map<String, TopicDescription> found =
                admin.describeTopics(List.of(prefix + "prompts", prefix + "tokens"))
                        .allTopicNames()
                        .get();
        assertThat(found.values()).allMatch(topic -> topic.partitions().size() == 4);
    }

    /// Of several brokers, one that is asked next may not have heard of what the first one shows.
    @Test
    void aBrokerThatLagsBehindIsAskedAgain() {
        AtomicInteger lagging = new AtomicInteger(-1);
        Admin several =
                (Admin)
                        Proxy.newProxyInstance(
                                Admin.class.getClassLoader(),
                                new Class<?>[] {Admin.class},
                                (_, method, arguments) -> {
                                    Object answer = method.invoke(admin, arguments);
                                    if (!(answer instanceof DescribeTopicsResult described)) {
                                        return answer;
                                    }
                                    if (lagging.get() < 0) {
                                        lagging.set(allKnown(described) ? 2 : -1);
                                        return answer;
                                    }
                                    return lagging.getAndDecrement() > 0
                                            ? new Unknown(described.topicNameValues().keySet())
                                            : answer;
                                });

        new TopicAdmin(several, prefix, PATIENCE).create(TopicLayout.EMBEDDED);

        assertThat(lagging).hasNegativeValue();
        topics.require(OptionalInt.of(TopicLayout.EMBEDDED.partitions()));
    }

    private static boolean allKnown(DescribeTopicsResult described) throws InterruptedException {
        try {
            described.allTopicNames().get();
            return true;
        } catch (ExecutionException unknown) {
            return false;
        }
    }

    private static final class Unknown extends DescribeTopicsResult {

        Unknown(Set<String> topics) {
            super(
                    null,
                    topics.stream()
                            .collect(
                                    Collectors.toMap(
                                            topic -> topic,
                                            topic -> {
                                                KafkaFutureImpl<TopicDescription> answer =
                                                        new KafkaFutureImpl<>();
                                                answer.completeExceptionally(
                                                        new UnknownTopicOrPartitionException(
                                                                topic));
                                                return answer;
                                            })));
        }
    }

    @Test
    void aWrongPartitionCountNamesTopicFoundAndExpected() {
        topics.create(TopicLayout.EMBEDDED);

        assertThatThrownBy(() -> topics.create(new TopicLayout(12, (short) 1)))
                .isInstanceOfSatisfying(
                        TopicException.class,
                        e -> assertThat(e.kind()).isEqualTo(Kind.WRONG_TOPICS))
                .hasMessageContaining("topic %sprompts: partitions is 4, expected 12", prefix)
                .hasMessageContaining("topic %stokens: partitions is 4, expected 12", prefix);
        topics.require(OptionalInt.empty());
    }

    @Test
    void promptsAndTokensMustBeCutAlike() throws Exception {
        create(Topic.TOKENS, 3, Topic.TOKENS.settings());
        assertThatThrownBy(() -> topics.create(TopicLayout.EMBEDDED))
                .hasMessageContaining("topic %stokens: partitions is 3, expected 4", prefix);
        assertThatThrownBy(() -> topics.require(OptionalInt.empty()))
                .hasMessageContaining("tokens: partitions is 3, expected 4");
        assertThatThrownBy(() -> TokenlogClient.connect(broker.settings(), prefix))
                .isInstanceOfSatisfying(
                        TokenlogException.class,
                        e -> assertThat(e.kind()).isEqualTo(TokenlogException.Kind.TOPICS));
    }

    @Test
    void aWrongLimitOrRetentionIsNamed() throws Exception {
        Map<String, String> settings = new HashMap<>(Topic.PROMPTS.settings());
        settings.put("max.message.bytes", "5000");
        settings.put("retention.ms", "60000");
        create(Topic.PROMPTS, 4, settings);

        assertThatThrownBy(() -> topics.create(TopicLayout.EMBEDDED))
                .hasMessageContaining(
                        "topic %sprompts: max.message.bytes is 5000, expected 1048576", prefix)
                .hasMessageContaining("retention.ms is 60000, expected 604800000");
    }

    /// Before decision 0202.
    @Test
    void workerEventsOfAnEarlierVersionAreRenewed() throws Exception {
        Topic old = Topic.WORKER_EVENTS;
        create(
                old,
                1,
                Map.of("cleanup.policy", "compact", "message.timestamp.type", "LogAppendTime"));
        assertThat(topics.check(OptionalInt.empty()))
                .filteredOn(problem -> problem.topic().equals(old.name(prefix)))
                .extracting(TopicException.Problem::setting)
                .containsExactly("cleanup.policy", "retention.ms", "segment.ms");
        topics.require(Set.of(old), OptionalInt.empty());

        assertThat(topics.create(TopicLayout.EMBEDDED)).doesNotContain(old);
        assertThat(topics.check(OptionalInt.of(4))).isEmpty();
    }

    @Test
    void whatElseIsWrongWithWorkerEventsIsRefused() throws Exception {
        Topic old = Topic.WORKER_EVENTS;
        create(old, 1, Map.of("message.timestamp.type", "CreateTime"));
        assertThatThrownBy(() -> topics.create(TopicLayout.EMBEDDED))
                .hasMessageContaining("worker-events: message.timestamp.type is CreateTime")
                .hasMessageNotContaining("retention.ms");
        assertThat(topics.isUsable()).isFalse();
    }

    @Test
    void groupTimesAreSetOrTheBrokersSettingIsNamed() {
        topics.setGroupTimes(prefix + "group", Duration.ofMillis(300), Duration.ofSeconds(7));

        assertThatThrownBy(() ->
                        topics.setGroupTimes(
                                prefix + "group", Duration.ofMillis(300), Duration.ofSeconds(1)))
                .isInstanceOfSatisfying(
                        TopicException.class, e -> assertThat(e.kind()).isEqualTo(Kind.REFUSED))
                .hasMessageContaining("group.consumer.min.session.timeout.ms");
    }

    @Test
    void aBrokerThatDoesNotAnswerIsSaidSo() {
        Map<String, Object> nowhere = Map.of("bootstrap.servers", "127.0.0.1:1");
        Duration brief = Duration.ofSeconds(2);
        try (TopicAdmin lost = TopicAdmin.connect(nowhere, "", brief)) {
            assertThatThrownBy(() -> lost.check(OptionalInt.empty()))
                    .isInstanceOfSatisfying(
                            TopicException.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.UNREACHABLE));
        }
        assertThatThrownBy(() ->
                        TokenlogClient.connect(ClientOptions.of(nowhere, "").withTimeout(brief)))
                .isInstanceOfSatisfying(
                        TokenlogException.class,
                        e -> assertThat(e.kind()).isEqualTo(TokenlogException.Kind.UNREACHABLE))
                .hasMessageContaining("127.0.0.1:1");
    }

    @Test
    void missingTopicsAreSaidSo() {
        assertThatThrownBy(() -> TokenlogClient.connect(broker.settings(), prefix))
                .isInstanceOfSatisfying(
                        TokenlogException.class,
                        e -> assertThat(e.kind()).isEqualTo(TokenlogException.Kind.TOPICS));
    }

    private void create(Topic topic, int partitions, Map<String, String> settings)
            throws ExecutionException, InterruptedException {
        admin.createTopics(
                        List.of(
                                new NewTopic(
                                                topic.name(prefix),
                                                Optional.of(partitions),
                                                Optional.of((short) 1))
                                        .configs(settings)))
                .all()
                .get();
        // It is answered before the metadata of the broker has the topic.
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (isMissing(topic)) {
            assertThat(System.nanoTime()).as("the topic is there").isLessThan(until);
            Thread.sleep(10);
        }
    }

    private boolean isMissing(Topic topic) {
        return topics.check(OptionalInt.empty()).stream()
                .anyMatch(problem ->
                        problem.topic().equals(topic.name(prefix))
                                && problem.setting().equals("topic"));
    }
}

package dev.tokenlog.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.contracts.ClusterAccess;
import dev.tokenlog.contracts.ClusterAccess.Missing;
import dev.tokenlog.contracts.Participant;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicException;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.TestCertificate;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourceType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The client, the topics and the rules on a broker that allows nothing by default.
class SecuredClusterTest {

    private static final String PREFIX = "acme.";
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir private static Path folder;

    private static SecuredBroker broker;

    @BeforeAll
    static void start() throws Exception {
        broker = new SecuredBroker(folder);
        broker.allow(SecuredBroker.rules(Participant.OPERATOR, PREFIX));
        try (TopicAdmin topics = topics(Participant.OPERATOR.title())) {
            awaitAllowed(topics);
            topics.create(TopicLayout.EMBEDDED);
            topics.setGroupTimes(
                    Participant.INFERENCE_PROCESSOR.groups(PREFIX).getFirst(),
                    Duration.ofMillis(300),
                    Duration.ofSeconds(7));
        }
        // As Kafka Streams makes it; with it the cluster can be asked about reading and writing.
        broker.admin()
                .createTopics(
                        List.of(
                                new NewTopic(
                                        PREFIX + "tokenlog-registry-a-changelog", 1, (short) 1)))
                .all()
                .get();
    }

    @AfterAll
    static void stop() {
        broker.close();
    }

    private static void awaitAllowed(TopicAdmin topics) {
        await("the operator's rules count")
                .atMost(PATIENCE)
                .ignoreException(TopicException.class)
                .until(() -> topics.check(OptionalInt.empty()), p -> !p.isEmpty());
    }

    /// Whichever of a participant's rules is taken away, this one and no other is named.
    @ParameterizedTest
    @EnumSource(
            mode = EnumSource.Mode.EXCLUDE,
            names = {"OPERATOR", "CLIENT"})
    void aRuleThatIsMissingIsNamed(Participant participant) throws Exception {
        ClusterAccess access =
                new ClusterAccess(broker.settings(participant.title()), PREFIX, participant);
        List<AclBinding> rules = SecuredBroker.rules(participant, PREFIX);
        assertThat(access.missing()).hasSize(rules.size() - unseen(rules));
        assertThatThrownBy(access::require)
                .isInstanceOfSatisfying(
                        TopicException.class,
                        e -> assertThat(e.kind()).isEqualTo(TopicException.Kind.NOT_ALLOWED))
                .hasMessageStartingWith(participant.title() + " lacks ")
                .hasMessageContaining("tokenlog topics --acls");

        broker.allow(rules);
        awaitMissing(access, List.of());
        AclBinding before = null;
        for (AclBinding rule : rules) {
            broker.take(rule);
            if (before != null) {
                broker.allow(List.of(before));
            }
            awaitMissing(access, List.of(missing(rule)));
            before = rule;
        }
        broker.allow(List.of(before));
        awaitMissing(access, List.of());
        assertThat(access.status().allowed()).isTrue();
    }

    /// A worker of another group needs that group's right, and not the usual one's.
    @Test
    void aGroupOfItsOwnIsAskedFor() {
        ClusterAccess access =
                new ClusterAccess(
                        broker.settings(SecuredBroker.NEWCOMER),
                        PREFIX,
                        Participant.INFERENCE_PROCESSOR,
                        List.of("blue"));
        assertThat(access.missing())
                .filteredOn(missing -> missing.resource() == ResourceType.GROUP)
                .containsExactly(
                        new Missing(ResourceType.GROUP, PREFIX + "blue", AclOperation.READ));
    }

    /// Of topics under a prefix, one cannot see those that one may not know of.
    private static int unseen(List<AclBinding> rules) {
        return (int)
                rules.stream()
                        .filter(rule -> rule.pattern().patternType() == PatternType.PREFIXED)
                        .filter(rule -> rule.pattern().resourceType() == ResourceType.TOPIC)
                        .filter(rule -> rule.entry().operation() != AclOperation.CREATE)
                        .count();
    }

    private static Missing missing(AclBinding rule) {
        String name = rule.pattern().name();
        AclOperation operation = rule.entry().operation();
        if (rule.pattern().patternType() == PatternType.PREFIXED
                && rule.pattern().resourceType() == ResourceType.TOPIC) {
            name += operation == AclOperation.CREATE ? "*" : "a-changelog";
        }
        return new Missing(rule.pattern().resourceType(), name, operation);
    }

    private static boolean isSlow(Throwable problem) {
        return problem instanceof TopicException e && e.kind() == TopicException.Kind.UNREACHABLE;
    }

    private static void awaitMissing(ClusterAccess access, List<Missing> expected) {
        await("the cluster's rules are " + expected)
                .atMost(PATIENCE)
                .pollDelay(Duration.ZERO)
                .pollInterval(Duration.ofMillis(5))
                // The first question makes the cluster create topics of its own, which takes time.
                .ignoreExceptionsMatching(SecuredClusterTest::isSlow)
                .untilAsserted(() -> assertThat(access.missing()).isEqualTo(expected));
    }

    @Test
    void whatTheClientMayNotDoIsNamed() {
        assertThatThrownBy(() -> connect(broker.settings(SecuredBroker.NEWCOMER)))
                .isInstanceOfSatisfying(
                        TokenlogException.class,
                        e -> assertThat(e.kind()).isEqualTo(TokenlogException.Kind.NOT_ALLOWED))
                .hasMessageContaining("Describe on topic acme.");
        try (TopicAdmin topics = topics(SecuredBroker.NEWCOMER)) {
            assertThatThrownBy(() -> topics.create(TopicLayout.EMBEDDED))
                    .isInstanceOfSatisfying(
                            TopicException.class,
                            e -> assertThat(e.kind()).isEqualTo(TopicException.Kind.NOT_ALLOWED))
                    .hasMessageContaining(" on topic acme.");
        }
    }

    @Test
    void aClientThatMayReadButNotWriteIsToldSo() throws Exception {
        List<AclBinding> reading =
                SecuredBroker.rules(Participant.CLIENT, PREFIX).stream()
                        .filter(rule -> rule.entry().operation() == AclOperation.READ)
                        .map(rule ->
                                new AclBinding(
                                        rule.pattern(),
                                        new AccessControlEntry(
                                                "User:operator",
                                                "*",
                                                AclOperation.READ,
                                                rule.entry().permissionType())))
                        .toList();
        broker.allow(reading);
        ClusterAccess access =
                new ClusterAccess(broker.settings("operator"), PREFIX, Participant.CLIENT);
        await("reading is allowed")
                .atMost(PATIENCE)
                .ignoreExceptionsMatching(SecuredClusterTest::isSlow)
                .until(
                        access::missing,
                        m -> m.stream().allMatch(one -> one.operation() == AclOperation.WRITE));
        try (TokenlogClient client = connect(broker.settings("operator"))) {
            assertThatThrownBy(() -> client.submit(PromptSubmitted.ofText("demo", "hello").build()))
                    .isInstanceOfSatisfying(
                            TokenlogException.class,
                            e -> assertThat(e.kind()).isEqualTo(TokenlogException.Kind.NOT_ALLOWED))
                    .hasMessageContaining("Write on topic acme.prompts");
        }
    }

    @Test
    void aWrongPasswordIsRefusedAndNeverShown() {
        Map<String, Object> wrong = broker.with(broker.security().client("client", "guessed-1"));
        assertThatThrownBy(() -> connect(wrong))
                .isInstanceOfSatisfying(
                        TokenlogException.class,
                        e -> assertThat(e.kind()).isEqualTo(TokenlogException.Kind.NOT_ALLOWED))
                .hasMessageContaining("SCRAM-SHA-512")
                .hasMessageNotContaining("guessed-1");
        assertThatThrownBy(new ClusterAccess(wrong, PREFIX, Participant.CLIENT)::requireUnlessAway)
                .isInstanceOf(TopicException.class)
                .hasMessageContaining("does not let this client in");
    }

    @Test
    void aCertificateOfAnotherAuthorityIsRefused() {
        Map<String, Object> wrong = new HashMap<>(broker.settings("client"));
        wrong.put(
                "ssl.truststore.location",
                TestCertificate.in(folder, "another").certificate().toString());
        assertThatThrownBy(() -> connect(wrong))
                .isInstanceOfSatisfying(
                        TokenlogException.class,
                        e -> assertThat(e.kind()).isEqualTo(TokenlogException.Kind.NOT_ALLOWED))
                .hasMessageContaining("PKIX");
    }

    @Test
    void anotherProtocolIsNamedBeforeAKafkaClientTries() {
        assertThatThrownBy(() -> connect(broker.with(Map.of())))
                .isInstanceOfSatisfying(
                        TokenlogException.class,
                        e -> assertThat(e.kind()).isEqualTo(TokenlogException.Kind.NOT_ALLOWED))
                .hasMessageContaining("speaks TLS")
                .hasMessageContaining("security.protocol");
        Map<String, Object> tls = new HashMap<>(broker.settings("client"));
        tls.putAll(Broker.shared().settings());
        assertThatThrownBy(() -> connect(tls))
                .isInstanceOfSatisfying(
                        TokenlogException.class,
                        e -> assertThat(e.kind()).isEqualTo(TokenlogException.Kind.NOT_ALLOWED))
                .hasMessageContaining("does not speak TLS");
    }

    @Test
    void plainIsAnotherWayIn() throws Exception {
        broker.allow(SecuredBroker.rules(Participant.OPERATOR, PREFIX));
        try (TopicAdmin topics =
                TopicAdmin.connect(
                        broker.with(broker.security().plainClient("operator")), PREFIX, PATIENCE)) {
            assertThat(topics.check(OptionalInt.empty())).isEmpty();
        }
    }

    private static TokenlogClient connect(Map<String, Object> kafka) {
        return TokenlogClient.connect(ClientOptions.of(kafka, PREFIX).withTimeout(PATIENCE));
    }

    private static TopicAdmin topics(String user) {
        return TopicAdmin.connect(broker.settings(user), PREFIX, PATIENCE);
    }
}

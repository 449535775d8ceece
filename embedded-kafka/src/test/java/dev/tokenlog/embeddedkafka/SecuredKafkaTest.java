package dev.tokenlog.embeddedkafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.SslAuthenticationException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A child broker with TLS, SCRAM and rules: who gets in and who does not.
class SecuredKafkaTest {

    @TempDir private static Path folder;

    private static BrokerSecurity security;
    private static EmbeddedKafka kafka;

    @BeforeAll
    static void start() {
        security =
                TestCertificate.in(folder, "broker")
                        .security(
                                Map.of("admin", "of-admin", "guest", "of-guest"), Set.of("admin"));
        kafka =
                EmbeddedKafka.start(
                        EmbeddedKafkaOptions.in(folder.resolve("kafka")).withSecurity(security));
    }

    @AfterAll
    static void stop() {
        kafka.close();
    }

    @Test
    void anAdministratorCreatesTopicsByScramAndByPlain() throws Exception {
        try (Admin admin = admin(security.client("admin"))) {
            createTopic(admin, "by-scram");
        }
        try (Admin admin = admin(security.plainClient("admin"))) {
            createTopic(admin, "by-plain");
            // The controller has it before the broker that is asked knows of it.
            await().untilAsserted(() ->
                    assertThat(admin.listTopics().names().get()).contains("by-scram", "by-plain"));
        }
    }

    @Test
    void whatNoRuleAllowsIsDenied() {
        try (Admin admin = admin(security.client("guest"))) {
            assertThatThrownBy(() -> createTopic(admin, "by-guest"))
                    .hasCauseInstanceOf(AuthorizationException.class);
        }
    }

    @Test
    void aWrongPasswordAndAForeignCertificateAreRefusedAtOnce() {
        try (Admin admin = admin(security.client("admin", "guessed"))) {
            assertThatThrownBy(() -> admin.listTopics().names().get(20, TimeUnit.SECONDS))
                    .hasCauseInstanceOf(SaslAuthenticationException.class);
        }
        Map<String, String> foreign = security.client("admin");
        foreign.put(
                "ssl.truststore.location",
                TestCertificate.in(folder, "foreign").certificate().toString());
        try (Admin admin = admin(foreign)) {
            assertThatThrownBy(() -> admin.listTopics().names().get(20, TimeUnit.SECONDS))
                    .hasCauseInstanceOf(SslAuthenticationException.class);
        }
    }

    @Test
    void usersSurviveAKill() throws Exception {
        kafka.kill();
        kafka.restart();
        try (Admin admin = admin(security.client("guest"))) {
            assertThat(admin.listTopics().names().get(20, TimeUnit.SECONDS)).isEmpty();
        }
    }

    @Test
    void nobodyElseReadsTheSettings() throws Exception {
        Path settings = folder.resolve("kafka/server.properties");
        assertThat(Files.readString(settings)).contains("of-admin");
        if (settings.getFileSystem().supportedFileAttributeViews().contains("posix")) {
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(settings)))
                    .isEqualTo("rw-------");
        }
        assertThat(security.toString()).doesNotContain("of-admin");
    }

    private static Admin admin(Map<String, String> settings) {
        Map<String, Object> all = new HashMap<>(settings);
        all.put("bootstrap.servers", kafka.bootstrapServers());
        return Admin.create(all);
    }

    private static void createTopic(Admin admin, String name) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, 1, (short) 1)))
                .all()
                .get(Duration.ofSeconds(20).toMillis(), TimeUnit.MILLISECONDS);
    }
}

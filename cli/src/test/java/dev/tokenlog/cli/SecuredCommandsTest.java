package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.contracts.ClusterAccess;
import dev.tokenlog.contracts.Participant;
import dev.tokenlog.embeddedkafka.BrokerSecurity;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.embeddedkafka.InProcessKafka;
import dev.tokenlog.embeddedkafka.TestCertificate;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Commands with `--properties` on a broker that asks for TLS and a password and allows nothing but
/// what `topics --acls` prints.
class SecuredCommandsTest {

    private static final String PREFIX = "acme.";
    private static final String PASSWORD = "of-the-client-7f3a";

    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir static Path folder;

    private static BrokerSecurity security;
    private static InProcessKafka kafka;

    @BeforeAll
    static void start() throws Exception {
        security =
                TestCertificate.in(folder, "broker")
                        .security(
                                Map.of("admin", "a", "client", PASSWORD, "operator", "o"),
                                Set.of("admin"));
        kafka =
                InProcessKafka.start(
                        EmbeddedKafkaOptions.in(folder.resolve("kafka")).withSecurity(security));
        properties("client", security.client("client"));
        properties("operator", security.plainClient("operator"));
        allowAsPrinted("client");
        allowAsPrinted("operator");
        awaitTopics();
        ClusterAccess access = new ClusterAccess(settings("client"), PREFIX, Participant.CLIENT);
        await("the client's rules count").atMost(PATIENCE).until(() -> access.missing().isEmpty());
    }

    private static void awaitTopics() {
        await("the operator's rules count")
                .atMost(PATIENCE)
                .untilAsserted(() -> {
                    CommandRun topics =
                            run(
                                    "operator",
                                    "topics",
                                    "--partitions=2",
                                    "--replication=1",
                                    "--json");
                    assertThat(topics.status()).as(topics.toString()).isZero();
                    assertThat(Json.read(topics.out(), "topics").has("group_problem")).isFalse();
                });
    }

    @AfterAll
    static void stop() {
        kafka.close();
    }

    /// Grants what the command prints, as an administrator would who pastes it.
    private static void allowAsPrinted(String participant) throws Exception {
        CommandRun printed =
                CommandRun.of(
                        "topics",
                        "--acls",
                        "--for",
                        participant,
                        "--principal",
                        "User:" + participant,
                        "--topic-prefix",
                        PREFIX);
        assertThat(printed.status()).as(printed.toString()).isZero();
        List<AclBinding> rules = new ArrayList<>();
        for (String line : printed.out().lines().filter(l -> !l.startsWith("#")).toList()) {
            rules.addAll(rules(line));
        }
        assertThat(rules).isNotEmpty();
        try (Admin admin = Admin.create(settings("admin"))) {
            admin.createAcls(rules).all().get();
        }
    }

    private static List<AclBinding> rules(String line) {
        Matcher parts =
                Pattern.compile(
                                "kafka-acls\\.sh --add --allow-principal (\\S+)((?: --operation \\w+)+)"
                                        + " --(topic|group|transactional-id) (\\S+) --resource-pattern-type (\\w+)")
                        .matcher(line);
        assertThat(parts.matches()).as(line).isTrue();
        ResourcePattern resource =
                new ResourcePattern(
                        ResourceType.fromString(parts.group(3).replace('-', '_')),
                        parts.group(4),
                        PatternType.fromString(parts.group(5).toUpperCase(Locale.ROOT)));
        List<AclBinding> rules = new ArrayList<>();
        for (String operation : parts.group(2).strip().split("\\s*--operation ")) {
            if (!operation.isEmpty()) {
                rules.add(
                        new AclBinding(
                                resource,
                                new AccessControlEntry(
                                        parts.group(1),
                                        "*",
                                        AclOperation.fromString(
                                                operation.replaceAll("(?<=[a-z])(?=[A-Z])", "_")),
                                        AclPermissionType.ALLOW)));
            }
        }
        return rules;
    }

    /// What each says where there is nothing yet; that it says so is the answer of the log.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    models                                          | 0
                    workers                                         | 0
                    dead-letters list                               | 0
                    dead-letters show 0                             | 1
                    dead-letters replay 0                           | 1
                    audit nobody-knows-this                         | 1
                    attach nobody-knows-this                        | 1
                    cancel nobody-knows-this                        | 1
                    models promote nobody-knows-this                | 1
                    models rollback nobody-knows-this               | 1
                    models unpublish nobody-knows-this              | 1
                    models revoke nobody-knows-this                 | 1
                    validate nobody-knows-this                      | 1
                    replay nobody-knows-this --timeout 6            | 1
                    convert nobody-knows-this/at-all --timeout 6    | 1
                    generate nobody-knows-this hello --timeout 6    | 1
                    """)
    void everyCommandSpeaksToASecuredCluster(String command, int status) {
        CommandRun run = run("client", command.split(" "));
        assertThat(run.status()).as(run.toString()).isEqualTo(status);
        assertThat(run.err()).doesNotContain("not allowed").doesNotContain("let this client in");
        assertThat(run.out() + run.err()).doesNotContain(PASSWORD);
    }

    @Test
    void doctorSpeaksToASecuredCluster() {
        CommandRun run = run("operator", "doctor", "--json");
        JsonNode findings = Json.read(run.out(), "findings").path("findings");
        assertThat(findings)
                .filteredOn(finding -> finding.path("subject").asText().matches("broker|topics"))
                .extracting(finding -> finding.path("state").asText())
                .containsExactly("ok", "ok");
        // A client may not see the topics' settings, and is told which right that is.
        CommandRun client = run("client", "doctor");
        assertThat(client.out()).contains("DescribeConfigs on topic acme.");
    }

    @Test
    void whoMayNotCreateTopicsIsToldWhichRightIsMissing() {
        CommandRun run = run("client", "topics", "--partitions=2", "--replication=1");
        assertThat(run.status()).as(run.toString()).isEqualTo(ExitStatus.ENVIRONMENT);
        assertThat(run.err()).contains("DescribeConfigs on topic acme.").contains("not allowed");
        assertThat(run.err().lines()).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"models", "topics", "generate demo hello", "convert demo"})
    void aWrongPasswordEndsWithOneLine(String command) throws Exception {
        properties("wrong", security.client("client", "guessed-1"));
        CommandRun run = run("wrong", command.split(" "));
        assertThat(run.status()).as(run.toString()).isEqualTo(ExitStatus.ENVIRONMENT);
        assertThat(run.err()).contains("does not let this client in").doesNotContain("guessed-1");
        assertThat(run.err().lines()).hasSize(1);
    }

    @Test
    void anotherAuthorityOrProtocolOrFileEndsWithOneLine() throws Exception {
        Map<String, String> foreign = security.client("client");
        foreign.put(
                "ssl.truststore.location",
                TestCertificate.in(folder, "foreign").certificate().toString());
        refused(foreign, "PKIX");
        refused(Map.of(), "speaks TLS");
        refused(Map.of("security.protocol", "SASL_PLAINTEXT"), "speaks TLS");
        Map<String, String> nowhere = security.client("client");
        nowhere.put("ssl.truststore.location", folder.resolve("nowhere.pem").toString());
        refused(nowhere, "nowhere.pem");
        Map<String, String> unknown = security.client("client");
        unknown.put("sasl.mechanism", "SCRAM-SHA-256");
        refused(unknown, "SCRAM-SHA-256");
        Map<String, String> garbled = security.client("client");
        garbled.put("sasl.jaas.config", "password=" + PASSWORD);
        refused(garbled, "jaas");
    }

    private static void refused(Map<String, String> settings, String because) throws IOException {
        properties("refused", settings);
        CommandRun run = run("refused", "models");
        assertThat(run.status()).as(run.toString()).isEqualTo(ExitStatus.ENVIRONMENT);
        assertThat(run.err()).containsIgnoringCase(because).doesNotContain(PASSWORD);
        assertThat(run.err().lines()).hasSize(1);
    }

    private static Map<String, Object> settings(String user) {
        Map<String, Object> settings = new HashMap<>(security.client(user));
        settings.put("bootstrap.servers", kafka.bootstrapServers());
        return settings;
    }

    private static void properties(String name, Map<String, String> settings) throws IOException {
        Properties properties = new Properties();
        properties.putAll(settings);
        try (Writer writer = Files.newBufferedWriter(file(name))) {
            properties.store(writer, null);
        }
    }

    private static Path file(String name) {
        return folder.resolve(name + ".properties");
    }

    private static CommandRun run(String user, String... arguments) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--bootstrap", kafka.bootstrapServers()));
        all.addAll(List.of("--topic-prefix", PREFIX, "--properties", file(user).toString()));
        return CommandRun.of(all.toArray(String[]::new));
    }
}

package dev.tokenlog.integration;

import dev.tokenlog.contracts.Participant;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.BrokerSecurity;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.embeddedkafka.InProcessKafka;
import dev.tokenlog.embeddedkafka.RecordingAuthorizer;
import dev.tokenlog.embeddedkafka.TestCertificate;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// A broker with TLS and SCRAM that allows nothing by default and remembers what it was asked: an
/// administrator, and a user per participant with exactly the rules of [Participant].
final class SecuredCluster implements AutoCloseable {

    private final Path folder;
    private final String prefix;
    private final BrokerSecurity security;
    private final InProcessKafka kafka;
    private final Admin admin;

    SecuredCluster(Path folder, String prefix) {
        this.folder = folder;
        this.prefix = prefix;
        Map<String, String> users =
                Arrays.stream(Participant.values())
                        .collect(Collectors.toMap(Participant::title, _ -> secret()));
        users.put("admin", secret());
        users.put("newcomer", secret());
        security = TestCertificate.in(folder, "broker").security(users, Set.of("admin"));
        kafka =
                InProcessKafka.start(
                        EmbeddedKafkaOptions.in(folder.resolve("kafka"))
                                .withSettings(
                                        Map.of(
                                                "authorizer.class.name",
                                                RecordingAuthorizer.class.getName()))
                                .withSecurity(security));
        admin = Admin.create(settings("admin"));
        try (TopicAdmin topics =
                TopicAdmin.connect(settings("admin"), prefix, Duration.ofSeconds(20))) {
            topics.create(new TopicLayout(2, (short) 1));
        }
        for (Participant participant : Participant.values()) {
            allow(rules(participant, participant.title()));
        }
    }

    private static String secret() {
        return "secret-" + UUID.randomUUID();
    }

    String bootstrap() {
        return kafka.bootstrapServers();
    }

    Collection<String> secrets() {
        return security.users().values();
    }

    List<AclBinding> rules(Participant participant, String user) {
        return participant.access(prefix).stream()
                .flatMap(access ->
                        access.operations().stream()
                                .map(operation -> rule(user, access, operation)))
                .toList();
    }

    static AclBinding rule(String user, Participant.Access access, AclOperation operation) {
        return new AclBinding(
                new ResourcePattern(access.resource(), access.name(), access.pattern()),
                new AccessControlEntry("User:" + user, "*", operation, AclPermissionType.ALLOW));
    }

    void allow(Collection<AclBinding> rules) {
        await(admin.createAcls(rules).all());
    }

    void take(Collection<AclBinding> rules) {
        await(admin.deleteAcls(rules.stream().map(AclBinding::toFilter).toList()).all());
    }

    private static void await(Future<?> future) {
        try {
            future.get();
        } catch (ExecutionException e) {
            throw new AssertionError(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    /// What a Kafka client of this user has to be given.
    Map<String, Object> settings(String user) {
        Map<String, Object> settings = new HashMap<>(security.client(user));
        settings.put("bootstrap.servers", kafka.bootstrapServers());
        return settings;
    }

    Map<String, Object> withPassword(String user, String password) {
        Map<String, Object> settings = new HashMap<>(security.client(user, password));
        settings.put("bootstrap.servers", kafka.bootstrapServers());
        return settings;
    }

    /// The settings as a file, each name behind `before`.
    Path file(String name, Map<String, Object> settings, String before) {
        Path file = folder.resolve(name + ".properties");
        try {
            Files.write(
                    file,
                    settings.entrySet().stream()
                            .map(s -> before + s.getKey() + "=" + s.getValue())
                            .toList());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return file;
    }

    void send(String topic, byte[] value) {
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(
                        settings("admin"), new ByteArraySerializer(), new ByteArraySerializer())) {
            await(producer.send(new ProducerRecord<>(prefix + topic, value)));
        }
    }

    @Override
    public void close() {
        admin.close();
        kafka.close();
    }
}

package dev.tokenlog.client;

import dev.tokenlog.contracts.Participant;
import dev.tokenlog.embeddedkafka.BrokerSecurity;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.embeddedkafka.InProcessKafka;
import dev.tokenlog.embeddedkafka.TestCertificate;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.ResourcePattern;

/// A broker with TLS and SCRAM that allows nothing by default; it knows an administrator and one
/// user per participant, whose name is the participant's title.
final class SecuredBroker implements AutoCloseable {

    static final String ADMIN = "admin";

    /// Whom no rule allows anything.
    static final String NEWCOMER = "newcomer";

    private final BrokerSecurity security;
    private final InProcessKafka kafka;
    private final Admin admin;

    SecuredBroker(Path folder) {
        Map<String, String> users =
                Arrays.stream(Participant.values())
                        .collect(Collectors.toMap(Participant::title, p -> "secret of " + p));
        users.put(ADMIN, "secret of admin");
        users.put(NEWCOMER, "secret of a newcomer");
        security = TestCertificate.in(folder, "broker").security(users, Set.of(ADMIN));
        kafka =
                InProcessKafka.start(
                        EmbeddedKafkaOptions.in(folder.resolve("kafka")).withSecurity(security));
        admin = Admin.create(settings(ADMIN));
    }

    BrokerSecurity security() {
        return security;
    }

    Map<String, Object> settings(String user) {
        return with(security.client(user));
    }

    Map<String, Object> with(Map<String, String> client) {
        Map<String, Object> settings = new HashMap<>(client);
        settings.put("bootstrap.servers", kafka.bootstrapServers());
        return settings;
    }

    /// One rule each for every operation that the participant needs.
    static List<AclBinding> rules(Participant participant, String prefix) {
        return participant.access(prefix).stream()
                .flatMap(rule ->
                        rule.operations().stream()
                                .map(operation -> rule(participant, rule, operation)))
                .toList();
    }

    private static AclBinding rule(
            Participant participant, Participant.Access rule, AclOperation operation) {
        return new AclBinding(
                new ResourcePattern(rule.resource(), rule.name(), rule.pattern()),
                new AccessControlEntry(
                        "User:" + participant.title(), "*", operation, AclPermissionType.ALLOW));
    }

    void allow(Collection<AclBinding> rules) throws ExecutionException, InterruptedException {
        admin.createAcls(rules).all().get();
    }

    void take(AclBinding rule) throws ExecutionException, InterruptedException {
        admin.deleteAcls(List.of(rule.toFilter())).all().get();
    }

    Admin admin() {
        return admin;
    }

    @Override
    public void close() {
        admin.close();
        kafka.close();
    }
}

package dev.tokenlog.embeddedkafka;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;

/// A broker that is spoken to over TLS, lets in whom it knows by name and password, and allows
/// nobody anything that no access rule allows.
///
/// Users are written into the metadata when the data folder is formatted (SCRAM-SHA-512), so a
/// folder keeps the users that it began with. The controller listens with TLS on both sides.
///
/// @param keystore PKCS#12, the broker's key and its certificate, which has to name `127.0.0.1` and
///   `localhost`
/// @param keystorePassword also that of the key
/// @param certificate the same certificate as PEM: what clients trust
/// @param users password by name; the broker adds itself, as `broker`
/// @param superUsers names of users to whom no rule applies
public record BrokerSecurity(
        Path keystore,
        String keystorePassword,
        Path certificate,
        Map<String, String> users,
        Set<String> superUsers) {

    static final String SCRAM_SETTING = "tokenlog.format.scram";

    private static final String MECHANISM = "SCRAM-SHA-512";
    private static final String BROKER = "broker";

    /// What is secured about a listener, as Kafka's clients name it.
    private static final String PROTOCOL = "SASL_SSL";

    public BrokerSecurity {
        Objects.requireNonNull(keystore);
        Objects.requireNonNull(certificate);
        Map<String, String> all = new LinkedHashMap<>(users);
        all.putIfAbsent(BROKER, UUID.randomUUID().toString());
        users = Map.copyOf(all);
        superUsers = Set.copyOf(superUsers);
    }

    /// What a Kafka client of this user has to be given, `bootstrap.servers` apart.
    public Map<String, String> client(String user) {
        return client(user, users.get(user));
    }

    public Map<String, String> client(String user, String password) {
        return client(
                MECHANISM,
                "org.apache.kafka.common.security.scram.ScramLoginModule",
                user,
                password);
    }

    /// The same with the mechanism PLAIN.
    public Map<String, String> plainClient(String user) {
        return client(
                "PLAIN",
                "org.apache.kafka.common.security.plain.PlainLoginModule",
                user,
                users.get(user));
    }

    private Map<String, String> client(
            String mechanism, String module, String user, String password) {
        Map<String, String> settings = new HashMap<>();
        settings.put("security.protocol", PROTOCOL);
        settings.put("sasl.mechanism", mechanism);
        settings.put("sasl.jaas.config", login(module, user, password) + ";");
        settings.put("ssl.truststore.type", "PEM");
        settings.put("ssl.truststore.location", certificate.toAbsolutePath().toString());
        return settings;
    }

    private static String login(String module, String user, String password) {
        return "%s required username=\"%s\" password=\"%s\"".formatted(module, user, password);
    }

    void apply(Properties broker) {
        broker.setProperty(
                "listener.security.protocol.map",
                "%s:%s,%s:SSL"
                        .formatted(
                                BrokerSettings.CLIENT_LISTENER,
                                PROTOCOL,
                                BrokerSettings.CONTROLLER_LISTENER));
        broker.setProperty(
                "authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
        broker.setProperty(
                "super.users",
                superUsers.stream()
                                .sorted()
                                .map(name -> "User:" + name + ";")
                                .collect(Collectors.joining())
                        + "User:"
                        + BROKER
                        + ";User:CN="
                        + BROKER);
        broker.setProperty("ssl.keystore.type", "PKCS12");
        broker.setProperty("ssl.keystore.location", keystore.toAbsolutePath().toString());
        broker.setProperty("ssl.keystore.password", keystorePassword);
        broker.setProperty("ssl.key.password", keystorePassword);
        broker.setProperty("ssl.truststore.type", "PEM");
        broker.setProperty("ssl.truststore.location", certificate.toAbsolutePath().toString());
        broker.setProperty(
                listener(BrokerSettings.CONTROLLER_LISTENER, "ssl.client.auth"), "required");
        logins(broker);
    }

    private void logins(Properties broker) {
        broker.setProperty("sasl.enabled.mechanisms", MECHANISM + ",PLAIN");
        broker.setProperty("sasl.mechanism.inter.broker.protocol", MECHANISM);
        Map<String, String> own = client(BROKER);
        broker.setProperty(
                listener(BrokerSettings.CLIENT_LISTENER, "scram-sha-512.sasl.jaas.config"),
                own.get("sasl.jaas.config"));
        String known =
                users.entrySet().stream()
                        .map(user -> " user_%s=\"%s\"".formatted(user.getKey(), user.getValue()))
                        .collect(Collectors.joining());
        broker.setProperty(
                listener(BrokerSettings.CLIENT_LISTENER, "plain.sasl.jaas.config"),
                plainClient(BROKER).get("sasl.jaas.config").replaceFirst(";$", "") + known + ";");
        broker.setProperty(
                SCRAM_SETTING,
                users.entrySet().stream()
                        .map(user ->
                                "%s=[name=%s,password=%s]"
                                        .formatted(MECHANISM, user.getKey(), user.getValue()))
                        .collect(Collectors.joining("\n")));
    }

    private static String listener(String name, String setting) {
        return "listener.name." + name.toLowerCase(java.util.Locale.ROOT) + "." + setting;
    }

    /// Without secrets.
    @Override
    public String toString() {
        return "BrokerSecurity[keystore=%s, users=%s, superUsers=%s]"
                .formatted(keystore, users.keySet(), superUsers);
    }
}

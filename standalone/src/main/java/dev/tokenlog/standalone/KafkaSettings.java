package dev.tokenlog.standalone;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

/// How clients reach the platform's Kafka.
///
/// @param client settings by Kafka's own names, `bootstrap.servers` included
record KafkaSettings(Map<String, Object> client) {

    /// @param file further settings (TLS, SASL), or null
    static KafkaSettings of(String bootstrapServers, Path file) {
        Map<String, Object> client = new HashMap<>();
        if (file != null) {
            Properties properties = new Properties();
            try (Reader reader = Files.newBufferedReader(file)) {
                properties.load(reader);
            } catch (IOException | IllegalArgumentException e) {
                throw new PlatformException(
                        "the Kafka settings %s cannot be read: %s".formatted(file, e.getMessage()),
                        e);
            }
            properties
                    .stringPropertyNames()
                    .forEach(name -> client.put(name, properties.getProperty(name)));
        }
        client.put("bootstrap.servers", bootstrapServers);
        return new KafkaSettings(Map.copyOf(client));
    }

    String bootstrapServers() {
        return client.get("bootstrap.servers").toString();
    }

    /// The same settings under the names by which the processors look for them.
    Map<String, String> configuration() {
        Map<String, String> configuration = new HashMap<>();
        client.forEach((name, value) -> configuration.put("kafka." + name, value.toString()));
        return configuration;
    }
}

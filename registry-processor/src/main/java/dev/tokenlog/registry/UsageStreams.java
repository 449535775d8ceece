package dev.tokenlog.registry;

import dev.tokenlog.registry.RegistryStreams.Status;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import io.smallrye.common.annotation.Identifier;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.eclipse.microprofile.config.inject.ConfigProperty;

/// Runs the topology of usage, beside the registry's and independent of it.
@ApplicationScoped
public class UsageStreams {

    private final RegistryStreams streams;

    UsageStreams(
            @Identifier("default-kafka-broker") Map<String, Object> kafka,
            @ConfigProperty(name = "tokenlog.topic-prefix") Optional<String> prefix,
            @ConfigProperty(name = "tokenlog.data", defaultValue = "data") Path data,
            RegistryConfig config) {
        streams =
                new RegistryStreams(
                        StreamsApplication.USAGE,
                        new RegistrySettings(kafka, prefix.orElse(""), data, config));
    }

    void onStart(@Observes StartupEvent event) {
        streams.start();
    }

    void onStop(@Observes ShutdownEvent event) {
        streams.stop();
    }

    /// Tokens asked for by prompts that have not ended, by model, as far as this instance counts
    /// them.
    Map<String, Long> debt() {
        return streams.view(UsageTopology.DEBT_STORE);
    }

    public Status status() {
        return streams.status();
    }
}

package dev.tokenlog.standalone;

import dev.tokenlog.client.LocalPlatform;
import dev.tokenlog.engine.compute.KernelSelection;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.vertx.http.HttpServer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.eclipse.microprofile.config.inject.ConfigProperty;

/// Runs when every processor has started: says so, and waits for the end.
public final class StandaloneApplication implements QuarkusApplication {

    private final HttpServer http;
    private final Path data;
    private final String bootstrapServers;
    private final String topicPrefix;
    private final String compute;

    StandaloneApplication(
            HttpServer http,
            @ConfigProperty(name = "tokenlog.data") Path data,
            @ConfigProperty(name = "kafka.bootstrap.servers") String bootstrapServers,
            @ConfigProperty(name = "tokenlog.topic-prefix") Optional<String> topicPrefix,
            @ConfigProperty(name = KernelSelection.KEY, defaultValue = KernelSelection.AUTOMATIC)
                    String compute) {
        this.http = http;
        this.data = data;
        this.bootstrapServers = bootstrapServers;
        this.topicPrefix = topicPrefix.orElse("");
        this.compute = compute;
    }

    @Override
    public int run(String... arguments) throws IOException {
        LocalPlatform platform =
                new LocalPlatform(
                        ProcessHandle.current().pid(),
                        bootstrapServers,
                        topicPrefix,
                        http.getLocalBaseUri().toString(),
                        KernelSelection.select(compute).explanation());
        platform.write(data);
        System.out.printf(
                "ready: bootstrap=%s data=%s health=%s/q/health; %s%n",
                platform.bootstrapServers(), data, platform.url(), platform.compute());
        Quarkus.waitForExit();
        return 0;
    }
}

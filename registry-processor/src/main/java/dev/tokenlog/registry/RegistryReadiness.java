package dev.tokenlog.registry;

import dev.tokenlog.contracts.ClusterAccess;
import jakarta.enterprise.context.ApplicationScoped;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Readiness;

/// Ready while the registry's topology processes records and the cluster allows what this processor
/// has to do; how usage is doing stands beside it.
@Readiness
@ApplicationScoped
public class RegistryReadiness implements HealthCheck {

    private final RegistryStreams streams;
    private final UsageStreams usage;

    RegistryReadiness(RegistryStreams streams, UsageStreams usage) {
        this.streams = streams;
        this.usage = usage;
    }

    @Override
    public HealthCheckResponse call() {
        RegistryStreams.Status status = streams.status();
        ClusterAccess.Status access = streams.access();
        return HealthCheckResponse.named("registry-processor")
                .status(status.running() && access.allowed())
                .withData("access", access.detail())
                .withData("state", status.detail())
                .withData("usage", usage.status().detail())
                .build();
    }
}

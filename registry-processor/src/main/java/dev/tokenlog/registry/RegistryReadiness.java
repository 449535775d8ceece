package dev.tokenlog.registry;

import dev.tokenlog.contracts.ClusterAccess;
import jakarta.enterprise.context.ApplicationScoped;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Readiness;

/// Ready while the topology processes records and the cluster allows what it has to do.
@Readiness
@ApplicationScoped
public class RegistryReadiness implements HealthCheck {

    private final RegistryStreams streams;

    RegistryReadiness(RegistryStreams streams) {
        this.streams = streams;
    }

    @Override
    public HealthCheckResponse call() {
        RegistryStreams.Status status = streams.status();
        ClusterAccess.Status access = streams.access();
        return HealthCheckResponse.named("registry-processor")
                .status(status.running() && access.allowed())
                .withData("access", access.detail())
                .withData("state", status.detail())
                .build();
    }
}

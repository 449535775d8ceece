package dev.tokenlog.registry;

import jakarta.enterprise.context.ApplicationScoped;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Readiness;

/// Ready while the topology processes records.
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
        return HealthCheckResponse.named("registry-processor")
                .status(status.running())
                .withData("state", status.detail())
                .build();
    }
}

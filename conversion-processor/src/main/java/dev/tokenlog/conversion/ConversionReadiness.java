package dev.tokenlog.conversion;

import dev.tokenlog.contracts.ClusterAccess;
import jakarta.enterprise.context.ApplicationScoped;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Readiness;

/// Ready while the desk takes requests and the cluster allows what it has to do. Whether the
/// channel is connected is told by the channel's own check.
@Readiness
@ApplicationScoped
public class ConversionReadiness implements HealthCheck {

    private final ConversionRequests requests;

    ConversionReadiness(ConversionRequests requests) {
        this.requests = requests;
    }

    @Override
    public HealthCheckResponse call() {
        ClusterAccess.Status access = requests.access();
        return HealthCheckResponse.named("conversion-processor")
                .status(requests.isWorking() && access.allowed())
                .withData("access", access.detail())
                .build();
    }
}

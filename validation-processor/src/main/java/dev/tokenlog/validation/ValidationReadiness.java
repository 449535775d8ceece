package dev.tokenlog.validation;

import dev.tokenlog.contracts.ClusterAccess;
import jakarta.enterprise.context.ApplicationScoped;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Readiness;

/// Ready while the desk takes work and the cluster allows what it has to do. Whether the channels
/// are connected is told by the channels' own checks.
@Readiness
@ApplicationScoped
public class ValidationReadiness implements HealthCheck {

    private final Validations validations;

    ValidationReadiness(Validations validations) {
        this.validations = validations;
    }

    @Override
    public HealthCheckResponse call() {
        ClusterAccess.Status access = validations.access();
        return HealthCheckResponse.named("validation-processor")
                .status(validations.isWorking() && access.allowed())
                .withData("access", access.detail())
                .build();
    }
}

package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.ClusterAccess;
import jakarta.enterprise.inject.Produces;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Liveness;
import org.eclipse.microprofile.health.Readiness;

/// Whether the worker lives (its protocol thread and its reader run) and is ready (it knows the
/// registry and the cancels, and the cluster lets it do what it has to).
final class InferenceHealth {

    @Produces
    @Liveness
    HealthCheck inferenceLives(InferenceWorker worker) {
        return () ->
                HealthCheckResponse.named("inference: protocol thread and log reader")
                        .status(worker.isAlive())
                        .build();
    }

    @Produces
    @Readiness
    HealthCheck inferenceIsReady(InferenceWorker worker) {
        return () ->
                HealthCheckResponse.named("inference: registry and controls are read")
                        .status(worker.isReady())
                        .build();
    }

    @Produces
    @Readiness
    HealthCheck inferenceIsAllowed(InferenceWorker worker) {
        return () -> {
            ClusterAccess.Status access = worker.access();
            return HealthCheckResponse.named("inference: access to the cluster")
                    .status(access.allowed())
                    .withData("access", access.detail())
                    .build();
        };
    }
}

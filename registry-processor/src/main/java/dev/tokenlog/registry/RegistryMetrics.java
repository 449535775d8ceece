package dev.tokenlog.registry;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.MultiGauge;
import io.micrometer.core.instrument.Tags;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/// What the registry processor's two applications say in numbers: whether they run, and how many
/// tokens each model owes, of all workers together and of prompts that nobody has read yet.
/// `docs/metrics.md` lists them.
@ApplicationScoped
public class RegistryMetrics {

    private static final long REFRESH_MILLIS = 2_000;

    private final UsageStreams usage;
    private final MultiGauge debt;
    private final ScheduledExecutorService refresher =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("registry-metrics").factory());

    RegistryMetrics(RegistryStreams registry, UsageStreams usage, MeterRegistry meters) {
        this.usage = usage;
        Gauge.builder("tokenlog.streams.running", () -> registry.status().running() ? 1 : 0)
                .tag("application", "registry")
                .description("1 while the application takes records")
                .register(meters);
        Gauge.builder("tokenlog.streams.running", () -> usage.status().running() ? 1 : 0)
                .tag("application", "usage")
                .description("1 while the application takes records")
                .register(meters);
        debt =
                MultiGauge.builder("tokenlog.usage.debt.tokens")
                        .description("Tokens asked for by prompts that have not ended anywhere")
                        .register(meters);
    }

    void onStart(@Observes StartupEvent event) {
        refresher.scheduleWithFixedDelay(
                this::refresh, REFRESH_MILLIS, REFRESH_MILLIS, TimeUnit.MILLISECONDS);
    }

    void onStop(@Observes ShutdownEvent event) {
        refresher.shutdownNow();
    }

    private void refresh() {
        List<MultiGauge.Row<?>> rows = new ArrayList<>();
        usage.debt()
                .forEach((model, tokens) ->
                        rows.add(MultiGauge.Row.of(Tags.of("model", model), tokens)));
        debt.register(rows, true);
    }
}

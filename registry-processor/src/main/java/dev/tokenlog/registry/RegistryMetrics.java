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
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What the registry processor's two applications say in numbers: whether they run, and how many
/// tokens each model owes, of all workers together and of prompts that nobody has read yet.
/// `docs/metrics.md` lists them.
@ApplicationScoped
public class RegistryMetrics {

    private static final long REFRESH_MILLIS = 2_000;

    private static final Logger LOG = LoggerFactory.getLogger(RegistryMetrics.class);

    private static final String UNKNOWN = "unknown";

    /// Where nobody here knows what the registry has.
    private static final int NAMES_KEPT = 20;

    private final RegistryStreams registry;
    private final UsageStreams usage;
    private final MultiGauge debt;
    private final ScheduledExecutorService refresher =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("registry-metrics").factory());

    RegistryMetrics(RegistryStreams registry, UsageStreams usage, MeterRegistry meters) {
        this.registry = registry;
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
        try {
            Map<String, ModelHistory> known = registry.view(RegistryTopology.HISTORY_STORE);
            List<MultiGauge.Row<?>> rows = new ArrayList<>();
            labelled(usage.debt(), known)
                    .forEach((model, tokens) ->
                            rows.add(MultiGauge.Row.of(Tags.of("model", model), tokens)));
            debt.register(rows, true);
        } catch (RuntimeException e) {
            // Thrown, it would end the schedule.
            LOG.warn("the debt is not measured", e);
        }
    }

    /// By the names that may become labels: anybody may write any name into a prompt.
    ///
    /// @param known empty where another instance has the registry's store
    static Map<String, Long> labelled(Map<String, Long> debt, Map<String, ModelHistory> known) {
        Set<String> names =
                known.isEmpty()
                        ? largest(debt)
                        : known.values().stream()
                                .filter(model -> debt.containsKey(model.modelId()))
                                .filter(model -> model.serving().isPresent())
                                .map(ModelHistory::modelId)
                                .collect(Collectors.toSet());
        Map<String, Long> labelled = new TreeMap<>();
        debt.forEach((model, tokens) ->
                labelled.merge(names.contains(model) ? model : UNKNOWN, tokens, Long::sum));
        return labelled;
    }

    private static Set<String> largest(Map<String, Long> debt) {
        return debt.entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
                .limit(NAMES_KEPT)
                .map(Map.Entry::getKey)
                .collect(Collectors.toSet());
    }
}

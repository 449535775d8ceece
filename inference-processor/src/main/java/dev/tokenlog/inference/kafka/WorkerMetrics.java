package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.Terminal;
import dev.tokenlog.contracts.TokenEvent.Timings;
import dev.tokenlog.engine.generation.LoopStatistics;
import dev.tokenlog.inference.model.ModelPool;
import dev.tokenlog.inference.protocol.Meter;
import dev.tokenlog.inference.protocol.ModelCatalogue;
import dev.tokenlog.inference.protocol.ProtocolClock;
import dev.tokenlog.inference.protocol.Worker;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.MultiGauge;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/// The worker in numbers, for whoever scrapes them: `docs/metrics.md` lists them. What is, is read
/// from the protocol twice a second, on its thread; what has happened is counted when it happens.
///
/// Names of models come from prompts, which anybody may write: only those that the registry knows
/// become labels.
final class WorkerMetrics implements Meter {

    private static final long SAMPLE_MILLIS = 500;
    private static final String UNKNOWN = "unknown";
    private static final String MODEL = "model";

    private static final Duration[] FIRST_TOKEN =
            millis(10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000);
    private static final Duration[] TOKEN = millis(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000);

    private record Sample(int queued, long queuedTokens, int running, int held, long heldBytes) {}

    private final MeterRegistry registry;
    private final ModelCatalogue catalogue;
    private final MultiGauge debt;
    private final MultiGauge batch;
    private final MultiGauge pages;
    private final MultiGauge pageLimit;
    private final Map<String, LoopStatistics> before = new HashMap<>();
    private volatile Sample sample = new Sample(0, 0, 0, 0, 0);

    WorkerMetrics(MeterRegistry registry, ModelCatalogue catalogue) {
        this.registry = registry;
        this.catalogue = catalogue;
        gauge(
                "tokenlog.queue.prompts",
                "Prompts in memory that wait for their turn",
                Sample::queued);
        gauge("tokenlog.queue.tokens", "Tokens that they ask for", Sample::queuedTokens);
        gauge("tokenlog.generations.running", "Generations that have their turn", Sample::running);
        gauge("tokenlog.prompts.held", "Prompts in memory that are not done", Sample::held);
        gauge("tokenlog.prompts.held.bytes", "Their bytes", Sample::heldBytes);
        debt =
                perModel(
                        "tokenlog.debt.tokens",
                        "Tokens asked for by prompts that are here and have not ended");
        batch =
                perModel(
                        "tokenlog.batch.size", "Sequences in a step, mean of the last half second");
        pages = perModel("tokenlog.kv.pages", "Pages of the KV cache in use");
        pageLimit = perModel("tokenlog.kv.pages.limit", "Pages of the KV cache that there may be");
    }

    private static Duration[] millis(long... bounds) {
        return java.util.Arrays.stream(bounds)
                .mapToObj(Duration::ofMillis)
                .toArray(Duration[]::new);
    }

    private void gauge(String name, String description, ToDoubleFunction<Sample> value) {
        Gauge.builder(name, this, metrics -> value.applyAsDouble(metrics.sample))
                .description(description)
                .register(registry);
    }

    private MultiGauge perModel(String name, String description) {
        return MultiGauge.builder(name).description(description).register(registry);
    }

    /// Begins, on the protocol thread.
    void watch(Worker worker, ModelPool models, ProtocolClock clock) {
        sample =
                new Sample(
                        worker.waitingGenerations(),
                        worker.waitingTokens(),
                        worker.activeGenerations(),
                        worker.heldPrompts(),
                        worker.heldBytes());
        owed(worker.debt());
        engines(models.statistics());
        clock.after(SAMPLE_MILLIS, () -> watch(worker, models, clock));
    }

    void owed(Map<String, Long> tokens) {
        Map<String, Long> byLabel = new HashMap<>();
        tokens.forEach((model, owed) -> byLabel.merge(label(model), owed, Long::sum));
        List<MultiGauge.Row<?>> rows = new ArrayList<>();
        byLabel.forEach((label, owed) -> rows.add(MultiGauge.Row.of(Tags.of(MODEL, label), owed)));
        debt.register(rows, true);
    }

    private String label(String modelId) {
        boolean known = modelId != null && catalogue.find(modelId).isPresent();
        return known ? modelId : UNKNOWN;
    }

    private void engines(Map<ModelPool.Entry, LoopStatistics> engines) {
        List<MultiGauge.Row<?>> sizes = new ArrayList<>();
        List<MultiGauge.Row<?>> used = new ArrayList<>();
        List<MultiGauge.Row<?>> limits = new ArrayList<>();
        Map<String, LoopStatistics> now = new HashMap<>();
        engines.forEach((model, statistics) -> {
            now.put(model.modelDigest(), statistics);
            Tags tags = Tags.of(MODEL, model.modelId(), "digest", model.modelDigest());
            LoopStatistics last = before.get(model.modelDigest());
            // A model that was loaded again begins at 0.
            boolean goesOn = last != null && last.steps() <= statistics.steps();
            long steps = statistics.steps() - (goesOn ? last.steps() : 0);
            long sequences = statistics.sequences() - (goesOn ? last.sequences() : 0);
            long preemptions = statistics.preemptions() - (goesOn ? last.preemptions() : 0);
            registry.counter("tokenlog.steps", tags).increment(steps);
            registry.counter("tokenlog.step.sequences", tags).increment(sequences);
            registry.counter("tokenlog.preemptions", tags).increment(preemptions);
            sizes.add(MultiGauge.Row.of(tags, steps == 0 ? 0 : (double) sequences / steps));
            used.add(MultiGauge.Row.of(tags.and("state", "held"), statistics.kv().held()));
            used.add(MultiGauge.Row.of(tags.and("state", "kept"), statistics.kv().kept()));
            limits.add(MultiGauge.Row.of(tags, statistics.kv().limit()));
        });
        before.clear();
        before.putAll(now);
        batch.register(sizes, true);
        pages.register(used, true);
        pageLimit.register(limits, true);
    }

    @Override
    public void ended(String modelId, Terminal end) {
        String model = label(modelId);
        registry.counter("tokenlog.generations", MODEL, model, "end", end.type()).increment();
        if (end instanceof GenerationFailed failed) {
            registry.counter("tokenlog.refusals", "reason", String.valueOf(failed.code()))
                    .increment();
        }
        if (end.usage() != null) {
            registry.counter("tokenlog.tokens", MODEL, model, "kind", "prompt")
                    .increment(end.usage().promptTokens());
            registry.counter("tokenlog.tokens", MODEL, model, "kind", "completion")
                    .increment(end.usage().completionTokens());
        }
        times(model, end.timings());
    }

    private void times(String model, Timings timings) {
        if (timings == null) {
            return;
        }
        Optional.ofNullable(timings.queueMs())
                .ifPresent(millis ->
                        timer(
                                        "tokenlog.queue.time",
                                        "From its append to its turn",
                                        model,
                                        FIRST_TOKEN)
                                .record(Duration.ofMillis(millis)));
        Optional.ofNullable(timings.firstTokenMs())
                .ifPresent(millis ->
                        timer(
                                        "tokenlog.first.token",
                                        "From a prompt's append to its first token",
                                        model,
                                        FIRST_TOKEN)
                                .record(Duration.ofMillis(millis)));
        Optional.ofNullable(timings.tokensPerSecond())
                .filter(rate -> rate > 0)
                .ifPresent(rate ->
                        timer(
                                        "tokenlog.token.time",
                                        "Between the tokens of a generation, its mean",
                                        model,
                                        TOKEN)
                                .record(Duration.ofNanos(Math.round(1e9 / rate))));
    }

    private Timer timer(String name, String description, String model, Duration[] bounds) {
        return Timer.builder(name)
                .description(description)
                .tag(MODEL, model)
                .serviceLevelObjectives(bounds)
                .register(registry);
    }
}

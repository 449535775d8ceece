package dev.tokenlog.registry;

import dev.tokenlog.contracts.Usage;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/// Adds facts up by model and minute, and tells what has changed every few seconds: a minute that
/// is not over yet as well, and one in which nothing happened if tokens are owed.
final class UsageWindows implements Processor<String, UsageFact, String, Usage> {

    static final Duration TELL_INTERVAL = Duration.ofSeconds(2);

    /// How far apart the partitions may be, when a backlog is read, without a minute being told
    /// with a part of its generations only.
    private static final long KEPT_MILLIS = Duration.ofHours(24).toMillis();

    private ProcessorContext<String, Usage> context;
    private KeyValueStore<String, UsageWindow> windows;
    private KeyValueStore<String, Long> debts;
    private long latest;

    @Override
    public void init(ProcessorContext<String, Usage> processorContext) {
        context = processorContext;
        windows = context.getStateStore(UsageTopology.WINDOW_STORE);
        debts = context.getStateStore(UsageTopology.DEBT_STORE);
        context.schedule(TELL_INTERVAL, PunctuationType.WALL_CLOCK_TIME, this::tell);
    }

    @Override
    public void process(Record<String, UsageFact> record) {
        String model = record.key();
        long debt = Objects.requireNonNullElse(debts.get(model), 0L) + record.value().debt();
        if (debt == 0) {
            debts.delete(model);
        } else {
            debts.put(model, debt);
        }
        long start = UsageWindow.startOf(record.timestamp());
        latest = Math.max(latest, start);
        UsageWindow window = window(model, start, debt).with(record.value(), debt);
        windows.put(window.key(), window);
    }

    private UsageWindow window(String model, long start, long debt) {
        return Objects.requireNonNullElseGet(
                windows.get(UsageWindow.key(model, start)),
                () -> UsageWindow.of(model, start, debt));
    }

    private void tell(long now) {
        openWindowsOfDebtors(UsageWindow.startOf(now));
        List<UsageWindow> changed = new ArrayList<>();
        List<String> old = new ArrayList<>();
        try (KeyValueIterator<String, UsageWindow> all = windows.all()) {
            all.forEachRemaining(entry -> {
                if (!entry.value.told()) {
                    changed.add(entry.value);
                } else if (entry.value.start() < latest - KEPT_MILLIS) {
                    old.add(entry.key);
                }
            });
        }
        for (UsageWindow window : changed) {
            windows.put(window.key(), window.told(true));
            context.forward(new Record<>(window.key(), window.usage(), now));
        }
        old.forEach(windows::delete);
    }

    private void openWindowsOfDebtors(long start) {
        List<UsageWindow> missing = new ArrayList<>();
        try (KeyValueIterator<String, Long> all = debts.all()) {
            all.forEachRemaining(entry -> {
                if (entry.value != 0 && windows.get(UsageWindow.key(entry.key, start)) == null) {
                    missing.add(UsageWindow.of(entry.key, start, entry.value));
                }
            });
        }
        missing.forEach(window -> windows.put(window.key(), window));
    }
}

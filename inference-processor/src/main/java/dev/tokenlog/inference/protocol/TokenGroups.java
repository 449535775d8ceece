package dev.tokenlog.inference.protocol;

import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntSupplier;

/// Puts the tokens of one worker's generations together: what waits when the first of them is due
/// is sent at once, so that one request to the broker carries it all, and one answer each brings it
/// to the readers.
///
/// They are sent at the end of the step that is nearest to the end of the interval, of each step
/// where steps take longer: between two steps nothing is made, so who waits there waits for nobody.
///
/// The more generations run, the longer their tokens wait for each other: the number of events per
/// second stays about the same, and with it what the log takes from the engine.
final class TokenGroups {

    /// Generations that share what one interval costs.
    private static final int GENERATIONS = 2;

    /// How many intervals that may be: a reader should hardly notice that tokens wait.
    private static final int LONGEST = 4;

    private final ProtocolClock clock;
    private final long interval;
    private final IntSupplier generations;
    private final Set<Runnable> waiting = new LinkedHashSet<>();
    private ProtocolClock.Cancellable timer = () -> {};
    private long dueAt;
    private long due;
    private long step;
    private long stepEndedAt;

    /// @param interval of one or two generations
    /// @param generations that run now
    TokenGroups(ProtocolClock clock, Duration interval, IntSupplier generations) {
        this.clock = clock;
        this.interval = interval.toMillis();
        this.generations = generations;
    }

    /// A generation has tokens to send.
    ///
    /// @param send run when they are due; says who waits
    void add(Runnable send) {
        if (waiting.isEmpty()) {
            due = interval(generations.getAsInt());
            dueAt = clock.now() + due;
            // For the case that no step ends near it.
            timer = clock.after(due + Math.min(step, due) / 2, this::due);
        }
        waiting.add(send);
    }

    /// It has none any more.
    void remove(Runnable send) {
        if (waiting.remove(send) && waiting.isEmpty()) {
            timer.cancel();
        }
    }

    /// All that a step of an engine made has been told.
    void stepEnded() {
        long now = clock.now();
        step = now - stepEndedAt;
        stepEndedAt = now;
        if (!waiting.isEmpty() && (step >= due || now + step / 2 >= dueAt)) {
            timer.cancel();
            due();
        }
    }

    private void due() {
        List<Runnable> all = List.copyOf(waiting);
        waiting.clear();
        all.forEach(Runnable::run);
    }

    /// Milliseconds.
    private long interval(int running) {
        return interval * Math.clamp(Math.ceilDiv(running, GENERATIONS), 1, LONGEST);
    }
}

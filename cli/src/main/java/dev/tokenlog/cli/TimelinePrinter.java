package dev.tokenlog.cli;

import dev.tokenlog.client.Timeline;
import dev.tokenlog.client.Timeline.Entry;
import dev.tokenlog.contracts.AccuracyEvent.AccuracyMeasured;
import dev.tokenlog.contracts.ConversionEvent.TensorConverted;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// Draws a timeline: time, place in the log, what happened. Runs of events of a kind that comes in
/// dozens become one line.
final class TimelinePrinter {

    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("HH:mm:ss.SSS").withZone(ZoneId.systemDefault());

    private final Terminal terminal;
    private final boolean all;

    TimelinePrinter(Terminal terminal, boolean all) {
        this.terminal = terminal;
        this.all = all;
    }

    void print(Timeline timeline) {
        List<Entry> run = new ArrayList<>();
        for (Entry entry : timeline.entries()) {
            if (!run.isEmpty() && !continues(run.getLast(), entry)) {
                printRun(run);
                run.clear();
            }
            run.add(entry);
        }
        if (!run.isEmpty()) {
            printRun(run);
        }
        Chain.of(timeline).lines().forEach(terminal::line);
    }

    private boolean continues(Entry last, Entry next) {
        return !all
                && last.topic() == next.topic()
                && last.partition() == next.partition()
                && last.note().isEmpty()
                && next.note().isEmpty()
                && last.event().isPresent()
                && next.event().isPresent()
                && repeated(last.event().get())
                && repeated(next.event().get())
                && last.event().get().getClass() == next.event().get().getClass();
    }

    private static boolean repeated(Event event) {
        return switch (event) {
            case TensorConverted _, TokensGenerated _, AccuracyMeasured _ -> true;
            default -> false;
        };
    }

    private void printRun(List<Entry> run) {
        Entry first = run.getFirst();
        Entry last = run.getLast();
        String offsets =
                run.size() == 1
                        ? Long.toString(first.offset())
                        : first.offset() + "-" + last.offset();
        String place = "%s[%d]@%s".formatted(first.topic().baseName(), first.partition(), offsets);
        terminal.line(
                "%s  %-30s %s"
                        .formatted(terminal.dim(TIME.format(first.timestamp())), place, what(run)));
    }

    private String what(List<Entry> run) {
        Entry first = run.getFirst();
        String note = first.note().isEmpty() ? "" : "  (" + first.note() + ")";
        if (first.event().isEmpty()) {
            return "(no event)" + note;
        }
        Event event = first.event().get();
        String name = terminal.bold(event.type());
        if (run.size() == 1) {
            return name + " " + Terminal.printable(EventSummary.details(event)) + note;
        }
        return name + " " + sum(run);
    }

    private static String sum(List<Entry> run) {
        List<Event> events = run.stream().map(entry -> entry.event().orElseThrow()).toList();
        return switch (events.getFirst()) {
            case TensorConverted _ -> {
                TensorConverted worst =
                        events.stream()
                                .map(TensorConverted.class::cast)
                                .max(
                                        Comparator.comparing(
                                                TensorConverted::relativeError,
                                                Comparator.nullsFirst(Comparator.naturalOrder())))
                                .orElseThrow();
                yield "%d tensors; largest relative error %s (%s)"
                        .formatted(
                                events.size(),
                                EventSummary.percent(worst.relativeError()),
                                worst.name());
            }
            case TokensGenerated _ -> {
                int tokens =
                        events.stream()
                                .mapToInt(e -> ((TokensGenerated) e).tokenIds().size())
                                .sum();
                yield "%d tokens in %d events".formatted(tokens, events.size());
            }
            default -> checks(events.stream().map(AccuracyMeasured.class::cast).toList());
        };
    }

    private static String checks(List<AccuracyMeasured> checks) {
        List<AccuracyMeasured> judged = checks.stream().filter(c -> c.passed() != null).toList();
        List<String> failed =
                judged.stream().filter(c -> !c.passed()).map(AccuracyMeasured::check).toList();
        return "%d checks, %d with a threshold, %s"
                .formatted(
                        checks.size(),
                        judged.size(),
                        failed.isEmpty() ? "all passed" : "failed: " + String.join(", ", failed));
    }
}

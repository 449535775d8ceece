package dev.tokenlog.cli;

import java.util.function.LongSupplier;

/// One line on standard error that says how far a thing is: drawn over on a terminal, now and then
/// a line of its own elsewhere.
final class Progress implements AutoCloseable {

    private static final int WIDTH = 24;
    private static final long TERMINAL_MILLIS = 50;
    private static final long LOG_MILLIS = 2_000;

    private final Terminal terminal;
    private final String what;
    private final LongSupplier clock;
    private final long begin;
    private long lastShown = Long.MIN_VALUE / 2;
    private int drawn;

    Progress(Terminal terminal, String what) {
        this(terminal, what, () -> System.nanoTime() / 1_000_000);
    }

    Progress(Terminal terminal, String what, LongSupplier clockMillis) {
        this.terminal = terminal;
        this.what = what;
        this.clock = clockMillis;
        this.begin = clockMillis.getAsLong();
    }

    /// @param done of `total`, in whatever unit makes progress steady
    /// @param detail such as the tensor's name
    void show(long done, long total, String detail) {
        double share = share(done, total);
        long elapsed = clock.getAsLong() - begin;
        String shown =
                detail.length() > 44 ? "..." + detail.substring(detail.length() - 41) : detail;
        show(done, total, shown, share > 0.01 ? (long) (elapsed * (1 - share) / share) : -1);
    }

    /// @param millisLeft as somebody who knows better says; -1 for unknown
    void show(long done, long total, String detail, long millisLeft) {
        long now = clock.getAsLong();
        boolean last = done >= total;
        long pause = terminal.errIsTerminal() ? TERMINAL_MILLIS : LOG_MILLIS;
        if (!last && now - lastShown < pause) {
            return;
        }
        lastShown = now;
        String line = line(done, total, detail, now - begin, millisLeft);
        if (terminal.errIsTerminal()) {
            terminal.errRaw("\r" + line + " ".repeat(Math.max(0, drawn - line.length())));
            drawn = line.length();
        } else {
            terminal.err(line);
        }
    }

    private static double share(long done, long total) {
        return total <= 0 ? 1 : Math.min(1, (double) done / total);
    }

    private String line(long done, long total, String detail, long elapsed, long millisLeft) {
        double share = share(done, total);
        int filled = (int) (share * WIDTH);
        String left =
                millisLeft >= 0 && share < 1
                        ? ", %s left".formatted(seconds(millisLeft))
                        : ", %s".formatted(seconds(elapsed));
        return "%s [%s%s] %3d %%%s  %s"
                .formatted(
                        what,
                        "#".repeat(filled),
                        ".".repeat(WIDTH - filled),
                        (int) (share * 100),
                        left,
                        detail);
    }

    private static String seconds(long millis) {
        return "%.1f s".formatted(millis / 1000.0);
    }

    /// Ends the line that was drawn over.
    @Override
    public void close() {
        if (drawn > 0) {
            terminal.errRaw("\n");
            drawn = 0;
        }
    }
}

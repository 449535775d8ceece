package dev.tokenlog.cli;

import java.util.ArrayList;
import java.util.List;

/// Columns that line up. Nothing but spaces between them, so that other programs can cut them.
final class Table {

    private final String[] head;
    private final List<String[]> rows = new ArrayList<>();

    Table(String... head) {
        this.head = head;
    }

    void row(String... cells) {
        if (cells.length != head.length) {
            throw new IllegalArgumentException(
                    "%d cells for %d columns".formatted(cells.length, head.length));
        }
        rows.add(cells);
    }

    void print(Terminal terminal) {
        int[] widths = new int[head.length];
        measure(head, widths);
        rows.forEach(row -> measure(row, widths));
        terminal.line(terminal.dim(line(head, widths)));
        rows.forEach(row -> terminal.line(line(row, widths)));
    }

    private static void measure(String[] cells, int[] widths) {
        for (int i = 0; i < cells.length; i++) {
            widths[i] = Math.max(widths[i], cells[i].length());
        }
    }

    private static String line(String[] cells, int[] widths) {
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < cells.length; i++) {
            line.append(cells[i]).repeat(' ', widths[i] - cells[i].length() + 2);
        }
        return Terminal.printable(line.toString()).stripTrailing();
    }
}

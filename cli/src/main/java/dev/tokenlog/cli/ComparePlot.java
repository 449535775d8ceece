package dev.tokenlog.cli;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/// The table as a picture: divergence over bits per weight, the first in powers of ten. Plain SVG,
/// whose colours follow the reader's light or dark; shapes say the same as colours.
final class ComparePlot {

    private static final int WIDTH = 960;
    private static final int HEIGHT = 680;
    private static final int LEFT = 64;
    private static final int RIGHT = 24;
    private static final int TOP = 48;
    private static final int BOTTOM = 52;

    /// Width of a letter of a label, more or less.
    private static final double LETTER = 5.4;

    private static final double LINE = 11;

    /// How the codes were found.
    private enum Series {
        WEIGHTS("from the weights alone", "w", "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z"),
        SCALED("awq", "s", "M-4.5 4L4.5 4L0 -4.5z"),
        CALIBRATED("gptq", "c", "M-3.8 -3.8H3.8V3.8H-3.8z"),
        BOTH("awq, then gptq", "b", "M0 -5.2L5.2 0L0 5.2L-5.2 0z"),
        OTHERS("other files", "o", "M-4 -4L4 4M-4 4L4 -4");

        private final String shown;
        private final String style;
        private final String shape;

        Series(String shown, String style, String shape) {
            this.shown = shown;
            this.style = style;
            this.shape = shape;
        }

        static Series of(CompareRow row) {
            if (row.method() == null) {
                return OTHERS;
            }
            return switch (row.method()) {
                case "" -> WEIGHTS;
                case "awq" -> SCALED;
                case "gptq" -> CALIBRATED;
                default -> BOTH;
            };
        }
    }

    private record Box(double left, double top, double right, double bottom) {

        boolean meets(Box other) {
            return left < other.right
                    && other.left < right
                    && top < other.bottom
                    && other.top < bottom;
        }
    }

    private final StringBuilder text = new StringBuilder();
    private final List<Box> taken = new ArrayList<>();
    private final double leastBits;
    private final double mostBits;
    private final int lowest;
    private final int highest;

    private ComparePlot(List<CompareRow> rows) {
        leastBits =
                Math.floor(
                        rows.stream().mapToDouble(r -> r.size().bitsPerWeight()).min().orElse(0));
        mostBits =
                Math.max(
                        leastBits + 1,
                        Math.ceil(
                                rows.stream()
                                        .mapToDouble(r -> r.size().bitsPerWeight())
                                        .max()
                                        .orElse(8)));
        lowest =
                (int) Math.floor(rows.stream().mapToDouble(ComparePlot::exponent).min().orElse(-4));
        highest =
                Math.max(
                        lowest + 1,
                        (int)
                                Math.ceil(
                                        rows.stream()
                                                .mapToDouble(ComparePlot::exponent)
                                                .max()
                                                .orElse(0)));
    }

    private static double exponent(CompareRow row) {
        double divergence = row.report().meanDivergence();
        // What does not differ at all, or is no number, stands at the edge.
        return divergence > 1e-7 ? Math.log10(Math.min(divergence, 1e3)) : -7;
    }

    static String svg(List<CompareRow> rows) {
        ComparePlot plot = new ComparePlot(rows);
        plot.frame();
        plot.legend(rows);
        for (CompareRow row : rows) {
            double x = plot.x(row);
            double y = plot.y(exponent(row));
            plot.taken.add(new Box(x - 5, y - 5, x + 5, y + 5));
        }
        rows.forEach(plot::point);
        // The best of a width first: these labels stay beside their points.
        rows.stream().sorted(Comparator.comparingDouble(ComparePlot::exponent)).forEach(plot::name);
        plot.text.append("</svg>\n");
        return plot.text.toString();
    }

    private void frame() {
        add(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\""
                        + " font-family=\"sans-serif\" font-size=\"12\">%n",
                WIDTH, HEIGHT);
        text.append(
                """
                <style>
                .paper{fill:#fff}.grid{stroke:#e2e2e2}.lead{stroke:#999;stroke-width:.6}text{fill:#333}
                .n{font-size:10px}.o{fill:none;stroke:#777;stroke-width:1.8}
                .w{fill:#2f6db3}.s{fill:#8250c4}.c{fill:#cf3f2e}.b{fill:#1a8a5a}
                @media (prefers-color-scheme: dark){
                .paper{fill:#15181c}.grid{stroke:#333a42}.lead{stroke:#7b858f}text{fill:#d5dae0}
                .o{stroke:#a9b1ba}.w{fill:#6fabf0}.s{fill:#b795f2}.c{fill:#ff7b6b}.b{fill:#52c795}}
                </style>
                """);
        add("<rect class=\"paper\" width=\"%d\" height=\"%d\"/>%n", WIDTH, HEIGHT);
        for (int power = lowest; power <= highest; power++) {
            double y = y(power);
            line("grid", LEFT, y, WIDTH - RIGHT, y);
            label(LEFT - 8, y + 4, "end", "1e" + power);
        }
        for (int bits = (int) leastBits; bits <= mostBits; bits++) {
            line("grid", x(bits), TOP, x(bits), HEIGHT - BOTTOM);
            label(x(bits), HEIGHT - BOTTOM + 16, "middle", Integer.toString(bits));
        }
        label(
                WIDTH / 2.0,
                HEIGHT - 12,
                "middle",
                "bits per weight of the whole model, scales included");
        add(
                "<text transform=\"translate(16 %d) rotate(-90)\" text-anchor=\"middle\">mean KL"
                        + " divergence from the float model, nats</text>%n",
                HEIGHT / 2);
    }

    private void legend(List<CompareRow> rows) {
        Set<Series> there = EnumSet.noneOf(Series.class);
        rows.forEach(row -> there.add(Series.of(row)));
        double x = LEFT + 8;
        for (Series series : there) {
            shape(series, x, TOP / 2.0, series.shown);
            label(x + 10, TOP / 2.0 + 4, "start", series.shown);
            x += 36 + 6.5 * series.shown.length();
        }
    }

    private void point(CompareRow row) {
        shape(Series.of(row), x(row), y(exponent(row)), row.name());
    }

    private void shape(Series series, double x, double y, String title) {
        add(
                "<path class=\"%s\" transform=\"translate(%.1f %.1f)\""
                        + " d=\"%s\"><title>%s</title></path>%n",
                series.style, x, y, series.shape, escaped(title));
    }

    /// Puts the name beside the point, or, where others are, as near as there is room, with a line.
    private void name(CompareRow row) {
        String name = shortened(row.plain());
        double width = LETTER * name.length();
        double x = x(row);
        double y = y(exponent(row));
        for (double away = 0; away < HEIGHT; away += LINE / 2) {
            for (int side = 0; side < 4; side++) {
                double left = side % 2 == 0 ? x + 8 + away / 3 : x - 8 - away / 3 - width;
                double middle = side < 2 ? y - away : y + away;
                Box box = new Box(left - 1, middle - LINE / 2, left + width + 1, middle + LINE / 2);
                if (fits(box)) {
                    taken.add(box);
                    if (away > 0) {
                        double end = side % 2 == 0 ? left - 1 : left + width + 1;
                        line("lead", x, y, end, middle);
                    }
                    add(
                            "<text class=\"n\" x=\"%.1f\" y=\"%.1f\">%s</text>%n",
                            left, middle + 3.5, escaped(name));
                    return;
                }
            }
        }
    }

    /// The usual is left out.
    private static String shortened(String recipe) {
        return recipe.replace("-absmax", "")
                .replace(",rotation=", " ")
                .replaceFirst(":0(?=,|$)", "");
    }

    private boolean fits(Box box) {
        return box.left > LEFT
                && box.right < WIDTH - 2
                && box.top > TOP
                && box.bottom < HEIGHT - BOTTOM
                && taken.stream().noneMatch(box::meets);
    }

    private double x(CompareRow row) {
        return x(row.size().bitsPerWeight());
    }

    private double x(double bits) {
        return LEFT + (bits - leastBits) / (mostBits - leastBits) * (WIDTH - LEFT - RIGHT);
    }

    private double y(double power) {
        return HEIGHT - BOTTOM - (power - lowest) / (highest - lowest) * (HEIGHT - TOP - BOTTOM);
    }

    private void line(String style, double x1, double y1, double x2, double y2) {
        add(
                "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>%n",
                style, x1, y1, x2, y2);
    }

    private void label(double x, double y, String anchor, String words) {
        add(
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n",
                x, y, anchor, escaped(words));
    }

    private static String escaped(String words) {
        return words.replace("&", "&amp;").replace("<", "&lt;");
    }

    private void add(String format, Object... values) {
        text.append(String.format(Locale.ROOT, format, values));
    }
}
